//! How much a request may be: J19, X08, X10 and the limits of the perimeter.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use portcullis::{Exchange, RequestBody};
use portcullis_tests::fixtures::short_sessions;
use serde_json::json;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::{
    guard::{Guard, Settings, finish, text},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("J19", tokens).await;
    harness.row("X10", lists).await;
    harness.row("own:limits", limits).await;
    harness.row("own:upgrades", upgrades).await;
}

async fn tokens(harness: &mut Harness) {
    let guard = Guard::fixed();
    let long = Expected::invalid_token(&["jwt_size"]);
    let token = guard
        .token()
        .with_claim("padding", "x".repeat(15 << 10))
        .mint();
    harness
        .attack("20 KiB", &guard, guard.bearer(&token), &long)
        .await;
    let headers = Expected::status(431, &["headers_too_large"]);
    for size in [64 << 10, 1 << 20] {
        let token = guard.token().with_claim("padding", "x".repeat(size)).mint();
        harness
            .attack(
                &format!("{size} bytes"),
                &guard,
                guard.bearer(&token),
                &headers,
            )
            .await;
    }
    let deep = Expected::invalid_token(&["jwt_payload", "jwt_issuer", "jwt_members"]);
    let nested = format!("{{\"x\":{}{}}}", "[".repeat(4000), "]".repeat(4000));
    let token = guard.token().with_raw_claims(nested).mint();
    harness
        .attack("4 000 levels", &guard, guard.bearer(&token), &deep)
        .await;
    let many: serde_json::Map<_, _> = (0..1000).map(|n| (format!("c{n}"), json!(n))).collect();
    let token = guard
        .token()
        .with_raw_claims(json!(many).to_string())
        .mint();
    harness
        .attack("1 000 claims", &guard, guard.bearer(&token), &deep)
        .await;
    let token = guard
        .token()
        .with_claim("padding", "x".repeat(8 << 10))
        .mint();
    harness
        .control("12 KiB", &guard, guard.bearer(&token))
        .await;
}

async fn lists(harness: &mut Harness) {
    let guard = Guard::fixed();
    let expected = Expected::invalid_token(&["jwt_scope", "jwt_claim", "jwt_size"]);
    for scope in [json!(["a"]), json!("a\"b"), json!("a\\b"), json!(7)] {
        let token = guard.token().with_claim("scope", scope.clone()).mint();
        harness
            .attack(
                &format!("scope {scope}"),
                &guard,
                guard.bearer(&token),
                &expected,
            )
            .await;
    }
    let methods: Vec<_> = (0..100).map(|n| format!("m{n}")).collect();
    let token = guard.token().with_claim("amr", methods).mint();
    harness
        .attack("a hundred methods", &guard, guard.bearer(&token), &expected)
        .await;
    let token = guard.token().with_scope("a b c").mint();
    harness
        .control("three scopes", &guard, guard.bearer(&token))
        .await;
}

