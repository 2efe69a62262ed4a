//! Events that are pushed (RFC 8935).

use portcullis::{
    RevocationKey,
    jwt::{
        Issuer,
        shared_signals::{Reaction, SecurityEvent},
    },
};
use portcullis_testing::identity_provider::{Endpoint, Misbehaviour, SigningAlgorithm};

use super::*;
use crate::world::SECOND;

/// Each event of CAEP, and the one of RISC: who is out afterwards.
#[tokio::test]
async fn each_event_ends_what_it_is_about() {
    let complex = |members: Value| {
        let mut subject = members;
        subject["format"] = "complex".into();
        subject
    };
    let alice = || user("alice");
    for (event, members, subject, one, two, of_bob) in [
        ("session-revoked", json!({}), alice(), 401, 401, 200),
        // The first example of the specification: the id of a session.
        ("session-revoked", json!({}), opaque("1"), 401, 200, 200),
        (
            "session-revoked",
            json!({}),
            complex(json!({ "user": alice(), "session": opaque("2") })),
            200,
            401,
            200,
        ),
        (
            "session-revoked",
            json!({}),
            complex(json!({ "user": alice(), "application": opaque("test-client") })),
            401,
            401,
            200,
        ),
        (
            "session-revoked",
            json!({}),
            complex(json!({ "user": alice(), "application": opaque("another") })),
            200,
            200,
            200,
        ),
        (
            "token-claims-change",
            json!({ "claims": { "role": "reader" } }),
            json!({ "format": "jwt_id", "iss": ISSUER, "jti": "token 1" }),
            401,
            200,
            200,
        ),
        (
            "credential-change",
            json!({ "credential_type": "password", "change_type": "revoke" }),
            alice(),
            401,
            401,
            200,
        ),
        (
            "credential-change",
            json!({ "credential_type": "fido2-roaming", "change_type": "create" }),
            alice(),
            200,
            200,
            200,
        ),
        (
            "assurance-level-change",
            json!({ "namespace": "NIST-AAL", "current_level": "nist-aal1", "change_direction": "decrease" }),
            alice(),
            401,
            401,
            200,
        ),
        (
            "assurance-level-change",
            json!({ "namespace": "NIST-AAL", "current_level": "nist-aal2", "change_direction": "increase" }),
            alice(),
            200,
            200,
            200,
        ),
        (
            "device-compliance-change",
            json!({ "previous_status": "compliant", "current_status": "not-compliant" }),
            // Nobody here knows the device, so its user is meant.
            complex(json!({ "user": alice(), "device": opaque("laptop") })),
            401,
            401,
            200,
        ),
        (
            "device-compliance-change",
            json!({ "previous_status": "not-compliant", "current_status": "compliant" }),
            complex(json!({ "user": alice(), "device": opaque("laptop") })),
            200,
            200,
            200,
        ),
        (
            "risk-level-change",
            json!({ "principal": "USER", "current_level": "HIGH", "previous_level": "LOW" }),
            alice(),
            401,
            401,
            200,
        ),
        (
            "risk-level-change",
            json!({ "principal": "SESSION", "current_level": "HIGH" }),
            complex(json!({ "user": alice(), "session": opaque("2") })),
            200,
            401,
            200,
        ),
        (
            "risk-level-change",
            json!({ "principal": "USER", "current_level": "MEDIUM" }),
            alice(),
            200,
            200,
            200,
        ),
    ] {
        let world = world();
        let alice = |session: &str| {
            let token = world.token("alice", session);
            token.with_claim("jti", format!("token {session}")).mint()
        };
        let tokens = [
            (alice("1"), one),
            (alice("2"), two),
            (world.login("bob", "3"), of_bob),
        ];
        for (token, _) in &tokens {
            assert_eq!(world.call(token).await, StatusCode::OK);
        }
        world.clock.advance(SECOND);
        let event_type = format!("{CAEP}{event}");
        let token =
            world
                .idp
                .security_event(RESOURCE, &event_type, members.clone(), subject.clone());
        let reason = taken(&world, &token).await;
        let is_noted = reason == "set_noted";
        assert!(is_noted || reason == "set_carried_out", "{reason}");
        assert_eq!(is_noted, world.kept.is_empty(), "{event} {members}");
        for (token, expected) in &tokens {
            let status = world.call(token).await;
            assert_eq!(status, *expected, "{event} {members} {subject}");
        }
        // Whoever authenticates anew is in.
        world.clock.advance(SECOND);
        let later = world.login("alice", "4");
        assert_eq!(world.call(&later).await, StatusCode::OK);
    }

    let world = world();
    let alice = world.login("alice", "1");
    world.clock.advance(SECOND);
    let event = format!("{RISC}account-disabled");
    let token = world.idp.security_event(
        RESOURCE,
        &event,
        json!({ "reason": "hijacking" }),
        user("alice"),
    );
    assert_eq!(taken(&world, &token).await, "set_carried_out");
    assert_eq!(world.call(&alice).await, StatusCode::UNAUTHORIZED);
}

