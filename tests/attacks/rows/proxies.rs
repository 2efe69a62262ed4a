//! Single sign-on in front of the gate: what a proxy says, from somebody who is not the proxy.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderName, Request};
use http_body_util::Full;
use portcullis::{
    Clock as _, PeerCertificate, Secret,
    forwarded_user::{ForwardedUser, Hop},
    jwt::{AlbUserClaims, HttpClient, HttpError, HttpRequest, ProxyAssertion},
};
use portcullis_testing::identity_provider::{IdentityProvider, SigningAlgorithm, Token};
use serde_json::{Value, json};

use crate::{
    guard::{Guard, ISSUER, Settings, finish},
    harness::{Expected, Harness},
};

const CLOUDFLARE: &str = "cf-access-jwt-assertion";
const TEAM: &str = "https://acme.cloudflareaccess.com";
const TAG: &str = "32eafc7626e9";
const ALB: &str = "x-amzn-oidc-data";
const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/notes/50dc6c495c0c9188";
const KID: &str = "12345678-90ab-cdef-0123-456789abcdef";
const USER: &str = "x-forwarded-user";
const PROOF: &str = "x-proxy-secret";
const SECRET: &str = "0123456789abcdef";
/// The challenge of a gate says nothing of headers of proxies.
const UNKNOWN: &[&str] = &["credential_unknown"];

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:proxy assertions", assertions).await;
    harness.row("own:load balancers", load_balancers).await;
    harness.row("own:forwarded users", forwarded_users).await;
}

fn request(guard: &Guard, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = guard.request("/notes");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    finish(request)
}

async fn assertions(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    // The keys are those of the proxy, and of nobody else here.
    let proxy = IdentityProvider::new()
        .with_algorithms([SigningAlgorithm::Es256])
        .with_clock(settings.clock.clone())
        .with_issuer(TEAM);
    let assertion = ProxyAssertion::cloudflare_access("acme", TAG);
    settings.assertion = Some(assertion.with_static_keys(proxy.jwks().to_string()));
    let guard = settings.build();
    let good = || {
        proxy
            .token("alice")
            .with_audience(TAG)
            .with_header("typ", "JWT")
            .without_claim("client_id")
            .with_claim("type", "app")
    };
    let say = |token: &Token| request(&guard, &[(CLOUDFLARE, &token.mint())]);
    harness.control("an assertion", &guard, say(&good())).await;
    let attacks: [(_, _, &'static [&'static str]); 7] = [
        (
            "for another application",
            good().with_audience("another"),
            &["jwt_audience"],
        ),
        (
            "of another team",
            good().with_claim("iss", "https://evil.cloudflareaccess.com"),
            UNKNOWN,
        ),
        (
            "of the session at the proxy",
            good().with_claim("type", "org"),
            &["jwt_assertion_kind"],
        ),
        (
            "that is an access token",
            good().with_header("typ", "at+jwt"),
            &["jwt_assertion_kind"],
        ),
        (
            "that has expired",
            good().with_age(std::time::Duration::from_secs(7200)),
            &["jwt_expired"],
        ),
        ("forged", good().with_forged_signature(), &["jwt_signature"]),
        (
            "with the keys of the issuer of tokens",
            good().with_signature_of(&guard.idp),
            &["jwt_signature"],
        ),
    ];
    for (name, token, reasons) in attacks {
        let expected = Expected::invalid_token(reasons);
        harness
            .attack(
                &format!("an assertion {name}"),
                &guard,
                say(&token),
                &expected,
            )
            .await;
    }
    let text = good().mint();
    let twice = request(&guard, &[(CLOUDFLARE, &text), (CLOUDFLARE, &text)]);
    let expected = Expected::invalid_request(&["jwt_assertion_twice"]);
    harness
        .attack("two assertions", &guard, twice, &expected)
        .await;
    let beside = [("cf-access-authenticated-user-email", "alice@acme.example")];
    let expected = Expected::missing();
    harness
        .attack(
            "what it says without a signature",
            &guard,
            request(&guard, &beside),
            &expected,
        )
        .await;
    // In another place it is nothing.
    let expected = Expected::invalid_token(UNKNOWN);
    harness
        .attack(
            "an assertion as a token",
            &guard,
            guard.bearer(&text),
            &expected,
        )
        .await;
}

