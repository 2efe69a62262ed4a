//! How a token is spelled: J07–J09, J11.

use portcullis_testing::identity_provider::{Segment, SigningAlgorithm};

use crate::{
    guard::{Guard, RESOURCE},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("J07", duplicates).await;
    harness.row("J08", serialisations).await;
    harness.row("J09", encodings).await;
    harness.row("J11", ecdsa).await;
}

async fn duplicates(harness: &mut Harness) {
    let guard = Guard::fixed();
    let expected = Expected::invalid_token(&["jwt_duplicate"]);
    let now = portcullis_testing::clock::VirtualClock::START.unix_seconds();
    let claims = format!(
        r#""iss":"https://idp.example","aud":"{RESOURCE}","sub":"alice","client_id":"app","iat":{now},"exp":{}"#,
        now + 300,
    );
    let token = guard
        .token()
        .with_raw_claims(format!("{{{claims}}}"))
        .mint();
    harness
        .control("each once", &guard, guard.bearer(&token))
        .await;
    for member in [
        r#""sub":"root""#,
        r#""s\u0075b":"root""#,
        r#""aud":"https://agent.example/""#,
        r#""exp":99999999999"#,
        r#""iss":"https://idp.example""#,
        r#""role":"a","role":"b""#,
    ] {
        let token = guard
            .token()
            .with_raw_claims(format!("{{{claims},{member}}}"))
            .mint();
        harness
            .attack(
                &format!("claims with {member}"),
                &guard,
                guard.bearer(&token),
                &expected,
            )
            .await;
    }
    let kid = guard.idp.key_id(SigningAlgorithm::Es256);
    for member in [
        r#""alg":"none""#,
        r#""a\u006cg":"none""#,
        r#""typ":"JWT""#,
        r#""kid":"x""#,
    ] {
        let header = format!(r#"{{"typ":"at+jwt","alg":"ES256","kid":"{kid}",{member}}}"#);
        let token = guard.token().with_raw_header(header).mint();
        harness
            .attack(
                &format!("header with {member}"),
                &guard,
                guard.bearer(&token),
                &expected,
            )
            .await;
    }
}

async fn serialisations(harness: &mut Harness) {
    let guard = Guard::fixed();
    let garbled = Expected::invalid_request(&["authorization_malformed"]);
    let token = guard.token().mint();
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return;
    };
    for (name, text) in [
        (
            "flattened",
            format!(r#"{{"payload":"{claims}","protected":"{header}","signature":"{signature}"}}"#),
        ),
        (
            "general",
            format!(
                r#"{{"payload":"{claims}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
            ),
        ),
        ("a brace in front", format!("{{{token}")),
        ("a quote behind", format!("{token}\"")),
        ("a NUL", format!("{token}%00")),
        ("a colon", format!("{header}:{claims}.{signature}")),
    ] {
        harness
            .attack(name, &guard, guard.bearer(&text), &garbled)
            .await;
    }
    let base64 = Expected::invalid_token(&["jwt_base64"]);
    for (name, text) in [
        (
            "a tilde in a segment",
            format!("{header}~.{claims}.{signature}"),
        ),
        (
            "a plus in a segment",
            format!("{header}.{claims}+.{signature}"),
        ),
        (
            "a slash in a segment",
            format!("{header}.{claims}.{signature}/"),
        ),
    ] {
        harness
            .attack(name, &guard, guard.bearer(&text), &base64)
            .await;
    }
    harness
        .control("compact", &guard, guard.bearer(&token))
        .await;
}

async fn encodings(harness: &mut Harness) {
    let guard = Guard::fixed();
    let expected = Expected::invalid_token(&["jwt_base64"]);
    // Sixty-four bytes of signature end in a character of which four bits count.
    let stray = guard.token().with_edited(Segment::Signature, |mut text| {
        let last = match text.pop() {
            Some('A') => 'B',
            Some('Q') => 'R',
            Some('g') => 'h',
            Some('w') => 'x',
            _ => '!',
        };
        text.push(last);
        text
    });
    harness
        .attack("stray bits", &guard, guard.bearer(&stray.mint()), &expected)
        .await;
    let padded = guard
        .token()
        .with_edited(Segment::Signature, |text| text + "==");
    harness
        .attack("padding", &guard, guard.bearer(&padded.mint()), &expected)
        .await;
    for (name, edit) in [("plus", '+'), ("slash", '/')] {
        let token = guard.token().with_edited(Segment::Claims, move |mut text| {
            text.push(edit);
            text
        });
        harness
            .attack(name, &guard, guard.bearer(&token.mint()), &expected)
            .await;
    }
    let garbled = Expected::invalid_request(&["authorization_malformed"]);
    let spaced = guard
        .token()
        .with_edited(Segment::Claims, |text| format!(" {text}"));
    harness
        .attack(
            "white space",
            &guard,
            guard.bearer(&spaced.mint()),
            &garbled,
        )
        .await;
}

async fn ecdsa(harness: &mut Harness) {
    let guard = Guard::fixed();
    let expected = Expected::invalid_token(&["jwt_signature"]);
    // The order of P-256.
    let n = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let cases: [(&str, Vec<u8>); 6] = [
        ("r and s zero", vec![0; 64]),
        ("r is the order", [n, [0; 32]].concat()),
        ("s is the order", [[1; 32], n].concat()),
        ("short", vec![1; 63]),
        ("long", vec![1; 65]),
        (
            "der of zeros",
            vec![0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00],
        ),
    ];
    for (name, signature) in cases {
        let token = guard
            .token()
            .with_spoiled_signature(move |_| signature.clone())
            .mint();
        harness
            .attack(name, &guard, guard.bearer(&token), &expected)
            .await;
    }
    let der = guard
        .token()
        .with_spoiled_signature(|raw| der_of(&raw))
        .mint();
    harness
        .attack(
            "der of the true signature",
            &guard,
            guard.bearer(&der),
            &expected,
        )
        .await;
    let eddsa = guard.token().with_algorithm(SigningAlgorithm::EdDsa);
    harness
        .control("eddsa", &guard, guard.bearer(&eddsa.mint()))
        .await;
    for (name, spoil) in [
        (
            "eddsa with S beyond the order",
            (|mut raw: Vec<u8>| {
                raw.iter_mut().skip(32).for_each(|byte| *byte = 0xff);
                raw
            }) as fn(Vec<u8>) -> Vec<u8>,
        ),
        ("eddsa of zeros", |_| vec![0; 64]),
    ] {
        let token = eddsa.clone().with_spoiled_signature(spoil).mint();
        harness
            .attack(name, &guard, guard.bearer(&token), &expected)
            .await;
    }
}

/// The DER form of a signature of two 32-byte numbers.
fn der_of(raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for number in raw.chunks(32) {
        let digits: Vec<u8> = number
            .iter()
            .copied()
            .skip_while(|&byte| byte == 0)
            .collect();
        let sign = digits.first().is_some_and(|byte| byte & 0x80 != 0);
        let length = digits.len() + usize::from(sign);
        body.extend([0x02, u8::try_from(length).unwrap_or(0)]);
        body.extend(sign.then_some(0));
        body.extend(digits);
    }
    let mut der = vec![0x30, u8::try_from(body.len()).unwrap_or(0)];
    der.extend(body);
    der
}
