//! Tokens, one defect at a time. Each has a control that differs in the defect only.

use portcullis_core::{Authenticator as _, Check, RequestView, Verdict};
use portcullis_jwt::{Issuer, reason};
use serde_json::{Value, json};

use crate::support::{
    Answer, ISSUER, answer, check,
    idp::{fixed, fixed_with},
    now, parts,
    signer::{Signer, claims_with},
    to_answer,
};

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
