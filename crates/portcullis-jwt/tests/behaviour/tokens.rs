//! Tokens, one defect at a time. Each has a control that differs in the defect only.

use portcullis_core::{Authenticator as _, Check, EvidenceKind, RequestView, Timestamp, Verdict};
use portcullis_jwt::{Algorithm, Issuer, Jwt, reason};
use serde_json::{Value, json};

use crate::support::{
    AUDIENCE, Answer, ISSUER, NOW, answer, check,
    clock::ManualClock,
    evidence,
    idp::{fixed, fixed_with, site},
    parts,
    signer::{Signer, b64, claims_with, jwks},
    to_answer,
};

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(NOW)
}

fn signers() -> [Signer; 5] {
    [
        Signer::es256("ec"),
        Signer::es384("ec384"),
        Signer::eddsa("ed"),
        Signer::rsa("rs", "RS256"),
        Signer::rsa("ps", "PS256"),
    ]
}

#[tokio::test]
async fn one_issuer_signs_with_every_algorithm_it_has_keys_for() {
    let signers = signers();
    let auth = fixed(&signers);
    for signer in &signers {
        let found = evidence(&auth, &signer.token(), now()).await;
        assert_eq!(found.issuer(), ISSUER);
        assert_eq!(found.subject(), "alice");
        assert_eq!(found.kind(), EvidenceKind::User);
    }
    let fully_specified = Signer::eddsa("ed").for_alg("Ed25519");
    let auth = fixed([&fully_specified]);
    assert_eq!(
        answer(&auth, &fully_specified.token(), now()).await,
        Answer::Accepted
    );
}

#[tokio::test]
async fn keys_at_hand_need_no_future() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    assert!(matches!(
        check(&auth, &signer.token(), now()),
        Check::Done(Verdict::Accept(_))
    ));
}

#[tokio::test]
async fn other_credentials_are_left_to_others() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    let anonymous = http::Request::new(()).into_parts().0;
    let checked = auth.check(&RequestView::new(&anonymous, now()));
    assert!(matches!(checked, Check::Done(Verdict::Absent)));
    for token in [
        "pc_live_8f3a_secret_1c2b3d",
        "opaque",
        "v4.public.abc",
        "ya29.a0abc",
    ] {
        assert_eq!(
            answer(&auth, token, now()).await,
            Answer::NotMine,
            "{token}"
        );
    }
    let foreign = signer.token_with(json!({"iss": "https://other.example"}));
    assert_eq!(answer(&auth, &foreign, now()).await, Answer::NotMine);
    let foreign_and_odd = signer.sign(
        &json!({"typ": "JWT", "alg": "none", "crit": ["x"]}),
        &claims_with(json!({"iss": "https://other.example"})),
    );
    assert_eq!(
        answer(&auth, &foreign_and_odd, now()).await,
        Answer::NotMine
    );
}

#[tokio::test]
async fn the_issuer_is_compared_byte_for_byte() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    for iss in [
        "https://idp.example/",
        "https://IDP.example",
        "https://idp.example:443",
        "http://idp.example",
        "https://idp.example\u{200b}",
        "https://idp.\u{435}xample",
        "",
    ] {
        let token = signer.token_with(json!({"iss": iss}));
        assert_eq!(answer(&auth, &token, now()).await, Answer::NotMine, "{iss}");
    }
    for iss in [json!([ISSUER]), json!(7), json!({"a": ISSUER}), Value::Null] {
        let token = signer.token_with(json!({"iss": iss}));
        let expected = Answer::Rejected(reason::ISSUER);
        assert_eq!(answer(&auth, &token, now()).await, expected, "{iss}");
    }
}

#[tokio::test]
async fn no_algorithm_lets_a_token_do_without_a_signature() {
    let signer = Signer::rsa("a", "RS256");
    let auth = fixed([&signer]);
    for alg in [
        "none", "None", "NONE", "nOnE", "none ", "", "HS256", "HS512",
    ] {
        let header = json!({"typ": "at+jwt", "alg": alg, "kid": "a"});
        for signature in ["", "AAAA"] {
            let token = format!(
                "{}.{}.{signature}",
                b64(header.to_string()),
                b64(claims_with(json!({})).to_string())
            );
            let expected = Answer::Rejected(reason::ALG);
            assert_eq!(answer(&auth, &token, now()).await, expected, "{alg}");
        }
    }
}