async fn limits(harness: &mut Harness) {
    let guard = Guard::fixed();
    let key = guard.good_key().to_owned();
    let path = format!("/{}", "x".repeat(8 << 10));
    let uri = Expected::status(414, &["uri_too_long"]);
    let long = guard
        .request(&path)
        .header("authorization", format!("Bearer {key}"));
    harness
        .attack("a long uri", &guard, finish(long), &uri)
        .await;

    let method = Expected::status(400, &["method_too_long"]);
    let mut long = guard.bearer(&key);
    *long.method_mut() = "X".repeat(33).parse().unwrap_or_default();
    harness
        .attack("a method of 33 bytes", &guard, long, &method)
        .await;

    let headers = Expected::status(431, &["headers_too_large"]);
    let mut many = guard.bearer(&key);
    for n in 0..200 {
        if let Ok(name) = HeaderName::try_from(format!("x-n{n}")) {
            many.headers_mut()
                .insert(name, HeaderValue::from_static("x"));
        }
    }
    harness.attack("200 headers", &guard, many, &headers).await;
    let mut big = guard.bearer(&key);
    if let Ok(value) = HeaderValue::try_from("x".repeat(40 << 10)) {
        big.headers_mut().insert("x-big", value);
    }
    harness
        .attack("a header of 40 KiB", &guard, big, &headers)
        .await;

    let length = |value: &'static str| {
        let mut request = guard.bearer(&key);
        request
            .headers_mut()
            .append("content-length", HeaderValue::from_static(value));
        request
    };
    let body = Expected::status(413, &["body_too_large"]);
    harness
        .attack(
            "a body of 3 MiB by its own account",
            &guard,
            length("3145728"),
            &body,
        )
        .await;
    let malformed = Expected::status(400, &["content_length_malformed"]);
    for value in ["-1", "+1", "0x10", "1, 1", "99999999999999999999999999"] {
        harness
            .attack(
                &format!("content-length {value}"),
                &guard,
                length(value),
                &malformed,
            )
            .await;
    }
    let mut twice = length("1");
    twice
        .headers_mut()
        .append("content-length", HeaderValue::from_static("2"));
    harness
        .attack("content-length twice", &guard, twice, &malformed)
        .await;
    harness.control("content-length", &guard, length("0")).await;

    // A body that does not say how long it is ends at the limit.
    let gate = guard.gate.clone();
    let service = gate.layer(service_fn(
        async |request: Request<RequestBody<Full<Bytes>>>| {
            use http_body_util::BodyExt as _;
            let read = request.into_body().collect().await;
            let text = match read {
                Ok(body) => format!("read {}", body.to_bytes().len()),
                Err(problem) if problem.is::<http_body_util::LengthLimitError>() => {
                    "too long".to_owned()
                }
                Err(problem) => problem.to_string(),
            };
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(text)))
        },
    ));
    for (name, bytes, expected) in [
        ("3 MiB without a length", 3 << 20, "too long"),
        ("2 MiB without a length", 2 << 20, "read 2097152"),
    ] {
        let request = guard
            .request("/notes")
            .header("authorization", format!("Bearer {key}"))
            .body(Full::from(vec![0; bytes]));
        let Ok(request) = request else { continue };
        let answer = match service.clone().oneshot(request).await {
            Ok(response) => {
                text(response.map(http_body_util::combinators::UnsyncBoxBody::new)).await
            }
            Err(never) => match never {},
        };
        harness.judged(
            name,
            if answer == expected {
                Ok(())
            } else {
                Err(answer)
            },
        );
    }
}

/// The gate would lose sight of a connection that becomes something else.
async fn upgrades(harness: &mut Harness) {
    let guard = Settings::fixed().build();
    let key = guard.good_key().to_owned();
    let request = || {
        guard
            .request("/notes")
            .header("authorization", format!("Bearer {key}"))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
    };
    let status = guard.send(finish(request())).await.status();
    let seen = guard
        .probe
        .take_request()
        .map(|head| head.headers.contains_key("upgrade"));
    harness.judged(
        "the handler sees no upgrade",
        if status == 200 && seen == Some(false) {
            Ok(())
        } else {
            Err(format!("{status}, seen: {seen:?}"))
        },
    );
    let service = guard
        .gate
        .layer(service_fn(async |_: Request<RequestBody<Full<Bytes>>>| {
            let mut response = Response::new(Full::<Bytes>::default());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            Ok::<_, Infallible>(response)
        }));
    let status = match service.oneshot(finish(request())).await {
        Ok(response) => response.status(),
        Err(never) => match never {},
    };
    harness.judged(
        "a handler that upgrades",
        if status == 500 {
            Ok(())
        } else {
            Err(status.to_string())
        },
    );

    // Where it may, it has to see to it that the connection ends.
    let mut settings = Settings::fixed();
    settings.session = Some(short_sessions());
    settings.perimeter = settings.perimeter.add_upgrade_route("/notes");
    let guard = settings.build();
    let token = guard.token().mint();
    for (watches, expected) in [(true, 101), (false, 500)] {
        let request = guard
            .request("/notes")
            .header("authorization", format!("Bearer {token}"))
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        let handler = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
            let exchange = Exchange::of(request.extensions());
            if let Some(session) = exchange.and_then(Exchange::session)
                && watches
            {
                drop(session.ended());
            }
            let mut response = Response::new(Full::<Bytes>::default());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let Ok(response) = guard.gate.layer(handler).oneshot(finish(request)).await;
        harness.judged(
            &format!("a handler that upgrades, and watches its session: {watches}"),
            match response.status().as_u16() {
                status if status == expected => Ok(()),
                status => Err(status.to_string()),
            },
        );
    }
}