/// The place with the keys of a region.
struct Keys(String);

impl HttpClient for Keys {
    async fn send(&self, request: &HttpRequest) -> Result<http::Response<Vec<u8>>, HttpError> {
        let is_there = request.url().ends_with(KID);
        let mut response = http::Response::new(self.0.clone().into_bytes());
        if !is_there {
            *response.status_mut() = http::StatusCode::FORBIDDEN;
        }
        Ok(response)
    }
}

/// The key for ES256 as PEM (RFC 5480).
fn pem(jwks: &Value) -> Option<String> {
    let keys = jwks.get("keys")?.as_array()?;
    let key = keys
        .iter()
        .find(|key| key.get("alg") == Some(&json!("ES256")))?;
    let coordinate = |name| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok();
    let head = STANDARD
        .decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE")
        .ok()?;
    let document = [head, coordinate("x")?, coordinate("y")?].concat();
    let text = STANDARD.encode(document);
    Some(format!(
        "-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"
    ))
}

async fn load_balancers(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    let keys = Keys(pem(&settings.idp.jwks()).unwrap_or_default());
    let claims = AlbUserClaims::new(ARN, ISSUER).with_clients(["notes-client"]);
    settings.alb = Some(claims.with_http_client(keys));
    let guard = settings.build();
    let end = guard.clock.now().unix_seconds() + 120;
    let header = || {
        json!({"typ": "JWT", "kid": KID, "alg": "ES256", "iss": ISSUER, "client": "notes-client",
            "signer": ARN, "exp": end})
    };
    let with = |name: &str, value: Value| {
        let mut header = header();
        if let Some(object) = header.as_object_mut() {
            object.insert(name.to_owned(), value);
        }
        header
    };
    let claims = json!({"sub": "alice", "exp": end}).to_string();
    let sign = |header: &Value| {
        guard
            .idp
            .token("alice")
            .with_raw_header(header.to_string())
            .with_raw_claims(claims.clone())
    };
    let say = |token: &Token| request(&guard, &[(ALB, &token.mint())]);
    harness
        .control("what the load balancer says", &guard, say(&sign(&header())))
        .await;
    let attacks: [(_, _, &'static [&'static str]); 7] = [
        (
            "of another load balancer",
            with("signer", json!(ARN.replace("1234", "9999"))),
            &["alb_signer"],
        ),
        (
            "of another issuer",
            with("iss", json!("https://evil.example")),
            &["alb_issuer"],
        ),
        (
            "by another client",
            with("client", json!("evil")),
            &["alb_client"],
        ),
        (
            "that is over",
            with("exp", json!(end - 3600)),
            &["alb_expired"],
        ),
        (
            "with a path for a key",
            with("kid", json!(format!("../evil/{KID}"))),
            &["alb_key_id"],
        ),
        (
            "with a key that is not there",
            with("kid", json!(KID.replace('1', "0"))),
            &["alb_key_unknown"],
        ),
        ("with none", with("alg", json!("none")), &["alb_alg"]),
    ];
    for (name, header, reasons) in attacks {
        let expected = Expected::invalid_token(reasons);
        harness
            .attack(
                &format!("claims {name}"),
                &guard,
                say(&sign(&header)),
                &expected,
            )
            .await;
    }
    let forged = sign(&header()).with_forged_signature();
    let expected = Expected::invalid_token(&["alb_signature"]);
    harness
        .attack("forged claims", &guard, say(&forged), &expected)
        .await;
    let text = sign(&header()).mint();
    let expected = Expected::invalid_request(&["jwt_assertion_twice"]);
    let twice = request(&guard, &[(ALB, &text), (ALB, &text)]);
    harness
        .attack("claims twice", &guard, twice, &expected)
        .await;
    let beside = request(&guard, &[("x-amzn-oidc-identity", "alice")]);
    harness
        .attack("an unsigned name", &guard, beside, &Expected::missing())
        .await;
    // Whoever comes past the load balancer cannot have keys asked for as he likes.
    let mut statuses = Vec::new();
    for number in 0..40 {
        let kid = format!("00000000-0000-0000-0000-{number:012x}");
        let token = sign(&with("kid", json!(kid)));
        statuses.push(guard.send(say(&token)).await.status().as_u16());
    }
    let _ = guard.audit.take();
    let asked = statuses.iter().filter(|status| **status == 401).count();
    harness.judged(
        "keys are asked for within a budget",
        match asked {
            0..=16 => Ok(()),
            asked => Err(format!("{asked} retrievals")),
        },
    );
}