#[tokio::test]
async fn a_signature_is_of_this_token_by_this_key() {
    for signer in signers() {
        let auth = fixed([&signer]);
        let token = signer.token();
        assert_eq!(answer(&auth, &token, now()).await, Answer::Accepted);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let expected = Answer::Rejected(reason::SIGNATURE);
        let bytes = signer.signature(signed.as_bytes());
        let mut flipped = bytes.clone();
        flipped[3] ^= 1;
        let (_, of_another) = signer
            .token_with(json!({"sub": "bob"}))
            .rsplit_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let other = Signer::es256("x").signature(signed.as_bytes());
        for bad in [
            String::new(),
            b64(&bytes[..bytes.len() - 1]),
            b64([&bytes[..], &[0]].concat()),
            b64(flipped),
            b64(vec![0; bytes.len()]),
            b64(vec![0xff; bytes.len()]),
            of_another,
            b64(other),
        ] {
            let forged = format!("{signed}.{bad}");
            assert_eq!(
                answer(&auth, &forged, now()).await,
                expected,
                "{} {bad}",
                signer.alg
            );
        }
        let payload = claims_with(json!({"sub": "mallory"})).to_string();
        let (header, _) = signed.split_once('.').unwrap();
        let forged = format!("{header}.{}.{signature}", b64(payload));
        assert_eq!(
            answer(&auth, &forged, now()).await,
            expected,
            "{}",
            signer.alg
        );
    }
}

#[tokio::test]
async fn ecdsa_signatures_have_one_form() {
    let signer = Signer::es256("a");
    let auth = fixed([&signer]);
    let token = signer.token();
    let (signed, _) = token.rsplit_once('.').unwrap();
    // n, the order of P-256.
    let n = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let fixed_form = signer.signature(signed.as_bytes());
    let integer = |bytes: &[u8]| [&[2, 33, 0], bytes].concat();
    let (r, s) = fixed_form.split_at(32);
    let der = [&[0x30, 70][..], &integer(r), &integer(s)].concat();
    for bad in [
        [n, n].concat(),
        [n, [0; 32]].concat(),
        [[0; 32], n].concat(),
        [r, &n].concat(),
        [r, &[0; 32]].concat(),
        der,
    ] {
        let token = format!("{signed}.{}", b64(bad));
        let expected = Answer::Rejected(reason::SIGNATURE);
        assert_eq!(answer(&auth, &token, now()).await, expected);
    }
}

#[tokio::test]
async fn ed25519_signatures_have_one_form() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    let token = signer.token();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let mut bytes = signer.signature(signed.as_bytes());
    // S + L is the same number modulo L, and not canonical (RFC 8032 §5.1.7).
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    let token = format!("{signed}.{}", b64(bytes));
    assert_eq!(
        answer(&auth, &token, now()).await,
        Answer::Rejected(reason::SIGNATURE)
    );
}

#[tokio::test]
async fn a_key_has_one_algorithm() {
    let signer = Signer::rsa("a", "RS256");
    let auth = fixed([&signer]);
    for alg in ["PS256", "RS512"] {
        // Signed as its header says, and signed as the key is for.
        let token = signer.for_alg(alg).token();
        let mut header = signer.header();
        header["alg"] = json!(alg);
        let mislabelled = signer.sign(&header, &claims_with(json!({})));
        let expected = Answer::Rejected(reason::KEY_ALG);
        assert_eq!(answer(&auth, &mislabelled, now()).await, expected, "{alg}");
        assert_eq!(
            answer(&auth, &token, now()).await,
            Answer::Rejected(reason::KEY_ALG),
            "{alg}"
        );
    }
    assert_eq!(
        answer(&auth, &signer.token(), now()).await,
        Answer::Accepted
    );
}

#[tokio::test]
async fn an_algorithm_off_the_list_is_refused() {
    let (rs, ps) = (Signer::rsa("rs", "RS256"), Signer::rsa("ps", "PS256"));
    let issuer = Issuer::new(ISSUER).with_algorithms([Algorithm::Ps256]);
    let auth = fixed_with(issuer, [&rs, &ps]);
    assert_eq!(answer(&auth, &ps.token(), now()).await, Answer::Accepted);
    assert_eq!(
        answer(&auth, &rs.token(), now()).await,
        Answer::Rejected(reason::ALG)
    );
}

