//! Where a credential stands, and how many there are: H01, J25.

use http::HeaderValue;
use portcullis::{Evidence, EvidenceKind};

use crate::{
    guard::{Guard, ISSUER, Settings, finish},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("H01", headers).await;
    harness.row("J25", other_places).await;
    harness.row("own:consumed credentials", consumed).await;
    harness.row("own:anonymous routes", anonymous).await;
    harness.row("own:bound credentials", bound).await;
    harness.row("own:plug-ins", plug_ins).await;
}

async fn headers(harness: &mut Harness) {
    let guard = Guard::fixed();
    let good = guard.token().mint();
    let garbled = Expected::invalid_request(&["authorization_malformed"]);
    for (name, value) in [
        ("two tokens", format!("Bearer {good}, Bearer {good}")),
        ("no space", format!("Bearer{good}")),
        ("two spaces", format!("Bearer  {good}")),
        ("a tab", format!("Bearer\t{good}")),
        ("trailing text", format!("Bearer {good} x")),
        ("a trailing comma", format!("Bearer {good},")),
        ("no token", "Bearer".to_owned()),
        ("a quoted token", format!("Bearer \"{good}\"")),
        ("nothing", String::new()),
        ("non-ascii", format!("Bearer {good}\u{e4}")),
        ("dpop, garbled", format!("DPoP {good} {good}")),
        ("a token alone", good.clone()),
    ] {
        harness
            .attack(
                name,
                &guard,
                guard.authorization(value.as_bytes()),
                &garbled,
            )
            .await;
    }
    for (name, second) in [
        ("the same twice", format!("Bearer {good}")),
        ("another scheme behind", "Basic YTpi".to_owned()),
        ("an empty one behind", String::new()),
    ] {
        let mut request = guard.bearer(&good);
        if let Ok(value) = HeaderValue::from_str(&second) {
            request.headers_mut().append("authorization", value);
        }
        harness.attack(name, &guard, request, &garbled).await;
    }
    let unknown = Expected::invalid_token(&["credential_unknown"]);
    for value in [
        "Basic YWxpY2U6cGFzc3dvcmQ=",
        "Digest username=\"alice\"",
        "Negotiate YII=",
        "Bearer opaque-token-of-somebody",
    ] {
        harness
            .attack(
                value,
                &guard,
                guard.authorization(value.as_bytes()),
                &unknown,
            )
            .await;
    }
    let bound = format!("DPoP {good}");
    harness
        .attack(
            "a bearer token as dpop",
            &guard,
            guard.authorization(bound.as_bytes()),
            &Expected::invalid_token(&["proof_of_unbound_credential"]),
        )
        .await;
    harness
        .attack(
            "no credential",
            &guard,
            finish(guard.request("/notes")),
            &Expected::missing(),
        )
        .await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let value = format!("{scheme} {good}");
        harness
            .control(scheme, &guard, guard.authorization(value.as_bytes()))
            .await;
    }

    // Two kinds of credential at once, both of them good.
    let mut settings = Settings::fixed();
    settings.key_header = Some("x-api-key");
    let guard = settings.build();
    let token = guard.token().mint();
    let key = guard.good_key().to_owned();
    let request = |bearer: Option<&str>, key: Option<&str>| {
        let mut request = guard.request("/notes");
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        finish(request)
    };
    harness
        .control("a token", &guard, request(Some(&token), None))
        .await;
    harness
        .control("a key in its header", &guard, request(None, Some(&key)))
        .await;
    let outcome = guard.send(request(Some(&token), Some(&key))).await.status();
    harness.judged(
        "a token and a key",
        if outcome == 400 {
            Ok(())
        } else {
            Err(outcome.to_string())
        },
    );
}

async fn other_places(harness: &mut Harness) {
    let guard = Guard::fixed();
    let good = guard.token().mint();
    let query = Expected::invalid_request(&["token_in_query"]);
    for path in [
        format!("/notes?access_token={good}"),
        format!("/notes?a=b&access_token={good}"),
        format!("/notes?%61ccess_token={good}"),
        "/notes?access_token=".to_owned(),
        "/notes?access_token".to_owned(),
    ] {
        let name = format!("query {path:.30}");
        harness
            .attack(&name, &guard, finish(guard.request(&path)), &query)
            .await;
        let both = guard
            .request(&path)
            .header("authorization", format!("Bearer {good}"));
        harness
            .attack(&format!("{name} and header"), &guard, finish(both), &query)
            .await;
    }
    let cookie = Expected::invalid_request(&["token_in_cookie"]);
    for value in [
        format!("access_token={good}"),
        format!("a=b; access_token={good}"),
        "access_token=x".to_owned(),
    ] {
        let name = format!("cookie {value:.30}");
        let request = guard.request("/notes").header("cookie", &value);
        harness
            .attack(&name, &guard, finish(request), &cookie)
            .await;
        let both = guard
            .request("/notes")
            .header("cookie", &value)
            .header("authorization", format!("Bearer {good}"));
        harness
            .attack(&format!("{name} and header"), &guard, finish(both), &cookie)
            .await;
    }
    // A form is no place for a token, and is not read.
    let form = guard
        .request("/notes")
        .method("POST")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(http_body_util::Full::from(format!("access_token={good}")));
    if let Ok(form) = form {
        harness
            .attack("a form", &guard, form, &Expected::missing())
            .await;
    }
    let beside = guard
        .request("/notes?token=x")
        .header("cookie", "session=x; my_access_token=y")
        .header("authorization", format!("Bearer {good}"));
    harness.control("other names", &guard, finish(beside)).await;
}

