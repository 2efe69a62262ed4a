//! For whom a request is and where it comes from: H05–H07, U02, P11.

use std::{net::IpAddr, time::Duration};

use http::HeaderValue;
use portcullis::{PeerAddress, perimeter::PerimeterLayer};

use crate::{
    guard::{Guard, Settings, finish},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("H05", forwarded).await;
    harness.row("H06", hosts).await;
    harness.row("H07", preflights).await;
    harness.row("P11", identity_headers).await;
    harness.row("U02", paths).await;
    harness.row("own:refusal budget", budget).await;
}

async fn forwarded(harness: &mut Harness) {
    for trusts in [false, true] {
        let mut settings = Settings::fixed();
        if trusts {
            settings.perimeter = settings.perimeter.add_trusted_proxy("198.51.100.0/24");
        }
        let guard = settings.build();
        let thousand = vec!["6.6.6.6"; 1000].join(", ");
        for (name, lines) in [
            ("left-most", vec!["6.6.6.6, 203.0.113.9".to_owned()]),
            ("a thousand hops", vec![thousand]),
            ("mapped", vec!["::ffff:6.6.6.6".to_owned()]),
            ("with a port", vec!["6.6.6.6:80".to_owned()]),
            ("junk", vec!["6.6.6.6, unknown".to_owned()]),
            (
                "two lines",
                vec!["6.6.6.6".to_owned(), "203.0.113.9".to_owned()],
            ),
        ] {
            let mut request = guard.bearer(guard.good_key());
            for line in lines {
                if let Ok(value) = HeaderValue::from_str(&line) {
                    request.headers_mut().append("x-forwarded-for", value);
                }
            }
            for (other, value) in [
                ("forwarded", "for=6.6.6.6"),
                ("cf-connecting-ip", "6.6.6.6"),
                ("true-client-ip", "6.6.6.6"),
                ("x-real-ip", "6.6.6.6"),
            ] {
                request
                    .headers_mut()
                    .insert(other, HeaderValue::from_static(value));
            }
            let _ = guard.audit.take();
            let status = guard.send(request).await.status();
            let address = guard
                .audit
                .records()
                .first()
                .and_then(|record| record.client_address);
            // The peer is no proxy that anybody has named.
            let peer = IpAddr::from([192, 0, 2, 1]);
            harness.judged(
                &format!("{name}, trusting another: {trusts}"),
                if status == 200 && address == Some(peer) {
                    Ok(())
                } else {
                    Err(format!("{status} {address:?}"))
                },
            );
        }
    }
    let mut settings = Settings::fixed();
    settings.perimeter = settings.perimeter.add_trusted_proxy("192.0.2.0/24");
    let guard = settings.build();
    for (lines, expected) in [
        ("6.6.6.6, 203.0.113.9", [203, 0, 113, 9]),
        ("6.6.6.6, 203.0.113.9, 192.0.2.7", [203, 0, 113, 9]),
        ("6.6.6.6, unknown", [192, 0, 2, 1]),
        ("6.6.6.6, fe80::1%eth0", [192, 0, 2, 1]),
    ] {
        let mut request = guard.bearer(guard.good_key());
        request
            .headers_mut()
            .insert("x-forwarded-for", HeaderValue::from_static(lines));
        let _ = guard.audit.take();
        let _ = guard.send(request).await;
        let address = guard
            .audit
            .records()
            .first()
            .and_then(|record| record.client_address);
        harness.judged(
            &format!("behind a proxy: {lines}"),
            if address == Some(IpAddr::from(expected)) {
                Ok(())
            } else {
                Err(format!("{address:?}"))
            },
        );
    }
}

