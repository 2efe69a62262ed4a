//! Nothing that is printed or logged holds a part of a token. In a binary of its own, because
//! the log of a process is one.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of a test may panic like the test"
)]

mod support;

use std::{
    io,
    sync::{Arc, Mutex},
};

use portcullis_core::Clock as _;
use portcullis_jwt::{HttpClient, HttpError, HttpRequest, Issuer, Jwt};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use support::{
    AUDIENCE, ISSUER, NOW, answer,
    idp::{KEYS_URL, World, fixed},
    signer::{Signer, jwks},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn neither_logs_nor_debug_output_hold_a_token() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let signer = Signer::es256("a");
    let world = World::new([&signer]);
    let mut printed = String::new();
    let tokens = [
        signer.token_with(json!({"exp": NOW + 10_000})),
        signer.token_with(json!({"exp": NOW - 100, "sub": "canary-subject"})),
        signer.token_with(json!({"aud": "elsewhere", "sub": "canary-subject"})),
        signer
            .renamed("canary-kid")
            .token_with(json!({"sub": "canary-subject"})),
    ];
    for token in &tokens {
        let answered = world.answer(token).await;
        let explained = world.auth.explain(token).await;
        printed += &format!("{answered:?} {explained:?} {explained}");
    }
    world.network.fail(KEYS_URL);
    world.clock.advance(std::time::Duration::from_hours(2));
    printed += &format!("{:?}", world.answer(&tokens[0]).await);
    let issuer = Issuer::new(ISSUER).with_static_keys(jwks([&signer]));
    let jwt = Jwt::new(issuer.clone()).with_audience(AUDIENCE);
    printed += &format!(
        "{:?} {issuer:?} {jwt:?} {:?}",
        world.auth,
        world.auth.stats()
    );
    printed += &format!("{:?}", fixed([&signer]));

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("cannot be retrieved"), "{logged}");
    for text in [&printed, &logged] {
        assert!(!text.contains("canary-subject"), "{text}");
        for token in &tokens {
            for segment in token.split('.').skip(1) {
                assert!(!text.contains(&segment[..12]), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_learns_nothing_of_the_token() {
    struct Spy(Arc<Mutex<Vec<String>>>);
    impl HttpClient for Spy {
        async fn send(&self, request: &HttpRequest) -> Result<http::Response<Vec<u8>>, HttpError> {
            self.0.lock().unwrap().push(format!("{request:?}"));
            Err(HttpError::new("offline"))
        }
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let clock = support::clock::ManualClock::new();
    let auth = Jwt::new(Issuer::new(ISSUER).with_jwks_url(KEYS_URL))
        .with_audience(AUDIENCE)
        .with_http_client(Spy(Arc::clone(&seen)))
        .build(&support::idp::site(&clock))
        .unwrap();
    answer(&auth, &Signer::eddsa("canary").token(), clock.now()).await;
    let seen = seen.lock().unwrap().join(" ");
    assert!(
        seen.contains(KEYS_URL) && !seen.contains("canary"),
        "{seen}"
    );
}
