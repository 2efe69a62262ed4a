//! Logouts that an issuer tells of, or somebody who is not it: R10.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use portcullis::{
    Clock as _,
    jwt::{BackChannelLogout, Issuer},
    revocation::{MemoryReplays, MemoryRevocations},
    session::SessionLayer,
};
use portcullis_testing::{
    faulty_store::FaultyRevocations,
    identity_provider::{IdentityProvider, SigningAlgorithm, Token},
};

use crate::{
    guard::{Guard, ISSUER, RESOURCE, Settings, finish},
    harness::{Expected, Harness},
};

const SECOND: Duration = Duration::from_secs(1);
const FORM: &str = "application/x-www-form-urlencoded";
const PATH: &str = "/backchannel-logout";
const CLIENT: &str = "notes-app";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("R10", logouts).await;
}

struct World {
    guard: Guard,
    store: FaultyRevocations<MemoryRevocations>,
}

impl World {
    fn new() -> Self {
        let store = FaultyRevocations::new(MemoryRevocations::default());
        let mut settings = Settings::fixed();
        settings.session = Some(SessionLayer::builder());
        settings.revocations = Some(store.clone());
        let keys = settings.idp.jwks().to_string();
        let issuer = Issuer::new(ISSUER).with_static_keys(keys);
        settings.logout = Some(BackChannelLogout::new(
            issuer,
            CLIENT,
            MemoryReplays::default(),
        ));
        Self {
            guard: settings.build(),
            store,
        }
    }

    /// Somebody who has just logged in, in this session at the issuer.
    fn login(&self, session: &str) -> String {
        let now = self.guard.clock.now().unix_seconds();
        let token = self.guard.token().with_claim("auth_time", now);
        token.with_claim("sid", session).mint()
    }

    fn good(&self) -> Token {
        self.guard
            .idp
            .logout_token(CLIENT)
            .with_claim("sid", "victim")
    }

    fn tell(&self, token: &Token) -> Request<Full<Bytes>> {
        self.tell_form(FORM, format!("logout_token={}", token.mint()))
    }

    fn tell_form(&self, media_type: &str, body: String) -> Request<Full<Bytes>> {
        let request = self.guard.request(PATH).method("POST");
        let mut request = finish(request.header("content-type", media_type));
        *request.body_mut() = Full::from(body);
        request
    }

    async fn told(&self, token: &Token) -> StatusCode {
        self.guard.send(self.tell(token)).await.status()
    }

    /// Whether somebody is in.
    async fn is_in(&self, token: &str) -> bool {
        let status = self.guard.status_of(token).await;
        let _ = self.guard.audit.take();
        status == StatusCode::OK
    }
}

async fn logouts(harness: &mut Harness) {
    let world = World::new();
    let victim = world.login("victim");
    harness
        .control("who is in", &world.guard, world.guard.bearer(&victim))
        .await;
    world.guard.clock.advance(SECOND);
    let stranger = IdentityProvider::new()
        .with_issuer(ISSUER)
        .with_algorithms([SigningAlgorithm::Es256])
        .with_clock(world.guard.clock.clone());
    let good = || world.good();
    for (name, token, codes) in [
        (
            "without a signature",
            good().with_algorithm_none(),
            &["logout_alg"],
        ),
        (
            "forged",
            good().with_flipped_signature(),
            &["logout_signature"],
        ),
        (
            "of a stranger",
            stranger.logout_token(CLIENT).with_claim("sid", "victim"),
            &["logout_signature"],
        ),
        (
            "that is an ID token",
            good().with_header("typ", "JWT"),
            &["logout_typ"],
        ),
        (
            "that is an access token",
            good().with_header("typ", "at+jwt"),
            &["logout_typ"],
        ),
        (
            "of another issuer",
            good().with_claim("iss", "https://evil.example"),
            &["logout_issuer"],
        ),
        (
            "for another client",
            good().with_audience("other"),
            &["logout_audience"],
        ),
        (
            "for the resource",
            good().with_audience(RESOURCE),
            &["logout_audience"],
        ),
        (
            "with a nonce",
            good().with_claim("nonce", "n"),
            &["logout_nonce"],
        ),
        (
            "without an event",
            good().without_claim("events"),
            &["logout_events"],
        ),
        (
            "of another event",
            good().with_claim(
                "events",
                serde_json::json!({ "https://evil.example/event": {} }),
            ),
            &["logout_events"],
        ),
        (
            "of nobody",
            good().without_claim("sid"),
            &["logout_subject"],
        ),
        (
            "without an id",
            good().without_claim("jti"),
            &["logout_claims"],
        ),
        (
            "that is over",
            good().with_age(Duration::from_secs(160)),
            &["logout_time"],
        ),
        (
            "that lives for long",
            good().with_lifetime(Duration::from_secs(301)),
            &["logout_time"],
        ),
    ] {
        let expected = Expected::status(400, codes);
        let name = format!("a logout {name}");
        harness
            .attack(&name, &world.guard, world.tell(&token), &expected)
            .await;
    }
    let twice = format!("logout_token={0}&logout_token={0}", good().mint());
    let expected = Expected::status(400, &["logout_form"]);
    for (name, media_type, body) in [
        ("a logout twice in a form", FORM, twice),
        ("a logout in JSON", "application/json", "{}".to_owned()),
    ] {
        let request = world.tell_form(media_type, body);
        harness.attack(name, &world.guard, request, &expected).await;
    }
    let is_in = world.is_in(&victim).await;
    harness.judged(
        "all of them together",
        is_in
            .then_some(())
            .ok_or_else(|| "the victim is out".to_owned()),
    );
    carried_out(harness, &world, &victim).await;
}

/// A good one counts once it is durable, once, and for nobody who logs in later.
async fn carried_out(harness: &mut Harness, world: &World, victim: &str) {
    let token = world.good().with_claim("jti", "one");
    world.store.set_failing(true);
    let expected = Expected::status(503, &["notice_store_unavailable"]);
    let request = world.tell(&token);
    harness
        .attack_without_good(
            "a logout that is not kept",
            &world.guard,
            request,
            &expected,
        )
        .await;
    world.store.set_failing(false);
    let told = world.told(&token).await;
    let is_in = world.is_in(victim).await;
    harness.judged(
        "who was logged out",
        match (told, is_in) {
            (StatusCode::OK, false) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
    let expected = Expected::status(400, &["logout_replayed"]);
    for (name, token) in [
        ("the same logout again", token.clone()),
        ("another under its id", token.with_claim("sid", "other")),
    ] {
        let request = world.tell(&token);
        harness.attack(name, &world.guard, request, &expected).await;
    }
    world.guard.clock.advance(SECOND);
    let later = world.login("later");
    let late = world.good().without_claim("sid").with_claim("sub", "alice");
    let was_in = world.is_in(&later).await;
    world.guard.clock.advance(SECOND);
    let of_before = world.guard.clock.now().unix_seconds() - 2;
    let told = world.told(&late.with_claim("iat", of_before)).await;
    let is_in = world.is_in(&later).await;
    harness.judged(
        "a late logout of one who has logged in since",
        match (was_in, told, is_in) {
            (true, StatusCode::OK, true) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
}