async fn hosts(harness: &mut Harness) {
    let guard = Guard::fixed();
    let expected = Expected::status(403, &["host_not_allowed"]);
    let good = guard.good_key().to_owned();
    let with_hosts = |hosts: &[&str]| {
        let mut request = guard.bearer(&good);
        request.headers_mut().remove("host");
        for host in hosts {
            if let Ok(value) = HeaderValue::from_str(host) {
                request.headers_mut().append("host", value);
            }
        }
        request
    };
    for hosts in [
        &[][..],
        &["evil.example"],
        &["agent.example.evil.com"],
        &["evil-agent.example"],
        &["agent.example."],
        &["agent.example:8080"],
        &["127.0.0.1"],
        &["localhost"],
        &["[::1]"],
        &["user@agent.example"],
        &["agent.example@evil.com"],
        &["agent.example:443:1"],
        &[""],
        &["agent.example", "agent.example"],
        &["agent.example", "evil.example"],
        &["evil.example", "agent.example"],
        &["agent.example, evil.example"],
    ] {
        harness
            .attack(
                &format!("hosts {hosts:?}"),
                &guard,
                with_hosts(hosts),
                &expected,
            )
            .await;
    }
    let mut absolute = with_hosts(&["agent.example"]);
    *absolute.uri_mut() = http::Uri::from_static("https://evil.example/notes");
    harness
        .attack("absolute form of another host", &guard, absolute, &expected)
        .await;
    let mut forwarded = with_hosts(&["evil.example"]);
    forwarded.headers_mut().insert(
        "x-forwarded-host",
        HeaderValue::from_static("agent.example"),
    );
    harness
        .attack("ours in x-forwarded-host", &guard, forwarded, &expected)
        .await;
    for host in ["agent.example", "AGENT.example", "agent.example:443"] {
        harness.control(host, &guard, with_hosts(&[host])).await;
    }

    let expected = Expected::status(403, &["origin_not_allowed"]);
    let with_origin = |origin: &str| {
        let mut request = guard.bearer(&good);
        if let Ok(value) = HeaderValue::from_str(origin) {
            request.headers_mut().insert("origin", value);
        }
        request
    };
    for origin in [
        "null",
        "https://evil.example",
        "http://agent.example",
        "https://agent.example.evil.com",
        "https://agent.example:8443",
        "https://agent.example/",
        "http://localhost",
        "http://[::1]",
        "*",
        "",
    ] {
        harness
            .attack(
                &format!("origin {origin:?}"),
                &guard,
                with_origin(origin),
                &expected,
            )
            .await;
    }
    let mut twice = with_origin("https://agent.example");
    twice
        .headers_mut()
        .append("origin", HeaderValue::from_static("https://evil.example"));
    harness
        .attack("two origins", &guard, twice, &expected)
        .await;
    harness
        .control(
            "our own origin",
            &guard,
            with_origin("https://agent.example"),
        )
        .await;
}

async fn preflights(harness: &mut Harness) {
    let guard = Guard::fixed();
    let preflight = || {
        guard
            .request("/notes")
            .method("OPTIONS")
            .header("origin", "https://agent.example")
            .header("access-control-request-method", "POST")
    };
    let expected = Expected::status(204, &["preflight"]);
    harness
        .attack("a preflight", &guard, finish(preflight()), &expected)
        .await;
    let key = guard.good_key().to_owned();
    let credential = preflight().header("authorization", format!("Bearer {key}"));
    harness
        .attack(
            "a preflight with a credential",
            &guard,
            finish(credential),
            &expected,
        )
        .await;
    if let Ok(body) = preflight().body(http_body_util::Full::from("x")) {
        harness
            .attack("a preflight with a body", &guard, body, &expected)
            .await;
    }
    let plain = guard.request("/notes").method("OPTIONS");
    harness
        .attack(
            "options without a credential",
            &guard,
            finish(plain),
            &Expected::missing(),
        )
        .await;
    let foreign = guard
        .request("/notes")
        .method("OPTIONS")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST");
    let refused = Expected::status(403, &["origin_not_allowed"]);
    harness
        .attack(
            "a preflight of another page",
            &guard,
            finish(foreign),
            &refused,
        )
        .await;
    let options = guard
        .request("/notes")
        .method("OPTIONS")
        .header("authorization", format!("Bearer {key}"));
    harness
        .control("options with a credential", &guard, finish(options))
        .await;
    let connect = guard
        .request("/notes")
        .method("CONNECT")
        .header("authorization", format!("Bearer {key}"));
    let refused = Expected::status(400, &["connect_refused"]);
    harness
        .attack("connect", &guard, finish(connect), &refused)
        .await;
}