async fn forwarded_users(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    let hop = Hop::shared_secret(HeaderName::from_static(PROOF), Secret::from(SECRET));
    settings.forwarded_user = Some(ForwardedUser::dangerously_from_headers_of(
        hop,
        "https://sso.example",
    ));
    let guard = settings.build();
    let (user, proof) = ((USER, "alice"), (PROOF, SECRET));
    let good = request(&guard, &[user, proof]);
    harness.control("a user of the proxy", &guard, good).await;
    // Nothing of what the proxy says comes further in, signed or not.
    let said = [
        user,
        proof,
        ("x-forwarded-email", "a@b"),
        ("x_forwarded_user", "root"),
    ];
    let status = guard.send(request(&guard, &said)).await.status();
    let _ = guard.audit.take();
    let seen = guard.probe.take_request().map(|head| {
        let names = said.map(|(name, _)| head.headers.contains_key(name));
        names.contains(&true)
    });
    harness.judged(
        "the headers of the proxy are removed",
        if status == 200 && seen == Some(false) {
            Ok(())
        } else {
            Err(format!("{status}, seen: {seen:?}"))
        },
    );
    let unknown = Expected::invalid_token(UNKNOWN);
    for (name, headers) in [
        ("without a proof", vec![user]),
        (
            "with a proof that is wrong",
            vec![user, (PROOF, "0123456789abcdeF")],
        ),
        (
            "with a part of the proof",
            vec![user, (PROOF, "0123456789abcde")],
        ),
        ("with two proofs", vec![user, proof, (PROOF, "x")]),
    ] {
        let request = request(&guard, &headers);
        harness
            .attack(&format!("a user {name}"), &guard, request, &unknown)
            .await;
    }
    let twice = request(&guard, &[user, (USER, "root"), proof]);
    let expected = Expected::invalid_request(&["forwarded_user_repeated"]);
    harness.attack("two users", &guard, twice, &expected).await;
    let two_kinds = request(
        &guard,
        &[
            user,
            ("authorization", &format!("Bearer {}", guard.good_key())),
        ],
    );
    let expected = Expected::invalid_request(&["credentials_of_two_kinds"]);
    harness
        .attack("a user beside a key", &guard, two_kinds, &expected)
        .await;
    let other_name = request(&guard, &[("x_forwarded_user", "alice"), proof]);
    harness
        .attack("another spelling", &guard, other_name, &Expected::missing())
        .await;

    // By its certificate.
    let mut settings = Settings::fixed();
    let proxy = PeerCertificate::from_digest([7; 32]);
    let hop = Hop::certificate(proxy.thumbprint());
    settings.forwarded_user = Some(ForwardedUser::dangerously_from_headers_of(
        hop,
        "https://sso.example",
    ));
    let guard = settings.build();
    let good = on(request(&guard, &[user]), proxy);
    harness.control("a certificate", &guard, good).await;
    let other = PeerCertificate::from_digest([8; 32]);
    let other = on(request(&guard, &[user]), other);
    harness
        .attack("another certificate", &guard, other, &unknown)
        .await;
    harness
        .attack("no certificate", &guard, request(&guard, &[user]), &unknown)
        .await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "a listener that ends TLS would write it"
)]
fn on(mut request: Request<Full<Bytes>>, certificate: PeerCertificate) -> Request<Full<Bytes>> {
    request.extensions_mut().insert(certificate);
    request
}
