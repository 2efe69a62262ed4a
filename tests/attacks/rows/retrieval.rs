//! Where keys come from, and what happens when they do not: J22–J24.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use portcullis::jwt::{HttpClient, HttpError, HttpRequest, Issuer, Jwt};
use portcullis_testing::{
    http_probe::ConnectionTrap,
    identity_provider::{Endpoint, IdentityProvider, Misbehaviour, SigningAlgorithm},
};
use serde_json::json;

use crate::{
    guard::{Guard, ISSUER, Settings},
    harness::{Expected, Harness},
};

const DOWN: &[&str] = &["jwt_keys_unavailable"];

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("J22", rotation).await;
    harness.row("J23", flood).await;
    harness.row("J24", misbehaviour).await;
    harness.row("own:issuer address", addresses).await;
}

async fn rotation(harness: &mut Harness) {
    let guard = Settings::served().await.build();
    let old = guard.token();
    harness
        .control("before", &guard, guard.bearer(&old.mint()))
        .await;
    let (seen, old_kid) = (old.mint(), guard.idp.key_id(SigningAlgorithm::Es256));
    harness
        .control("seen before", &guard, guard.bearer(&seen))
        .await;

    // Past the cool-down, the new key works at its first use, and so does the old one.
    guard.clock.advance(Duration::from_secs(31));
    guard.idp.rotate(SigningAlgorithm::Es256);
    let before = guard.idp.jwks_requests();
    for _ in 0..5 {
        harness
            .control("the new key", &guard, guard.bearer(&guard.token().mint()))
            .await;
        harness
            .control("the old key", &guard, guard.bearer(&seen))
            .await;
    }
    let retrievals = guard.idp.jwks_requests() - before;
    harness.judged(
        "one retrieval for a new key",
        if retrievals == 1 {
            Ok(())
        } else {
            Err(format!("{retrievals} retrievals"))
        },
    );

    // A withdrawn key is good for nothing after the keys have been refreshed (five minutes by
    // the provider's word), also for a token that has been seen.
    let stolen = guard.token().with_key(&old_kid);
    guard.idp.withdraw(&old_kid);
    guard.clock.advance(Duration::from_secs(330));
    // Keys that are due are refreshed beside the request that finds them so.
    let _ = guard.status_of(&guard.token().mint()).await;
    settle(&guard).await;
    let expected = Expected::invalid_token(&["jwt_kid_unknown"]);
    let token = stolen
        .with_issued_at(portcullis::Clock::now(&guard.clock))
        .mint();
    harness
        .attack("a withdrawn key", &guard, guard.bearer(&token), &expected)
        .await;
}

/// Lets tasks that were started beside a request come to an end.
async fn settle(guard: &Guard) {
    for _ in 0..200 {
        let _ = guard.send(guard.good()).await;
        tokio::task::yield_now().await;
    }
    let patience = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await;
    // A round trip through the reactor, for sockets that are ready to be read.
    if let Ok(listener) = patience
        && let Ok(address) = listener.local_addr()
    {
        for _ in 0..20 {
            let (_one, _other) =
                tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        }
    }
}

async fn flood(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    let retrieved = Arc::new(AtomicUsize::new(0));
    let keys = Keys {
        document: settings.idp.jwks().to_string(),
        retrieved: Arc::clone(&retrieved),
    };
    let issuer = Issuer::new(ISSUER).with_jwks_url("https://idp.example/keys");
    settings.jwt = Jwt::new(issuer).with_http_client(keys);
    let guard = settings.build();
    let good = guard.token().mint();
    harness
        .control("a good token", &guard, guard.bearer(&good))
        .await;
    guard.clock.advance(Duration::from_secs(31));
    let before = retrieved.load(Ordering::Relaxed);
    // Nothing here gets as far as a signature, so one signature serves all.
    let template = guard.token().with_header("kid", "unknown").mint();
    // With a check switched off the rows are played for each check again.
    let is_sabotaged = std::env::var_os("PORTCULLIS_SABOTAGE").is_some();
    let count = if is_sabotaged { 1000 } else { 100_000 };
    for n in 0..count {
        let _ = guard.status_of(&template_with(&template, n)).await;
    }
    let _ = guard.audit.take();
    let retrievals = retrieved.load(Ordering::Relaxed) - before;
    harness.judged(
        "100 000 unknown kids",
        if retrievals == 1 {
            Ok(())
        } else {
            Err(format!("{retrievals} retrievals"))
        },
    );
    let expected = Expected::invalid_token(&["jwt_kid_unknown"]);
    let token = guard.token().with_header("kid", "one more").mint();
    harness
        .attack("one more", &guard, guard.bearer(&token), &expected)
        .await;
    harness
        .control("a good token afterwards", &guard, guard.bearer(&good))
        .await;
}

/// Keys that come without a network, however busy the machine is, and are counted.
struct Keys {
    document: String,
    retrieved: Arc<AtomicUsize>,
}

impl HttpClient for Keys {
    async fn send(&self, _: &HttpRequest) -> Result<http::Response<Vec<u8>>, HttpError> {
        self.retrieved.fetch_add(1, Ordering::Relaxed);
        Ok(http::Response::new(self.document.clone().into_bytes()))
    }
}

