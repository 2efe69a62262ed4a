#![allow(warnings, clippy::all)]
#[path = "../tests/support/mod.rs"]
mod support;
use portcullis_core::*;
use std::time::Instant;
use support::idp::*;
use support::signer::*;
use support::*;
fn time(n: usize, mut f: impl FnMut()) -> f64 {
    let t = Instant::now();
    for _ in 0..n {
        f();
    }
    t.elapsed().as_nanos() as f64 / n as f64
}
fn med(mut v: Vec<f64>) -> (f64, f64) {
    v.sort_by(|a, b| a.partial_cmp(b).unwrap());
    (v[0], v[v.len() / 2])
}
fn main() {
    use aws_lc_rs::signature as s;
    let signers = [
        Signer::es256("a"),
        Signer::eddsa("b"),
        Signer::rsa("c", "RS256"),
    ];
    for sg in &signers {
        let token = sg.token_with(
            serde_json::json!({"sid":"0123456789","acr":"urn:x:gold","auth_time":1799999000}),
        );
        let auth = portcullis_jwt::Jwt::new(
            portcullis_jwt::Issuer::new(ISSUER).with_static_keys(jwks([sg])),
        )
        .with_audience(AUDIENCE)
        .without_token_cache()
        .build(&site(&clock::ManualClock::new()))
        .unwrap();
        let cached = fixed([sg]);
        let parts = parts(&token);
        let view = RequestView::new(&parts, Timestamp::from_unix_seconds(NOW));
        let (signed, sig) = token.rsplit_once('.').unwrap();
        let sigb = sg.signature(signed.as_bytes());
        let jwk = sg.jwk();
        let dec = |n: &str| {
            use base64::Engine;
            base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(jwk[n].as_str().unwrap())
                .unwrap()
        };
        let parsed = match sg.alg {
            "ES256" => s::ParsedPublicKey::new(
                &s::ECDSA_P256_SHA256_FIXED,
                [&[4u8][..], &dec("x"), &dec("y")].concat(),
            )
            .unwrap(),
            "EdDSA" => s::ParsedPublicKey::new(&s::ED25519, dec("x")).unwrap(),
            _ => s::RsaPublicKeyComponents {
                n: dec("n"),
                e: dec("e"),
            }
            .to_parsed_public_key(&s::RSA_PKCS1_2048_8192_SHA256)
            .unwrap(),
        };
        let (mut raw, mut cold, mut warm, mut bearer) = (vec![], vec![], vec![], vec![]);
        assert!(matches!(auth.check(&view), Check::Done(Verdict::Accept(_))));
        assert!(matches!(
            cached.check(&view),
            Check::Done(Verdict::Accept(_))
        ));
        for _ in 0..101 {
            raw.push(time(50, || {
                let _ = std::hint::black_box(parsed.verify_sig(signed.as_bytes(), &sigb));
            }));
            cold.push(time(50, || {
                std::hint::black_box(auth.check(&view));
            }));
            warm.push(time(500, || {
                std::hint::black_box(cached.check(&view));
            }));
            bearer.push(time(500, || {
                std::hint::black_box(view.bearer());
            }));
        }
        let a = allocation_counter::measure(|| {
            std::hint::black_box(auth.check(&view));
        });
        let (r, c, w, b) = (med(raw), med(cold), med(warm), med(bearer));
        println!(
            "{} {}B raw {:.0}/{:.0} cold {:.0}/{:.0} ({:.3}x +{:.0} / {:.3}x +{:.0}) allocs {} warm {:.0}/{:.0} of which bearer {:.0}",
            sg.alg,
            token.len(),
            r.0,
            r.1,
            c.0,
            c.1,
            c.0 / r.0,
            c.0 - r.0,
            c.1 / r.1,
            c.1 - r.1,
            a.count_total,
            w.0,
            w.1,
            b.0
        );
    }
}