/// What carried a credential does not reach the handler.
async fn consumed(harness: &mut Harness) {
    for (name, key_header) in [("authorization", None), ("x-api-key", Some("x-api-key"))] {
        let mut settings = Settings::fixed();
        settings.key_header = key_header;
        let guard = settings.build();
        let mut request = guard.request("/notes");
        request = match key_header {
            None => request.header("authorization", format!("Bearer {}", guard.token().mint())),
            Some(header) => request.header(header, guard.good_key()),
        };
        let status = guard.send(finish(request)).await.status();
        let seen = guard
            .probe
            .take_request()
            .map(|head| head.headers.contains_key(name));
        harness.judged(
            &format!("{name} is removed"),
            if status == 200 && seen == Some(false) {
                Ok(())
            } else {
                Err(format!("{status}, seen: {seen:?}"))
            },
        );
    }
}

/// `/public` is declared anonymous.
async fn anonymous(harness: &mut Harness) {
    let guard = Guard::fixed();
    harness
        .control("the route itself", &guard, finish(guard.request("/public")))
        .await;
    for path in [
        "/public/",
        "/public/notes",
        "/publicity",
        "/PUBLIC",
        "/public;x",
        "/notes/public",
    ] {
        harness
            .attack(
                path,
                &guard,
                finish(guard.request(path)),
                &Expected::missing(),
            )
            .await;
    }
    let expected =
        Expected::invalid_token(&["credential_unknown", "jwt_signature", "api_key_malformed"]);
    for credential in [
        "nobody-knows-this".to_owned(),
        guard.token().with_forged_signature().mint(),
        "acme_x".to_owned(),
    ] {
        let request = guard
            .request("/public")
            .header("authorization", format!("Bearer {credential}"));
        let name = format!("a bad credential {credential:.10}");
        harness
            .attack(&name, &guard, finish(request), &expected)
            .await;
    }
    let basic = guard
        .request("/public")
        .header("authorization", "Basic YTpi");
    harness
        .attack("another scheme", &guard, finish(basic), &expected)
        .await;
}

/// Nothing shows that its sender holds the key.
async fn bound(harness: &mut Harness) {
    let guard = Guard::fixed();
    let expected = Expected::invalid_token(&[
        "certificate_unmet",
        "confirmation_unmet",
        "proof_downgraded",
    ]);
    for cnf in [
        serde_json::json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
        serde_json::json!({ "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" }),
        serde_json::json!({ "jwk": { "kty": "EC" } }),
        serde_json::json!({}),
    ] {
        let token = guard.token().with_claim("cnf", cnf.clone()).mint();
        harness
            .attack(
                &format!("cnf {cnf}"),
                &guard,
                guard.bearer(&token),
                &expected,
            )
            .await;
    }
    let bad = Expected::invalid_token(&["jwt_cnf"]);
    let token = guard.token().with_claim("cnf", "x").mint();
    harness
        .attack("cnf of the wrong type", &guard, guard.bearer(&token), &bad)
        .await;
    harness
        .control("no cnf", &guard, guard.bearer(&guard.token().mint()))
        .await;
}

/// An authenticator is believed what is its own to say, and nothing else.
async fn plug_ins(harness: &mut Harness) {
    let expected = Expected::invalid_token(&["evidence_invalid"]);
    let admin = |issuer: &str| Evidence::new(EvidenceKind::User, issuer, "admin");
    let guard = |evidence: Option<Evidence>| {
        let mut settings = Settings::fixed();
        settings.plug_in = evidence;
        settings.build()
    };
    for (name, evidence) in [
        ("a subject of the identity provider", admin(ISSUER)),
        ("nobody", Evidence::new(EvidenceKind::User, "plug_in", "")),
    ] {
        let guard = guard(Some(evidence));
        let request = guard.bearer("plug-in");
        harness.attack(name, &guard, request, &expected).await;
    }
    let guard = guard(Some(admin("plug_in")));
    harness
        .control("a subject of its own", &guard, guard.bearer("plug-in"))
        .await;
}