async fn misbehaviour(harness: &mut Harness) {
    let elsewhere = IdentityProvider::new()
        .with_algorithms([SigningAlgorithm::Es256])
        .serve()
        .await;
    let trap = ConnectionTrap::set().await;
    for (name, misbehaviour) in [
        ("status 500", Misbehaviour::Status(500)),
        ("status 204", Misbehaviour::Status(204)),
        ("html", Misbehaviour::Html),
        ("an empty set", Misbehaviour::EmptySet),
        ("100 MiB", Misbehaviour::HugeBody),
        ("a gzip bomb", Misbehaviour::GzipBomb),
        ("a body that is cut short", Misbehaviour::CutShort),
        (
            "a redirect to another set",
            Misbehaviour::RedirectTo(elsewhere.jwks_uri()),
        ),
        (
            "a redirect inwards",
            Misbehaviour::RedirectTo(trap.origin()),
        ),
    ] {
        let guard = Settings::served().await.build();
        guard.idp.misbehave(Endpoint::Jwks, misbehaviour);
        let expected = Expected::status(503, DOWN);
        harness
            .attack(name, &guard, guard.bearer(&guard.token().mint()), &expected)
            .await;
    }
    let connections = trap.connections().await;
    harness.judged(
        "no redirect is followed",
        if connections == 0 {
            Ok(())
        } else {
            Err(format!("{connections} connections"))
        },
    );

    // The true set, but further away than one request.
    let guard = Settings::served().await.build();
    let mirror = guard.idp.clone();
    let place = IdentityProvider::new()
        .with_algorithms([SigningAlgorithm::Es256])
        .serve()
        .await;
    place.misbehave(
        Endpoint::Jwks,
        Misbehaviour::Body(mirror.jwks().to_string()),
    );
    guard
        .idp
        .misbehave(Endpoint::Jwks, Misbehaviour::RedirectTo(place.jwks_uri()));
    let expected = Expected::status(503, DOWN);
    harness
        .attack(
            "a redirect to the true set",
            &guard,
            guard.bearer(&guard.token().mint()),
            &expected,
        )
        .await;

    // The true set, but longer than any.
    let guard = Settings::served().await.build();
    let mut set = guard.idp.jwks();
    if let Some(object) = set.as_object_mut() {
        object.insert("padding".to_owned(), json!("x".repeat(300 << 10)));
    }
    guard
        .idp
        .misbehave(Endpoint::Jwks, Misbehaviour::Body(set.to_string()));
    harness
        .attack(
            "300 KiB with the true keys",
            &guard,
            guard.bearer(&guard.token().mint()),
            &expected,
        )
        .await;

    let guard = Settings::served().await.build();
    guard.idp.misbehave(
        Endpoint::Discovery,
        Misbehaviour::WrongIssuer("https://evil.example".to_owned()),
    );
    harness
        .attack(
            "metadata of another issuer",
            &guard,
            guard.bearer(&guard.token().mint()),
            &expected,
        )
        .await;

    // The last good keys serve for a while, and not for ever.
    let guard = Settings::served().await.build();
    harness
        .control("fresh keys", &guard, guard.bearer(&guard.token().mint()))
        .await;
    guard
        .idp
        .misbehave(Endpoint::Jwks, Misbehaviour::Status(500));
    guard.clock.advance(Duration::from_secs(600));
    harness
        .control("stale keys", &guard, guard.bearer(&guard.token().mint()))
        .await;
    guard.clock.advance(Duration::from_secs(86_400));
    harness
        .attack(
            "spent keys",
            &guard,
            guard.bearer(&guard.token().mint()),
            &expected,
        )
        .await;
    guard.idp.behave(Endpoint::Jwks);
    guard.clock.advance(Duration::from_secs(3600));
    harness
        .control("keys again", &guard, guard.bearer(&guard.token().mint()))
        .await;

    // Silence is bounded by the gate's clock.
    for (name, misbehaviour) in [
        ("silence", Misbehaviour::NeverAnswers),
        ("a slow drip", Misbehaviour::SlowDrip),
    ] {
        let guard = Settings::served().await.build();
        guard.idp.misbehave(Endpoint::Jwks, misbehaviour);
        let token = guard.token().mint();
        let clock = guard.clock.clone();
        let time_passes = async move {
            loop {
                clock.wait_for_timers(1).await;
                clock.advance(Duration::from_secs(1));
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
            }
        };
        let status = tokio::select! {
            status = guard.status_of(&token) => status,
            () = time_passes => 0,
        };
        harness.judged(
            name,
            if status == 503 {
                Ok(())
            } else {
                Err(format!("status {status}"))
            },
        );
    }
}

/// An issuer that nobody has allowed to be in the own network.
async fn addresses(harness: &mut Harness) {
    let guard = Settings::served().await.build();
    harness
        .control("allowed", &guard, guard.bearer(&guard.token().mint()))
        .await;
    let token = guard.token().mint();
    let jwt = Jwt::new(Issuer::new(guard.idp.issuer()));
    let site =
        portcullis::Site::new(Arc::new(guard.clock.clone())).with_resource(crate::guard::RESOURCE);
    let outcome = match jwt.build(&site) {
        Err(problems) if problems.to_string().contains("https") => Ok(()),
        Err(problems) => Err(format!("is refused for another reason: {problems}")),
        Ok(authenticator) => match authenticator.explain(&token).await.is_accepted() {
            true => Err("its keys are taken".to_owned()),
            false => Ok(()),
        },
    };
    harness.judged("an issuer on loopback", outcome);
}

/// The unknown key ids, cheaply: the text of a token with another header each.
fn template_with(token: &str, n: u32) -> String {
    use base64::Engine as _;
    let header = format!(r#"{{"typ":"at+jwt","alg":"ES256","kid":"unknown-{n}"}}"#);
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
    match token.split_once('.') {
        Some((_, rest)) => format!("{header}.{rest}"),
        None => header,
    }
}