#[tokio::test]
async fn without_a_key_id_there_has_to_be_one_candidate() {
    let (a, b, ec) = (Signer::eddsa("a"), Signer::eddsa("b"), Signer::es256("ec"));
    let token = |signer: &Signer| {
        let header = json!({"typ": "at+jwt", "alg": signer.alg});
        signer.sign(&header, &claims_with(json!({})))
    };
    let auth = fixed([&a, &ec]);
    assert_eq!(answer(&auth, &token(&a), now()).await, Answer::Accepted);
    assert_eq!(answer(&auth, &token(&ec), now()).await, Answer::Accepted);
    let auth = fixed([&a, &b]);
    let expected = Answer::Rejected(reason::KID_MISSING);
    assert_eq!(answer(&auth, &token(&a), now()).await, expected);
    let expected = Answer::Rejected(reason::KID_UNKNOWN);
    assert_eq!(answer(&auth, &token(&ec), now()).await, expected);
}

#[tokio::test]
async fn a_lone_key_is_not_for_every_key_id() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    for kid in ["b", "../../dev/null", "' OR '1'='1", "A", "a "] {
        let token = signer.renamed(kid).token();
        let expected = Answer::Rejected(reason::KID_UNKNOWN);
        assert_eq!(answer(&auth, &token, now()).await, expected, "{kid}");
    }
}

#[tokio::test]
async fn keys_of_one_issuer_never_check_tokens_of_another() {
    let (ours, theirs) = (Signer::eddsa("same"), Signer::eddsa("same"));
    let other = "https://other.example";
    let auth = Jwt::new(Issuer::new(ISSUER).with_static_keys(jwks([&ours])))
        .add_issuer(Issuer::new(other).with_static_keys(jwks([&theirs])))
        .with_audience(AUDIENCE)
        .build(&site(&ManualClock::new()))
        .unwrap();
    let token = |signer: &Signer, iss| signer.token_with(json!({"iss": iss}));
    assert_eq!(
        answer(&auth, &token(&ours, ISSUER), now()).await,
        Answer::Accepted
    );
    let found = evidence(&auth, &token(&theirs, other), now()).await;
    assert_eq!((found.issuer(), found.subject()), (other, "alice"));
    let expected = Answer::Rejected(reason::SIGNATURE);
    assert_eq!(
        answer(&auth, &token(&theirs, ISSUER), now()).await,
        expected
    );
    assert_eq!(answer(&auth, &token(&ours, other), now()).await, expected);
}

#[tokio::test]
async fn a_token_has_one_text() {
    let signer = Signer::es256("a");
    let auth = fixed([&signer]);
    let token = signer.token();
    let canonical = token.as_bytes()[token.len() - 1];
    // 64 bytes leave four bits of the last character unused.
    let stray = (b'A'..=b'z').find(|byte| {
        let alike = |a: u8, b: u8| sextet(a) >> 4 == sextet(b) >> 4;
        byte.is_ascii_alphabetic() && *byte != canonical && alike(*byte, canonical)
    });
    let stray = format!("{}{}", &token[..token.len() - 1], stray.unwrap() as char);
    let segments: Vec<_> = token.split('.').collect();
    let [header, payload, signature] = segments[..] else {
        panic!()
    };
    for (text, expected) in [
        (stray, reason::BASE64),
        (format!("{token}=="), reason::BASE64),
        (format!("{token}+"), reason::BASE64),
        (format!("{token}/"), reason::BASE64),
        (format!("{token}~"), reason::BASE64),
        (format!("{token}."), reason::SEGMENTS),
        (format!("{header}.{payload}"), reason::SEGMENTS),
        (
            format!("{header}.{payload}.{signature}.{signature}"),
            reason::SEGMENTS,
        ),
        (
            format!("{header}.a.{payload}.b.{signature}"),
            reason::SEGMENTS,
        ),
        (format!("{header}..{signature}"), reason::PAYLOAD),
    ] {
        assert_eq!(
            answer(&auth, &text, now()).await,
            Answer::Rejected(expected),
            "{text}"
        );
    }
    assert_eq!(answer(&auth, &token, now()).await, Answer::Accepted);
    assert_eq!(
        answer(&auth, &format!(".{token}"), now()).await,
        Answer::NotMine
    );
}

fn sextet(char: u8) -> u8 {
    match char {
        b'A'..=b'Z' => char - b'A',
        b'a'..=b'z' => char - b'a' + 26,
        b'0'..=b'9' => char - b'0' + 52,
        b'-' => 62,
        _ => 63,
    }
}