/// Each has its own time, and none ends what began later, in whatever order they come.
#[tokio::test]
async fn an_event_ends_what_was_there_when_it_happened() {
    let world = world();
    let start = world.clock.now().unix_seconds();
    let happened = |seconds: i64| json!({ "event_timestamp": start + seconds });
    let event = |members: Value| {
        let event = format!("{CAEP}session-revoked");
        world
            .idp
            .security_event(RESOURCE, &event, members, user("alice"))
    };
    world.clock.advance(SECOND * 10);
    let alice = world.login("alice", "1");
    world.clock.advance(SECOND * 10);
    // Told late, of before the login: by the event, by the token, in the wrong order.
    for token in [
        event(happened(9)),
        event(happened(5)),
        event(json!({})).with_claim("toe", start + 8),
        event(json!({})).with_claim("iat", start + 7),
    ] {
        assert_eq!(taken(&world, &token).await, "set_carried_out");
        assert_eq!(world.call(&alice).await, StatusCode::OK);
    }
    assert_eq!(taken(&world, &event(happened(10))).await, "set_carried_out");
    assert_eq!(world.call(&alice).await, StatusCode::UNAUTHORIZED);
    world.clock.advance(SECOND);
    let later = world.login("alice", "2");
    world.clock.advance(SECOND);
    // In milliseconds, as drafts had it: the time of the token counts.
    let in_millis = json!({ "event_timestamp": (start + 10) * 1000 });
    let token = event(in_millis).with_claim("iat", start + 15);
    assert_eq!(taken(&world, &token).await, "set_carried_out");
    assert_eq!(world.call(&later).await, StatusCode::OK);
}

