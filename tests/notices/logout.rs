//! Logouts that an OpenID provider tells of.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use portcullis::{
    Secret,
    jwt::{BackChannelLogout, Issuer},
    revocation::MemoryReplays,
};
use portcullis_testing::{
    clock::VirtualClock,
    identity_provider::{Endpoint, IdentityProvider, Misbehaviour, SigningAlgorithm, Token},
};

use crate::world::{ISSUER, SECOND, World, idp, issuer, post};

const FORM: &str = "application/x-www-form-urlencoded";
const CLIENT: &str = "notes-app";
const PATH: &str = "/backchannel-logout";

fn world() -> World {
    World::new(|stack, idp| stack.add_notice_receiver(logout(idp)))
}

fn logout(idp: &IdentityProvider) -> BackChannelLogout {
    BackChannelLogout::new(issuer(idp), CLIENT, MemoryReplays::default())
}

fn form(token: &Token) -> Request<Full<Bytes>> {
    post(PATH, FORM, format!("logout_token={}", token.mint()))
}

fn is_refused(answer: &Response<String>) {
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.body(), r#"{"error":"invalid_request"}"#);
}

#[tokio::test]
async fn ends_one_session_or_all_of_a_subject() {
    for (claims, one, two, of_bob) in [
        (&[("sid", "1")][..], 401, 200, 200),
        (&[("sid", "1"), ("sub", "alice")], 401, 200, 200),
        (&[("sub", "alice")], 401, 401, 200),
    ] {
        let world = world();
        let tokens = [
            (world.login("alice", "1"), one),
            (world.login("alice", "2"), two),
            (world.login("bob", "3"), of_bob),
        ];
        for (token, _) in &tokens {
            assert_eq!(world.call(token).await, StatusCode::OK);
        }
        world.clock.advance(SECOND);
        let token = world.idp.logout_token(CLIENT);
        let token = claims
            .iter()
            .fold(token, |token, (name, value)| token.with_claim(name, *value));
        let answer = world.send(form(&token)).await;
        assert_eq!((answer.status(), &**answer.body()), (StatusCode::OK, ""));
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(world.one_record(), ("notices", "logout_accepted".into()));
        for (token, expected) in &tokens {
            assert_eq!(world.call(token).await, *expected, "{claims:?}");
        }
        // Whoever logs in again is in, also where the logout is told of only then.
        world.clock.advance(SECOND);
        let later = world.login("alice", "4");
        assert_eq!(world.call(&later).await, StatusCode::OK);
        let late = token.with_claim("jti", "late");
        assert_eq!(world.send(form(&late)).await.status(), StatusCode::OK);
        assert_eq!(world.call(&later).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_token_counts_once_but_no_logout_is_lost() {
    let world = world();
    let alice = world.login("alice", "1");
    world.clock.advance(SECOND);
    let token = world.idp.logout_token(CLIENT).with_claim("sid", "1");
    let token = token.with_claim("jti", "one");
    // The store fails in between: sent again, the token has not been used.
    world.store.set_failing(true);
    let answer = world.send(form(&token)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    world.store.set_failing(false);
    assert_eq!(world.send(form(&token)).await.status(), StatusCode::OK);
    assert_eq!(world.call(&alice).await, StatusCode::UNAUTHORIZED);
    is_refused(&world.send(form(&token)).await);
    assert_eq!(world.one_record(), ("notices", "logout_replayed".into()));
    // Of another session, under the same id.
    let other = token.with_claim("sid", "2");
    is_refused(&world.send(form(&other)).await);
}

#[tokio::test]
async fn a_full_store_of_tokens_is_503() {
    let world = World::new(|stack, idp| {
        let logout = BackChannelLogout::new(issuer(idp), CLIENT, MemoryReplays::with_capacity(0));
        stack.add_notice_receiver(logout)
    });
    let token = world.idp.logout_token(CLIENT).with_claim("sid", "1");
    let answer = world.send(form(&token)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(
        world.one_record(),
        ("notices", "logout_replays_full".into())
    );
}

#[tokio::test]
async fn what_is_no_good_logout_token_ends_nothing() {
    let world = world();
    let alice = world.login("alice", "1");
    world.clock.advance(SECOND);
    let good = || world.idp.logout_token(CLIENT).with_claim("sid", "1");
    let stranger = IdentityProvider::new()
        .with_issuer(ISSUER)
        .with_algorithms([SigningAlgorithm::Es256])
        .with_clock(world.clock.clone());
    for (token, reason) in [
        (good().with_algorithm_none(), "logout_alg"),
        (good().with_header("alg", "none"), "logout_alg"),
        (good().with_flipped_signature(), "logout_signature"),
        (good().with_empty_signature(), "logout_signature"),
        (
            stranger.logout_token(CLIENT).with_claim("sid", "1"),
            "logout_signature",
        ),
        (good().with_header("kid", "other"), "logout_key"),
        (good().with_header("typ", "JWT"), "logout_typ"),
        (good().without_header("typ"), "logout_typ"),
        (good().with_header("typ", "at+jwt"), "logout_typ"),
        (good().with_header("crit", ["x"]), "logout_malformed"),
        (
            good().with_claim("iss", "https://evil.example"),
            "logout_issuer",
        ),
        (good().without_claim("iss"), "logout_issuer"),
        (good().with_audience("other-app"), "logout_audience"),
        (
            good().with_audience(crate::world::RESOURCE),
            "logout_audience",
        ),
        (good().with_claim("nonce", "n"), "logout_nonce"),
        (good().without_claim("events"), "logout_events"),
        (good().without_claim("sid"), "logout_subject"),
        (good().without_claim("jti"), "logout_claims"),
        (good().without_claim("exp"), "logout_claims"),
        (good().with_age(Duration::from_secs(160)), "logout_time"),
        (
            good().with_lifetime(Duration::from_secs(301)),
            "logout_time",
        ),
    ] {
        let _ = world.audit.take();
        is_refused(&world.send(form(&token)).await);
        assert_eq!(world.one_record(), ("notices", reason.into()));
    }
    let text = good().mint();
    for (media_type, body) in [
        ("application/json", format!("logout_token={text}")),
        (FORM, String::new()),
        (FORM, format!("token={text}")),
        (FORM, format!("logout_token={text}&logout_token={text}")),
    ] {
        let _ = world.audit.take();
        is_refused(&world.send(post(PATH, media_type, body)).await);
        assert_eq!(world.one_record(), ("notices", "logout_form".into()));
    }
    assert_eq!(world.kept.len(), 0);
    assert_eq!(world.call(&alice).await, StatusCode::OK);
    // A field that nobody knows changes nothing (§2.5).
    let more = format!("x=y&logout_token={text}");
    let answer = world.send(post(PATH, FORM, more)).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_old_issuer_is_heard_where_that_is_said() {
    let world = World::new(|stack, idp| stack.add_notice_receiver(logout(idp).with_legacy_typ()));
    for token in [
        world.idp.logout_token(CLIENT).with_header("typ", "JWT"),
        world.idp.logout_token(CLIENT).without_header("typ"),
    ] {
        let token = token.with_claim("sub", "alice");
        assert_eq!(world.send(form(&token)).await.status(), StatusCode::OK);
    }
    let id_token = world.idp.token("alice").with_audience(CLIENT);
    let id_token = id_token.with_header("typ", "JWT");
    is_refused(&world.send(form(&id_token)).await);
}

/// The whole, with keys by discovery and over real HTTP; and without them.
#[tokio::test]
async fn over_real_http_with_an_issuer_that_is_asked_for_its_keys() {
    use http_body_util::BodyExt as _;
    use portcullis_tests::wire::{Client, Server};

    let clock = VirtualClock::new();
    let idp = idp(&clock).serve().await;
    let world = World::of(clock, idp, |stack, idp| {
        let issuer = Issuer::new(idp.issuer()).dangerously_allow_local_network();
        let logout = BackChannelLogout::new(issuer, CLIENT, MemoryReplays::default());
        stack.add_notice_receiver(logout)
    });
    let router = axum::Router::new().route("/notes", axum::routing::get(async || "notes"));
    let server = Server::axum(world.gate.guard(router)).await.unwrap();
    let mut client = Client::http2(server.address()).await.unwrap();
    let mut send = async |request: Request<Full<Bytes>>| {
        client.send(request.map(|body| body.boxed())).await.unwrap()
    };
    let alice = world.login("alice", "1");
    world.clock.advance(SECOND);

    world
        .idp
        .misbehave(Endpoint::Jwks, Misbehaviour::Status(500));
    let token = world.idp.logout_token(CLIENT).with_claim("sid", "1");
    let answer = send(form(&token)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    let reason = world.one_record().1;
    assert_eq!(reason, "logout_keys_unavailable");
    assert_eq!(world.call(&alice).await, StatusCode::OK);

    world.idp.behave(Endpoint::Jwks);
    world.clock.advance(Duration::from_secs(60));
    let token = world.idp.logout_token(CLIENT).with_claim("sid", "1");
    assert_eq!(send(form(&token)).await.status(), StatusCode::OK);
    let notes = Request::get("/notes")
        .header("host", "agent.example")
        .header("authorization", format!("Bearer {alice}"));
    let answer = send(notes.body(Full::default()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    world.handle.ready().await.unwrap();
}

#[test]
fn settings_that_cannot_work_are_named() {
    let clock = VirtualClock::new();
    let idp = idp(&clock);
    let cases: [(BackChannelLogout, &str); 6] = [
        (
            BackChannelLogout::new(issuer(&idp), "", MemoryReplays::default()),
            "`add_client`",
        ),
        (
            logout(&idp).with_leeway(Duration::from_secs(61)),
            "`with_leeway`",
        ),
        (
            logout(&idp).with_max_lifetime(Duration::ZERO),
            "`with_max_lifetime`",
        ),
        (
            logout(&idp).with_kept_for(Duration::ZERO),
            "`with_kept_for`",
        ),
        (logout(&idp).with_key(Secret::new([1; 15])), "`with_key`"),
        (logout(&idp).with_path("nowhere"), "`add_notice_receiver`"),
    ];
    for (logout, setting) in cases {
        let stack = portcullis::Stack::builder()
            .with_resource(crate::world::RESOURCE)
            .add_authenticator(portcullis::jwt::Jwt::new(issuer(&idp)))
            .add_notice_receiver(logout);
        let errors = stack.build().unwrap_err().to_string();
        assert!(errors.contains(setting), "{setting}: {errors}");
    }
}