#[tokio::test]
async fn a_signed_token_with_a_member_twice_is_refused() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    let (header, claims) = (
        signer.header().to_string(),
        claims_with(json!({})).to_string(),
    );
    assert_eq!(
        answer(&auth, &signer.sign_texts(&header, &claims), now()).await,
        Answer::Accepted
    );
    let and = |json: &str, member: &str| format!("{},{member}}}", json.strip_suffix('}').unwrap());
    for (header, claims) in [
        (header.clone(), and(&claims, r#""sub":"mallory""#)),
        (header.clone(), and(&claims, r#""s\u0075b":"mallory""#)),
        (header.clone(), and(&claims, r#""aud":"x""#)),
        (and(&header, r#""alg":"none""#), claims.clone()),
        (and(&header, r#""x":1,"x":2"#), claims.clone()),
    ] {
        let token = signer.sign_texts(&header, &claims);
        let expected = Answer::Rejected(reason::DUPLICATE);
        assert_eq!(
            answer(&auth, &token, now()).await,
            expected,
            "{header} {claims}"
        );
    }
}

#[tokio::test]
async fn size_is_bounded_before_anything_else() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    let sized = |bytes: usize| signer.token_with(json!({"padding": "x".repeat(bytes)}));
    assert_eq!(answer(&auth, &sized(11_000), now()).await, Answer::Accepted);
    for bytes in [13_000, 64 * 1024, 1024 * 1024] {
        let expected = Answer::Rejected(reason::SIZE);
        assert_eq!(answer(&auth, &sized(bytes), now()).await, expected);
    }
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let token = signer.sign_texts(&signer.header().to_string(), &deep);
    assert_eq!(
        answer(&auth, &token, now()).await,
        Answer::Rejected(reason::ISSUER)
    );
}

#[tokio::test]
async fn a_restricted_sender_gets_in_only_with_a_token_that_is_known() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    let parts = parts(&signer.token());
    let restricted = RequestView::new(&parts, now()).with_restriction(true);
    assert!(matches!(auth.check(&restricted), Check::NeedsIo));
    assert_eq!(auth.stats().signature_checks(), 0);
    let Check::Done(verdict) = auth.check(&RequestView::new(&parts, now())) else {
        panic!()
    };
    assert_eq!(to_answer(verdict), Answer::Accepted);
    assert!(matches!(
        auth.check(&restricted),
        Check::Done(Verdict::Accept(_))
    ));
    assert_eq!(auth.stats().signature_checks(), 1);
}

#[tokio::test]
async fn a_legacy_issuer_is_accepted_where_that_is_said() {
    let signer = Signer::eddsa("a");
    let legacy = |change: Value| {
        let header = json!({"typ": "JWT", "alg": signer.alg, "kid": "a"});
        signer.sign(&header, &claims_with(change))
    };
    let strict = fixed([&signer]);
    let expected = Answer::Rejected(reason::TYP);
    assert_eq!(answer(&strict, &legacy(json!({})), now()).await, expected);
    let lenient = fixed_with(Issuer::new(ISSUER).with_legacy_typ(), [&signer]);
    assert_eq!(
        answer(&lenient, &legacy(json!({})), now()).await,
        Answer::Accepted
    );
    assert_eq!(
        answer(&lenient, &signer.token(), now()).await,
        Answer::Accepted
    );
    let id_token = legacy(json!({"nonce": "n"}));
    let expected = Answer::Rejected(reason::NOT_ACCESS_TOKEN);
    assert_eq!(answer(&lenient, &id_token, now()).await, expected);
}

#[tokio::test]
async fn pointers_to_keys_are_never_followed() {
    // No network at all here: following one would fail; believing one would accept.
    let (signer, mallory) = (Signer::es256("a"), Signer::es256("a"));
    let auth = fixed([&signer]);
    let mut header = mallory.header();
    header["jwk"] = mallory.jwk();
    header["jku"] = json!("https://evil.example/keys");
    header["x5u"] = json!("http://169.254.169.254/");
    header["x5c"] = json!(["AAAA"]);
    let forged = mallory.sign(&header, &claims_with(json!({})));
    assert_eq!(
        answer(&auth, &forged, now()).await,
        Answer::Rejected(reason::SIGNATURE)
    );
    let genuine = signer.sign(&header, &claims_with(json!({})));
    assert_eq!(answer(&auth, &genuine, now()).await, Answer::Accepted);
}
