//! What stands in a token's claims: J14, J15, J18–J21.

use portcullis::jwt::{Issuer, Jwt};
use serde_json::{Value, json};

use crate::{
    guard::{Guard, ISSUER, RESOURCE, Settings},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("J14", issuers).await;
    harness.row("J15", audiences).await;
    harness.row("J18", texts).await;
    harness.row("J20", subjects).await;
    harness.row("J21", actors).await;
}

async fn issuers(harness: &mut Harness) {
    let guard = Guard::fixed();
    harness
        .control("ours", &guard, guard.bearer(&guard.token().mint()))
        .await;
    // No configured issuer: nobody here knows the token.
    let unknown = Expected::invalid_token(&["credential_unknown"]);
    for iss in [
        "https://idp.example/",
        "https://IDP.example",
        "HTTPS://idp.example",
        "https://idp.example:443",
        "http://idp.example",
        "https://idp.example.evil.com",
        "https://\u{0456}dp.example",
        "",
        " https://idp.example",
    ] {
        let token = guard.token().with_claim("iss", iss).mint();
        harness
            .attack(
                &format!("iss {iss:?}"),
                &guard,
                guard.bearer(&token),
                &unknown,
            )
            .await;
    }
    let bad = Expected::invalid_token(&["jwt_issuer"]);
    for iss in [json!([ISSUER]), json!(null), json!(7), json!({})] {
        let token = guard.token().with_claim("iss", iss.clone()).mint();
        harness
            .attack(&format!("iss {iss}"), &guard, guard.bearer(&token), &bad)
            .await;
    }
    let token = guard.token().without_claim("iss").mint();
    harness
        .attack("iss missing", &guard, guard.bearer(&token), &bad)
        .await;

    // Two issuers, each with its own keys, whose key ids are the same.
    let (ours, theirs) = (Settings::fixed(), Settings::fixed());
    let two = Settings {
        jwt: Jwt::new(Issuer::new(ISSUER).with_static_keys(ours.idp.jwks().to_string()))
            .add_issuer(
                Issuer::new("https://other.example")
                    .with_static_keys(theirs.idp.jwks().to_string()),
            ),
        ..ours
    }
    .build();
    let forged = Expected::invalid_token(&["jwt_signature"]);
    let token = two
        .token()
        .with_claim("iss", "https://other.example")
        .mint();
    harness
        .attack(
            "signed by the other issuer's key",
            &two,
            two.bearer(&token),
            &forged,
        )
        .await;
    let honest = theirs
        .idp
        .token("alice")
        .with_audience(RESOURCE)
        .with_claim("iss", "https://other.example");
    harness
        .control("the other issuer", &two, two.bearer(&honest.mint()))
        .await;
}

async fn audiences(harness: &mut Harness) {
    let guard = Guard::fixed();
    let expected = Expected::invalid_token(&["jwt_audience"]);
    let many: Vec<_> = (0..100)
        .map(|n| format!("x{n}"))
        .chain([RESOURCE.to_owned()])
        .collect();
    for aud in [
        json!([]),
        json!(""),
        json!(7),
        json!({ RESOURCE: true }),
        json!(null),
        json!("*"),
        json!("https://agent.example"),
        json!("https://agent.example//"),
        json!("https://AGENT.example/"),
        json!("https://agent.example/admin"),
        json!("https://agent.exampl"),
        json!([[RESOURCE]]),
        json!(["https://evil.example"]),
        json!([RESOURCE, 7]),
        json!(many),
    ] {
        let token = guard.token().with_claim("aud", aud.clone()).mint();
        harness
            .attack(
                &format!("aud {:.60}", aud.to_string()),
                &guard,
                guard.bearer(&token),
                &expected,
            )
            .await;
    }
    let token = guard.token().without_claim("aud").mint();
    harness
        .attack("aud missing", &guard, guard.bearer(&token), &expected)
        .await;
    for aud in [
        json!(RESOURCE),
        json!([RESOURCE]),
        json!([RESOURCE, "https://evil.example"]),
    ] {
        let token = guard.token().with_claim("aud", aud.clone()).mint();
        harness
            .control(&format!("aud {aud}"), &guard, guard.bearer(&token))
            .await;
    }
}

