//! Opaque tokens, of which only their issuer knows what they are worth.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use http_body_util::BodyExt as _;
use portcullis::{
    Clock as _, Secret,
    jwt::{ClientCredentials, HttpClient, HttpError, HttpRequest, Introspection},
    session::SessionLayer,
};
use portcullis_testing::identity_provider::Token;
use portcullis_tests::{
    patience::settle,
    streams::{TICK, streaming},
};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _};

use crate::{
    guard::{Guard, ISSUER, RESOURCE, Settings},
    harness::{Expected, Harness},
};

const SECOND: Duration = Duration::from_secs(1);
const ENDPOINT: &str = "https://idp.example/introspect";
const KEYS: &str = "https://idp.example/keys";
const CLIENT: &str = "agent";
const JSON: &str = "application/json";
const SIGNED: &str = "application/token-introspection+jwt";
const UNREADABLE: &[&str] = &["introspection_answer"];
const UNSIGNED: &[&str] = &["introspection_signature"];

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:opaque tokens", tokens).await;
    harness.row("own:answers about tokens", answers).await;
    harness.row("own:signed answers", signed).await;
    harness.row("own:age of opaque tokens", ages).await;
    harness.row("own:kept answers", kept).await;
    harness
        .row("own:streams of tokens that were taken back", taken_back)
        .await;
}

/// A stream ends a span after its issuer has taken its token back, with or without another request.
async fn taken_back(harness: &mut Harness) {
    for (name, exp) in [("with an end", true), ("without one", false)] {
        let asking = Asking::running();
        let answer = match exp {
            true => asking.good(),
            false => asking.good_without("exp"),
        };
        asking.desk.say_json(&answer);
        let guard = &asking.guard;
        let token = format!("opaque-{name}").replace(' ', "-");
        let service = guard
            .gate
            .layer(streaming(&guard.clock, "text/event-stream", TICK));
        let Ok(response) = service.oneshot(guard.bearer(&token)).await;
        let is_open = response.status() == StatusCode::OK;
        let reading = tokio::spawn(response.into_body().collect());
        asking.pass(25).await;
        harness.judged(
            &format!("a stream of a token {name} goes on while its issuer stands by it"),
            match is_open && !reading.is_finished() && asking.desk.asked() > 2 {
                true => Ok(()),
                false => Err("it does not, or nobody asks".to_owned()),
            },
        );
        asking.desk.say_json(&json!({"active": false}));
        asking.pass(12).await;
        harness.judged(
            &format!("a stream of a token {name} that was taken back"),
            match reading.is_finished() {
                true => Ok(()),
                false => Err("it goes on".to_owned()),
            },
        );
        reading.abort();
    }
}

/// The issuer: status, media type and text of its answers.
#[derive(Clone)]
struct Desk {
    answer: Arc<Mutex<(u16, &'static str, String)>>,
    keys: String,
    asked: Arc<AtomicUsize>,
}

impl Desk {
    fn say(&self, status: u16, media_type: &'static str, text: String) {
        if let Ok(mut answer) = self.answer.lock() {
            *answer = (status, media_type, text);
        }
    }