#[tokio::test]
async fn the_same_again_is_acknowledged_and_none_is_lost() {
    let world = world();
    let alice = world.login("alice", "1");
    world.clock.advance(SECOND);
    let token = revoked(&world.idp).with_claim("jti", "one");
    world.store.set_failing(true);
    let answer = world.send(push(&token)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(world.one_record().1, "notice_store_unavailable");
    world.store.set_failing(false);
    assert_eq!(taken(&world, &token).await, "set_carried_out");
    assert_eq!(world.call(&alice).await, StatusCode::UNAUTHORIZED);
    for _ in 0..2 {
        assert_eq!(taken(&world, &token).await, "set_repeated");
    }
    // Another event under the same id is none that has come.
    let bob = world.login("bob", "2");
    world.clock.advance(SECOND);
    let other = token.with_claim("sub_id", user("bob"));
    let other = other.with_claim("iat", world.clock.now().unix_seconds());
    assert_eq!(taken(&world, &other).await, "set_carried_out");
    assert_eq!(world.call(&bob).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_no_good_event_ends_nothing() {
    let world = world();
    let alice = world.login("alice", "1");
    world.clock.advance(SECOND);
    let good = || revoked(&world.idp);
    let stranger = idp(&world.clock);
    let (request, key) = ("invalid_request", "invalid_key");
    let now = world.clock.now().unix_seconds();
    let two = json!({ format!("{CAEP}session-revoked"): {}, "https://x.example/y": {} });
    for (token, error, reason) in [
        (good().with_algorithm_none(), key, "set_alg"),
        (good().with_flipped_signature(), key, "set_signature"),
        (good().with_empty_signature(), key, "set_signature"),
        (revoked(&stranger), key, "set_signature"),
        (good().with_header("kid", "other"), key, "set_key"),
        (good().with_header("typ", "JWT"), request, "set_typ"),
        (good().without_header("typ"), request, "set_typ"),
        (good().with_header("typ", "at+jwt"), request, "set_typ"),
        (good().with_header("typ", "logout+jwt"), request, "set_typ"),
        (good().with_header("crit", ["x"]), request, "set_malformed"),
        (
            good().with_claim("iss", "https://evil.example"),
            "invalid_issuer",
            "set_issuer",
        ),
        (good().without_claim("iss"), "invalid_issuer", "set_issuer"),
        (
            good().with_audience("other"),
            "invalid_audience",
            "set_audience",
        ),
        (
            good().without_claim("aud"),
            "invalid_audience",
            "set_audience",
        ),
        (good().with_claim("exp", now + 60), request, "set_exp"),
        (good().with_claim("sub", "alice"), request, "set_sub"),
        (good().without_claim("jti"), request, "set_claims"),
        (good().with_claim("jti", ""), request, "set_claims"),
        (good().without_claim("iat"), request, "set_claims"),
        (good().with_claim("iat", now + 31), request, "set_time"),
        (good().without_claim("sub_id"), request, "set_subject"),
        (good().with_claim("sub_id", "alice"), request, "set_subject"),
        (good().without_claim("events"), request, "set_events"),
        (
            good().with_claim("events", json!({})),
            request,
            "set_events",
        ),
        (good().with_claim("events", two), request, "set_events"),
    ] {
        let _ = world.audit.take();
        is_refused(&world.send(push(&token)).await, error);
        assert_eq!(world.one_record(), ("notices", reason.into()));
    }
    let text = good().mint();
    for (media_type, body, reason) in [
        ("application/json", text.clone(), "set_media_type"),
        ("application/jwt", text.clone(), "set_media_type"),
        (SET, String::new(), "set_malformed"),
        (SET, format!("{text}\n{text}"), "set_malformed"),
        (SET, format!("{text}.x"), "set_malformed"),
        (SET, "a".repeat(17_000), "set_malformed"),
    ] {
        let _ = world.audit.take();
        is_refused(&world.send(post(PATH, media_type, body)).await, request);
        assert_eq!(world.one_record(), ("notices", reason.into()));
    }
    assert!(world.kept.is_empty());
    assert_eq!(world.call(&alice).await, StatusCode::OK);
}

/// What cannot have an effect is acknowledged, and says why: sending it again would not help.
#[tokio::test]
async fn what_means_nothing_here_is_acknowledged() {
    let world = World::new(|stack, idp| {
        stack.add_notice_receiver(pushed(idp).with_critical_subject_members(["group"]))
    });
    let event =
        |name: &str, subject: Value| world.idp.security_event(RESOURCE, name, json!({}), subject);
    let revoked = format!("{CAEP}session-revoked");
    let foreign = json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "alice" });
    let email = json!({ "format": "email", "email": "alice@example.com" });
    let group = json!({ "format": "complex", "user": user("alice"), "group": opaque("staff") });
    let tenant = json!({ "format": "complex", "tenant": opaque("acme") });
    for (token, reason) in [
        (
            event("https://x.example/new", user("alice")),
            "set_unknown_event",
        ),
        (
            event(&format!("{CAEP}session-established"), user("alice")),
            "set_noted",
        ),
        (event(&revoked, foreign), "set_subject_foreign"),
        (event(&revoked, email), "set_subject_unknown"),
        (event(&revoked, tenant), "set_subject_unknown"),
        (event(&revoked, group), "set_critical"),
    ] {
        assert_eq!(taken(&world, &token).await, reason);
    }
    assert!(world.kept.is_empty());
}

#[tokio::test]
async fn the_policy_and_the_names_are_those_that_were_set() {
    let world = World::new(|stack, idp| {
        let signals = pushed(idp)
            .with_path("/idp/events")
            .with_audience("one")
            .add_audience("two")
            .with_reaction(SecurityEvent::RiskMedium, Reaction::Revoke)
            .with_reaction(SecurityEvent::SessionRevoked, Reaction::Note)
            .with_subject_issuers(["https://other.example", ISSUER])
            .with_subjects_by(|name| match (name.format, name.name) {
                ("email", "alice@example.com") => {
                    vec![RevocationKey::Subject(ISSUER.into(), "alice".into())]
                }
                _ => Vec::new(),
            });
        stack.add_notice_receiver(signals)
    });
    let send = async |token: &Token| {
        let answer = world.send(post("/idp/events", SET, token.mint())).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        world.one_record().1
    };
    let (alice, bob) = (world.login("alice", "1"), world.login("bob", "2"));
    world.clock.advance(SECOND);
    let revoked = revoked(&world.idp).with_audience("two");
    assert_eq!(send(&revoked).await, "set_noted");
    assert_eq!(world.call(&alice).await, StatusCode::OK);
    let risk = |subject: Value| {
        let event = format!("{CAEP}risk-level-change");
        let members = json!({ "principal": "USER", "current_level": "MEDIUM" });
        world.idp.security_event("one", &event, members, subject)
    };
    let email = json!({ "format": "email", "email": "alice@example.com" });
    assert_eq!(send(&risk(email)).await, "set_carried_out");
    assert_eq!(world.call(&alice).await, StatusCode::UNAUTHORIZED);
    // An opaque one is of the first issuer that was named, so it is not Bob of ours.
    assert_eq!(send(&risk(opaque("bob"))).await, "set_carried_out");
    assert_eq!(world.call(&bob).await, StatusCode::OK);
    assert_eq!(send(&risk(user("bob"))).await, "set_carried_out");
    assert_eq!(world.call(&bob).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_sender_brings_the_token_that_it_was_given() {
    let world = World::new(|stack, idp| {
        stack.add_notice_receiver(pushed(idp).with_token(Secret::from("7a1f9c")))
    });
    let token = revoked(&world.idp);
    for (authorization, is_taken) in [
        (None, false),
        (Some("Bearer 7a1f9d"), false),
        (Some("Bearer "), false),
        (Some("Basic 7a1f9c"), false),
        (Some("Bearer 7a1f9c"), true),
    ] {
        let _ = world.audit.take();
        let mut request = push(&token);
        if let Some(authorization) = authorization {
            let value = http::HeaderValue::from_static(authorization);
            request.headers_mut().insert("authorization", value);
        }
        let answer = world.send(request).await;
        if is_taken {
            assert_eq!(answer.status(), StatusCode::ACCEPTED);
        } else {
            is_refused(&answer, "authentication_failed");
            assert_eq!(world.one_record(), ("notices", "set_sender".into()));
        }
    }
}

#[tokio::test]
async fn a_verification_brings_the_state_that_was_sent() {
    let world = World::new(|stack, idp| {
        stack.add_notice_receiver(pushed(idp).with_verification_state(Secret::from("9b2e")))
    });
    let verification = |members| of_stream(&world.idp, "verification", members);
    let other = verification(json!({ "state": "other" }));
    is_refused(&world.send(push(&other)).await, "invalid_state");
    assert_eq!(world.one_record(), ("notices", "set_state".into()));
    for members in [json!({ "state": "9b2e" }), json!({})] {
        assert_eq!(taken(&world, &verification(members)).await, "set_verified");
    }
}

/// The whole, with keys by discovery and over real HTTP; and without them.
#[tokio::test]
async fn over_real_http_with_an_issuer_that_is_asked_for_its_keys() {
    use http_body_util::BodyExt as _;
    use portcullis_tests::wire::{Client, Server};

    let clock = VirtualClock::new();
    let idp = IdentityProvider::new()
        .with_algorithms([SigningAlgorithm::Es256])
        .with_clock(clock.clone())
        .serve()
        .await;
    let world = World::of(clock, idp, |stack, idp| {
        let issuer = Issuer::new(idp.issuer()).dangerously_allow_local_network();
        stack.add_notice_receiver(SharedSignals::push(issuer))
    });
    let router = axum::Router::new().route("/notes", axum::routing::get(async || "notes"));
    let server = Server::axum(world.gate.guard(router)).await.unwrap();
    let mut client = Client::http2(server.address()).await.unwrap();
    let mut send = async |request: Request<Full<Bytes>>| {
        client.send(request.map(|body| body.boxed())).await.unwrap()
    };
    let alice = world.login("alice", "1");
    world.clock.advance(SECOND);
    let subject = json!({ "format": "iss_sub", "iss": world.idp.issuer(), "sub": "alice" });
    let token = || revoked(&world.idp).with_claim("sub_id", subject.clone());

    world
        .idp
        .misbehave(Endpoint::Jwks, Misbehaviour::Status(500));
    let answer = send(push(&token())).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(world.one_record().1, "set_keys_unavailable");
    assert_eq!(world.call(&alice).await, StatusCode::OK);

    world.idp.behave(Endpoint::Jwks);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(send(push(&token())).await.status(), StatusCode::ACCEPTED);
    let notes = Request::get("/notes")
        .header("host", "agent.example")
        .header("authorization", format!("Bearer {alice}"));
    let answer = send(notes.body(Full::default()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    world.handle.ready().await.unwrap();
}