async fn texts(harness: &mut Harness) {
    let guard = Guard::fixed();
    let text = Expected::invalid_token(&["jwt_claim_text"]);
    for sub in ["a\0b", "a\r\nb", "a\u{1b}[31m", &"s".repeat(4096)] {
        let token = guard.token().with_claim("sub", sub).mint();
        harness
            .attack(
                &format!("sub {sub:.12?}"),
                &guard,
                guard.bearer(&token),
                &text,
            )
            .await;
    }
    let payload = Expected::invalid_token(&["jwt_payload", "jwt_sub"]);
    let claims = |sub: &[u8]| -> Vec<u8> {
        let now = portcullis_testing::clock::VirtualClock::START.unix_seconds();
        let mut raw = format!(
            r#"{{"iss":"{ISSUER}","aud":"{RESOURCE}","client_id":"app","iat":{now},"exp":{},"sub":""#,
            now + 300,
        )
        .into_bytes();
        raw.extend(sub);
        raw.extend(b"\"}");
        raw
    };
    let token = guard.token().with_raw_claims(claims(b"alice")).mint();
    harness
        .control("raw claims", &guard, guard.bearer(&token))
        .await;
    for (name, sub) in [
        ("invalid utf-8", &b"al\xffice"[..]),
        ("a lone surrogate", br"al\ud800ice"),
        ("a raw control character", b"al\x01ice"),
    ] {
        let token = guard.token().with_raw_claims(claims(sub)).mint();
        harness
            .attack(name, &guard, guard.bearer(&token), &payload)
            .await;
    }
    let mut marked = b"\xef\xbb\xbf".to_vec();
    marked.extend(claims(b"alice"));
    let token = guard.token().with_raw_claims(marked).mint();
    harness
        .attack("a byte order mark", &guard, guard.bearer(&token), &payload)
        .await;
    let utf16: Vec<u8> = String::from_utf8_lossy(&claims(b"alice"))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let token = guard.token().with_raw_claims(utf16).mint();
    harness
        .attack("utf-16", &guard, guard.bearer(&token), &payload)
        .await;

    // A look-alike is another principal, byte for byte.
    let token = guard.token().with_claim("sub", "\u{0430}lice").mint();
    let _ = guard.audit.take();
    let status = guard.status_of(&token).await;
    let subject = guard
        .audit
        .records()
        .first()
        .and_then(|record| record.subject().map(str::to_owned));
    harness.judged(
        "a look-alike subject",
        match (status, subject.as_deref()) {
            (200, Some("\u{0430}lice")) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
}

async fn subjects(harness: &mut Harness) {
    let guard = Guard::fixed();
    let bad = Expected::invalid_token(&["jwt_sub"]);
    for sub in [json!(null), json!(7), json!(""), json!(["alice"])] {
        let token = guard.token().with_claim("sub", sub.clone()).mint();
        harness
            .attack(&format!("sub {sub}"), &guard, guard.bearer(&token), &bad)
            .await;
    }
    let token = guard.token().without_claim("sub").mint();
    harness
        .attack("sub missing", &guard, guard.bearer(&token), &bad)
        .await;
    let client = Expected::invalid_token(&["jwt_client_id"]);
    for id in [Value::Null, json!(7), json!(["app"])] {
        let token = guard.token().with_claim("client_id", id.clone()).mint();
        harness
            .attack(
                &format!("client_id {id}"),
                &guard,
                guard.bearer(&token),
                &client,
            )
            .await;
    }
    let token = guard.token().without_claim("client_id").mint();
    harness
        .attack("client_id missing", &guard, guard.bearer(&token), &client)
        .await;

    // A user who is called like a client is not one.
    let _ = guard.audit.take();
    let token = guard.idp.client_token("app").with_audience(RESOURCE).mint();
    let status = guard.status_of(&token).await;
    let kind = guard.audit.records().first().and_then(|record| {
        record
            .principal
            .as_ref()
            .map(|evidence| evidence.kind().as_str())
    });
    harness.judged(
        "a client is told from a user",
        if (status, kind) == (200, Some("client")) {
            Ok(())
        } else {
            Err(format!("{status} {kind:?}"))
        },
    );
}

async fn actors(harness: &mut Harness) {
    let guard = Guard::fixed();
    let chain = |depth: usize| {
        (0..depth).fold(Value::Null, |inner, n| match inner {
            Value::Null => json!({ "sub": format!("agent-{n}") }),
            inner => json!({ "sub": format!("agent-{n}"), "act": inner }),
        })
    };
    let deep = Expected::invalid_token(&["jwt_act_depth", "jwt_payload", "jwt_act"]);
    for depth in [9, 60] {
        let token = guard.token().with_claim("act", chain(depth)).mint();
        harness
            .attack(
                &format!("{depth} actors"),
                &guard,
                guard.bearer(&token),
                &deep,
            )
            .await;
    }
    let bad = Expected::invalid_token(&["jwt_act"]);
    for act in [
        json!("agent"),
        json!([]),
        json!({ "iss": "x" }),
        json!({ "sub": 7 }),
    ] {
        let token = guard.token().with_claim("act", act.clone()).mint();
        harness
            .attack(&format!("act {act}"), &guard, guard.bearer(&token), &bad)
            .await;
    }
    let token = guard.token().with_claim("act", chain(8)).mint();
    harness
        .control("eight actors", &guard, guard.bearer(&token))
        .await;

    // What an actor claims grants nothing.
    let _ = guard.audit.take();
    let act = json!({ "sub": "agent", "scope": "admin", "acr": "gold" });
    let status = guard
        .status_of(&guard.token().with_claim("act", act).mint())
        .await;
    let granted = guard.audit.records().first().and_then(|record| {
        record
            .principal
            .as_ref()
            .map(|evidence| evidence.scopes().contains("admin") || evidence.acr().is_some())
    });
    harness.judged(
        "privileges inside act",
        if (status, granted) == (200, Some(false)) {
            Ok(())
        } else {
            Err(format!("{status} {granted:?}"))
        },
    );
}