    fn say_json(&self, answer: &Value) {
        self.say(200, JSON, answer.to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl HttpClient for Desk {
    async fn send(&self, request: &HttpRequest) -> Result<http::Response<Vec<u8>>, HttpError> {
        let (status, media_type, text) = if request.url() == KEYS {
            (200, JSON, self.keys.clone())
        } else {
            self.asked.fetch_add(1, Ordering::Relaxed);
            // Others have time to come meanwhile.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            let answer = self.answer.lock();
            answer
                .map_err(|_| HttpError::new("the desk is broken"))?
                .clone()
        };
        http::Response::builder()
            .status(status)
            .header("content-type", media_type)
            .body(text.into_bytes())
            .map_err(|_| HttpError::new("the desk is broken"))
    }
}

struct Asking {
    guard: Guard,
    desk: Desk,
}

impl Asking {
    fn new() -> Self {
        Self::with(|introspection| introspection)
    }

    fn with(change: impl FnOnce(Introspection) -> Introspection) -> Self {
        Self::of(Settings::fixed(), change)
    }

    /// With sessions, and a span of ten seconds.
    fn running() -> Self {
        let mut settings = Settings::fixed();
        settings.session = Some(SessionLayer::builder());
        Self::of(settings, |it| it.with_cache_for(10 * SECOND))
    }

    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            settle().await;
            self.guard.clock.advance(SECOND);
        }
        settle().await;
    }

    fn of(mut settings: Settings, change: impl FnOnce(Introspection) -> Introspection) -> Self {
        let desk = Desk {
            answer: Arc::default(),
            keys: settings.idp.jwks().to_string(),
            asked: Arc::default(),
        };
        let credentials = ClientCredentials::client_secret_basic(CLIENT, Secret::from("hush"));
        let introspection = Introspection::new(ISSUER, credentials)
            .with_endpoint(ENDPOINT)
            .with_http_client(desk.clone());
        settings.introspection = Some(change(introspection));
        let asking = Self {
            guard: settings.build(),
            desk,
        };
        asking.desk.say_json(&asking.good());
        asking
    }

    /// What is said of a good token.
    fn good(&self) -> Value {
        let now = self.guard.clock.now().unix_seconds();
        json!({
            "active": true, "token_type": "Bearer", "iss": ISSUER, "aud": RESOURCE,
            "sub": "alice", "client_id": "app", "scope": "notes.read",
            "iat": now - 10, "exp": now + 300,
        })
    }

    fn good_with(&self, name: &str, value: impl Into<Value>) -> Value {
        let mut answer = self.good();
        if let Some(object) = answer.as_object_mut() {
            object.insert(name.to_owned(), value.into());
        }
        answer
    }

    fn good_without(&self, name: &str) -> Value {
        let mut answer = self.good();
        if let Some(object) = answer.as_object_mut() {
            object.remove(name);
        }
        answer
    }

    fn now(&self) -> i64 {
        self.guard.clock.now().unix_seconds()
    }

    /// A good token that has not been asked about.
    async fn control(&self, harness: &mut Harness, name: &str) {
        let token = format!("opaque-{}", self.desk.asked());
        harness
            .control(name, &self.guard, self.guard.bearer(&token))
            .await;
    }

    /// A token that has not been asked about, with the answer that is set.
    async fn attack(&self, harness: &mut Harness, name: &str, expected: &Expected) {
        let token = format!("opaque-{}", self.desk.asked());
        harness
            .attack(name, &self.guard, self.guard.bearer(&token), expected)
            .await;
    }
}

async fn tokens(harness: &mut Harness) {
    let asking = Asking::with(|it| it.with_clients(["app"]));
    asking.control(harness, "a good token").await;
    let now = asking.now();
    for (name, answer, codes) in [
        (
            "one that is not active",
            asking.good_with("active", false),
            &["introspection_inactive"],
        ),
        (
            "a refresh token",
            asking.good_without("token_type"),
            &["introspection_kind"],
        ),
        (
            "one of an unknown type",
            asking.good_with("token_type", "N_A"),
            &["introspection_kind"],
        ),
        (
            "one for another use",
            asking.good_with("token_use", "refresh_token"),
            &["introspection_kind"],
        ),
        (
            "an identity token",
            asking.good_with("typ", "ID"),
            &["introspection_kind"],
        ),
        (
            "one of another issuer",
            asking.good_with("iss", "https://evil.example"),
            &["introspection_issuer"],
        ),
        (
            "one for another server",
            asking.good_with("aud", "https://other.example/"),
            &["jwt_audience"],
        ),
        (
            "one for no server",
            asking.good_without("aud"),
            &["jwt_audience"],
        ),
        (
            "one of another client",
            asking.good_with("client_id", "evil"),
            &["jwt_client"],
        ),
        (
            "one that has expired",
            asking.good_with("exp", now - 31),
            &["jwt_expired"],
        ),
        (
            "one that is not valid yet",
            asking.good_with("nbf", now + 31),
            &["jwt_not_yet_valid"],
        ),
    ] {
        asking.desk.say_json(&answer);
        asking
            .attack(harness, name, &Expected::invalid_token(codes))
            .await;
    }
    // A person whom the issuer does not say by an id: all of a client would be one.
    let mut unnamed = asking.good_without("sub");
    if let Some(object) = unnamed.as_object_mut() {
        object.insert("username".to_owned(), "alice".into());
    }
    asking.desk.say_json(&unnamed);
    let nobody = Expected::invalid_token(&["jwt_sub"]);
    asking
        .attack(harness, "one of a person without a subject", &nobody)
        .await;
    asking.desk.say_json(&asking.good());
    let expected = Expected::invalid_token(&["introspection_size"]);
    let long = "a".repeat(17 * 1024);
    harness
        .attack(
            "one of 17 KiB",
            &asking.guard,
            asking.guard.bearer(&long),
            &expected,
        )
        .await;
    asking.control(harness, "a good token afterwards").await;
}

/// Tokens that their issuer has live longer than this server likes.
async fn ages(harness: &mut Harness) {
    let asking = Asking::with(|it| it.with_max_token_age(Duration::from_secs(600)));
    let old = Expected::invalid_token(&["jwt_token_age"]);
    let now = asking.now();
    asking.desk.say_json(&asking.good_with("iat", now - 629));
    asking.control(harness, "one that is young enough").await;
    let known = format!("opaque-{}", asking.desk.asked() - 1);
    for (name, answer) in [
        ("one that is too old", asking.good_with("iat", now - 630)),
        ("one of unknown age", asking.good_without("iat")),
    ] {
        asking.desk.say_json(&answer);
        asking.attack(harness, name, &old).await;
    }
    asking.guard.clock.advance(Duration::from_secs(1));
    let request = asking.guard.bearer(&known);
    harness
        .attack("one that has grown too old", &asking.guard, request, &old)
        .await;
}

async fn answers(harness: &mut Harness) {
    let asking = Asking::new();
    let good = asking.good().to_string();
    for (name, status, media_type, text, codes) in [
        (
            "of another type",
            200,
            "text/html",
            good.clone(),
            UNREADABLE,
        ),
        ("that is none", 200, JSON, String::new(), UNREADABLE),
        ("without a word", 200, JSON, "{}".to_owned(), UNREADABLE),
        (
            "with the word as text",
            200,
            JSON,
            r#"{"active":"true"}"#.to_owned(),
            UNREADABLE,
        ),
        (
            "with the word twice",
            200,
            JSON,
            good.replacen('{', r#"{"active":false,"#, 1),
            UNREADABLE,
        ),
        (
            "with a status of failure",
            500,
            JSON,
            good.clone(),
            &["introspection_unavailable"],
        ),
        (
            "that sends elsewhere",
            302,
            JSON,
            good.clone(),
            &["introspection_unavailable"],
        ),
        (
            "to somebody who may not ask",
            401,
            JSON,
            good.clone(),
            &["introspection_credentials"],
        ),
    ] {
        asking.desk.say(status, media_type, text);
        let name = format!("an answer {name}");
        asking
            .attack(harness, &name, &Expected::status(503, codes))
            .await;
    }
    // What was a failure once is not kept for one.
    let token = "opaque-again";
    asking.desk.say(500, JSON, good);
    let expected = Expected::status(503, &["introspection_unavailable"]);
    let request = asking.guard.bearer(token);
    harness
        .attack("a failure", &asking.guard, request, &expected)
        .await;
    asking.desk.say_json(&asking.good());
    let status = asking.guard.status_of(token).await;
    let _ = asking.guard.audit.take();
    harness.judged(
        "the same token afterwards",
        match status {
            200 => Ok(()),
            status => Err(format!("a failure is kept: {status}")),
        },
    );
}

async fn signed(harness: &mut Harness) {
    let asking = Asking::with(|it| it.with_signed_answers().with_jwks_url(KEYS));
    let answer = |asking: &Asking| {
        let token = asking.guard.idp.token("nobody");
        token
            .with_audience(CLIENT)
            .with_header("typ", "token-introspection+jwt")
            .with_claim("token_introspection", asking.good())
    };
    asking.desk.say(200, SIGNED, answer(&asking).mint());
    asking.control(harness, "a signed answer").await;
    let now = asking.now();
    let change = |change: fn(Token) -> Token| change(answer(&asking)).mint();
    for (name, text) in [
        ("forged", change(Token::with_forged_signature)),
        ("not signed", change(Token::with_empty_signature)),
        ("signed with none", change(Token::with_algorithm_none)),
        (
            "that is an access token",
            answer(&asking).with_header("typ", "at+jwt").mint(),
        ),
        (
            "of another issuer",
            answer(&asking)
                .with_claim("iss", "https://evil.example")
                .mint(),
        ),
        (
            "for another client",
            answer(&asking).with_audience("another").mint(),
        ),
        (
            "of an hour ago",
            answer(&asking).with_claim("iat", now - 3600).mint(),
        ),
        (
            "of tomorrow",
            answer(&asking).with_claim("iat", now + 86_400).mint(),
        ),
        ("that is not signed at all", asking.good().to_string()),
    ] {
        asking.desk.say(200, SIGNED, text);
        let name = format!("an answer {name}");
        asking
            .attack(harness, &name, &Expected::status(503, UNSIGNED))
            .await;
    }
    for (name, text) in [
        ("a plain answer", asking.good().to_string()),
        ("a signed answer of a plain type", answer(&asking).mint()),
    ] {
        asking.desk.say(200, JSON, text);
        asking
            .attack(harness, name, &Expected::status(503, UNREADABLE))
            .await;
    }
    asking.desk.say(200, SIGNED, answer(&asking).mint());
    asking.control(harness, "a signed answer afterwards").await;
}

async fn kept(harness: &mut Harness) {
    let asking = Asking::with(|it| it.with_cache_for(Duration::from_secs(10)));
    let token = "opaque-kept";
    let request = || asking.guard.bearer(token);
    harness
        .control("a good token", &asking.guard, request())
        .await;
    asking.desk.say_json(&json!({"active": false}));
    harness
        .control("the same within its span", &asking.guard, request())
        .await;
    asking.guard.clock.advance(Duration::from_secs(10));
    let expected = Expected::invalid_token(&["introspection_inactive"]);
    harness
        .attack(
            "the same after its span",
            &asking.guard,
            request(),
            &expected,
        )
        .await;

    // An answer does not outlive what it is about, however long it may be kept.
    let asking = Asking::with(|it| it.with_cache_for(Duration::from_secs(300)));
    let answer = asking.good_with("exp", asking.now() + 5);
    asking.desk.say_json(&answer);
    let request = || asking.guard.bearer(token);
    harness
        .control("a token of five seconds", &asking.guard, request())
        .await;
    asking.guard.clock.advance(Duration::from_secs(35));
    let expected = Expected::invalid_token(&["jwt_expired"]);
    harness
        .attack(
            "the same after its end",
            &asking.guard,
            request(),
            &expected,
        )
        .await;

    // However many come with a token, the issuer is asked once.
    let asking = Asking::new();
    let calls = (0..50).map(|_| asking.guard.status_of("opaque-crowd"));
    let statuses = futures_util::future::join_all(calls).await;
    let _ = asking.guard.audit.take();
    let is_good = statuses.iter().all(|status| *status == 200);
    harness.judged(
        "one question for fifty requests",
        match (is_good, asking.desk.asked()) {
            (true, 1) => Ok(()),
            (_, asked) => Err(format!("{asked} questions, answers {statuses:?}")),
        },
    );
}
