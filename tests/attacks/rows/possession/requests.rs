//! Proofs of another request: P03, P04 and P10.

use super::*;

pub(super) async fn requests(harness: &mut Harness) {
    let bound = Bound::new();
    for url in [
        URL,
        "HTTPS://AGENT.EXAMPLE/notes",
        "https://agent.example:443/notes",
        "https://agent.example/%6Eotes",
        "https://agent.example/a/../notes",
        "https://agent.example/notes?q=1",
        "https://agent.example/notes#f",
    ] {
        let proof = bound.key.proof("GET", url, &bound.token);
        bound.control(harness, url, &proof).await;
    }
    for url in [
        "https://agent.example/other",
        "https://agent.example/notes/",
        "https://agent.example/Notes",
        "https://agent.example/notes%2F",
        "http://agent.example/notes",
        "https://agent.example:8443/notes",
        "https://agent.example./notes",
        "https://evil.example/notes",
        "https://agent.example@evil.example/notes",
        "https://xn--agent-9na.example/notes",
        "https://àgent.example/notes",
        "/notes",
        "",
    ] {
        let proof = bound.key.proof("GET", url, &bound.token).mint();
        bound
            .attack(harness, &format!("url {url:?}"), &proof, &["dpop_htu"])
            .await;
    }
    for method in ["POST", "get", "GET ", "", "HEAD"] {
        let proof = bound.key.proof(method, URL, &bound.token).mint();
        let name = format!("method {method:?}");
        bound.attack(harness, &name, &proof, &["dpop_htm"]).await;
    }
    let mut post = bound.request(&bound.proof().mint());
    *post.method_mut() = Method::POST;
    let expected = Expected::lines(&[BAD_PROOF], &["dpop_htm"]);
    harness
        .attack("of a GET for a POST", &bound.guard, post, &expected)
        .await;
}

pub(super) async fn times(harness: &mut Harness) {
    let bound = Bound::new();
    let now = bound_now(&bound);
    let made_at = |at: i64| bound.proof().with_claim("iat", at);
    for distance in [0, 10, 60] {
        for at in [now - distance, now + distance] {
            bound
                .control(harness, &format!("{distance} s"), &made_at(at))
                .await;
        }
    }
    for distance in [61, 3600] {
        for at in [now - distance, now + distance] {
            let proof = made_at(at).mint();
            let name = format!("{} s", at - now);
            bound.attack(harness, &name, &proof, &["dpop_iat"]).await;
        }
    }
    for wrong in [json!("never"), Value::Null, json!(-1), json!([now])] {
        let proof = bound.proof().with_claim("iat", wrong.clone()).mint();
        let name = format!("iat {wrong}");
        bound.attack(harness, &name, &proof, &["dpop_claims"]).await;
    }
    // The edges are those of the server's clock, whatever step it makes.
    let hour = Duration::from_secs(3600);
    for is_forward in [true, false] {
        let bound = Bound::new();
        let token = bound
            .guard
            .token()
            .with_claim("cnf", bound.key.confirmation());
        let token = token.with_age(2 * hour).with_lifetime(5 * hour).mint();
        let bound = Bound { token, ..bound };
        let proof = bound.proof().mint();
        match is_forward {
            true => bound.guard.clock.step_wall_forward(hour),
            false => bound.guard.clock.step_wall_back(hour),
        }
        let name = if is_forward {
            "after a step ahead"
        } else {
            "after a step back"
        };
        bound.attack(harness, name, &proof, &["dpop_iat"]).await;
        bound.control(harness, name, &bound.proof()).await;
    }
}

pub(super) async fn names(harness: &mut Harness) {
    let bound = Bound::new();
    let evil = bound
        .key
        .proof("GET", "https://evil.example/notes", &bound.token);
    let expected = Expected::lines(&[BAD_PROOF], &["dpop_htu"]);
    for (name, value) in [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-original-url", "https://evil.example/notes"),
        ("forwarded", "host=evil.example;proto=https"),
    ] {
        let mut request = bound.request(&evil.mint());
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        harness.attack(name, &bound.guard, request, &expected).await;
        let mut request = bound.request(&bound.proof().mint());
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        harness.control(name, &bound.guard, request).await;
    }
    // A second host does not even get here, and neither does another absolute form.
    let mut request = bound.request(&evil.mint());
    request
        .headers_mut()
        .append("host", HeaderValue::from_static("evil.example"));
    let refused = Expected::status(403, &["host_not_allowed"]);
    harness
        .attack("two hosts", &bound.guard, request, &refused)
        .await;
    let request = bound.request_at("https://evil.example/notes", &evil.mint());
    harness
        .attack("absolute form", &bound.guard, request, &refused)
        .await;
    let request = bound.request_at(URL, &bound.proof().mint());
    harness
        .control("absolute form of ours", &bound.guard, request)
        .await;
}