/// Headers that name a caller, in any spelling.
async fn identity_headers(harness: &mut Harness) {
    let guard = Guard::fixed();
    for name in [
        "x-forwarded-user",
        "x_forwarded_user",
        "client-cert",
        "x-ssl-client-s-dn",
        "x-forwarded-client-cert",
        "x-authkestra-identity",
        "x-session-id",
        "x-portcullis-principal",
        "remote_user",
        "cf-access-jwt-assertion",
        "x-goog-iap-jwt-assertion",
        "x-amzn-oidc-identity",
    ] {
        let mut request = guard.bearer(guard.good_key());
        request
            .headers_mut()
            .append(name, HeaderValue::from_static("admin"));
        request
            .headers_mut()
            .append(name, HeaderValue::from_static("root"));
        let status = guard.send(request).await.status();
        let seen = guard
            .probe
            .take_request()
            .map(|head| head.headers.contains_key(name));
        harness.judged(
            name,
            if status == 200 && seen == Some(false) {
                Ok(())
            } else {
                Err(format!("{status}, seen: {seen:?}"))
            },
        );
    }
}

async fn paths(harness: &mut Harness) {
    let guard = Guard::fixed();
    let expected = Expected::status(400, &["path_ambiguous"]);
    let key = guard.good_key().to_owned();
    for path in [
        "//admin",
        "/./admin",
        "/a/../admin",
        "/a/..",
        "/%61dmin",
        "/%2e%2e/admin",
        "/%2E%2E/",
        "/%252e%252e/",
        "/a%2fb",
        "/a%5cb",
        "/a%00",
        "/a%0d%0aX: y",
        "/a%zz",
        "/a%",
        "/a//",
    ] {
        let Ok(uri) = path.replace(' ', "%20").parse::<http::Uri>() else {
            continue;
        };
        let mut request = guard.bearer(&key);
        *request.uri_mut() = uri;
        harness.attack(path, &guard, request, &expected).await;
    }
    for path in [
        "/admin",
        "/admin/",
        "/a%20b",
        "/%C3%A4",
        "/a;b",
        "/message:send",
    ] {
        let mut request = guard.bearer(&key);
        *request.uri_mut() = path.parse().unwrap_or_default();
        harness.control(path, &guard, request).await;
    }
}

async fn budget(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    settings.perimeter = PerimeterLayer::builder()
        .add_trusted_proxy("10.0.0.0/8")
        .with_refusal_budget(5, Duration::from_secs(60));
    let guard = settings.build();
    let known = guard.token().mint();
    harness
        .control("a token, seen", &guard, guard.bearer(&known))
        .await;
    for _ in 0..5 {
        let _ = guard.status_of("nobody-knows-this").await;
    }
    let _ = guard.audit.take();
    let response = guard.send(guard.bearer("nobody-knows-this")).await;
    let retry = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    let status = response.status();
    harness.judged(
        "one refusal more than the budget",
        if status == 429 && retry.is_some_and(|seconds| seconds >= 1) {
            Ok(())
        } else {
            Err(format!("{status} {retry:?}"))
        },
    );
    harness.judged(
        "a spent budget says nothing about a credential",
        match guard.status_of(&guard.token().mint()).await {
            429 => Ok(()),
            status => Err(format!("a token that nobody has seen is answered {status}")),
        },
    );
    harness
        .control(
            "a token that was seen, on a spent budget",
            &guard,
            guard.bearer(&known),
        )
        .await;
    // Other addresses are other budgets, and an address is not the sender's to choose.
    let mut spoofed = guard.bearer("nobody-knows-this");
    spoofed
        .headers_mut()
        .insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
    let status = guard.send(spoofed).await.status();
    harness.judged(
        "a spoofed address",
        if status == 429 {
            Ok(())
        } else {
            Err(status.to_string())
        },
    );
    let mut other = guard.bearer(&guard.token().mint());
    PeerAddress::from(IpAddr::from([192, 0, 2, 2])).attach(other.extensions_mut());
    harness.control("another address", &guard, other).await;
    guard.clock.advance(Duration::from_secs(60));
    harness
        .control(
            "after a minute",
            &guard,
            guard.bearer(&guard.token().mint()),
        )
        .await;
}
