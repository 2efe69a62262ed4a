//! Whole answers of the gate to credentials that are no longer good, or never were.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use axum::body::Body;
use futures_util::FutureExt as _;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use portcullis::{
    Clock as _, GateHandle, Secret, Stack,
    api_keys::ApiKeys,
    jwt::{Issuer, Jwt},
    perimeter::{PerimeterBuilder, PerimeterLayer},
    revocation::Revocation,
    session::SessionLayer,
    stack::GuardedRouter,
};
use portcullis_testing::{
    clock::VirtualClock,
    identity_provider::{IdentityProvider, SigningAlgorithm, Token},
};

use super::{POOL, Pair, api_keys::Keys, forgetful::Forgetful, pick};
use crate::{
    RESOURCE,
    requests::{bearer, request_from_peer},
    services::{answer, router},
};

/// Longer than a session may be idle, and shorter than a token is good.
const AFTER: Duration = Duration::from_hours(2);

/// A budget of refusals that is charged and never spent.
pub(super) fn generous() -> PerimeterBuilder {
    PerimeterLayer::builder().with_refusal_budget(1_000_000_000, Duration::from_hours(1))
}

pub(super) fn pairs() -> Vec<Pair> {
    let server = Rc::new(RefCell::new(Server::new()));
    let bad = server.borrow_mut().credentials();
    let pair = |name: &str, [one, other]: [&Vec<String>; 2]| {
        let server = Rc::clone(&server);
        let (one, other) = (one.clone(), other.clone());
        Pair::new(
            name,
            move |kind, n| from(pick::<String>(kind.of([&one, &other]), n)),
            move |request| answer(&mut server.borrow_mut().guarded, request),
        )
    };
    vec![
        revoked_or_unknown(),
        pair("refused_session_ended_or_idle", [&bad.ended, &bad.idle]),
        pair(
            "refused_session_ended_or_forgotten",
            [&bad.ended, &bad.forgotten],
        ),
        pair(
            "refused_session_ended_or_revoked",
            [&bad.ended, &bad.revoked],
        ),
        pair(
            "refused_token_revoked_or_forged",
            [&bad.revoked, &bad.forged],
        ),
    ]
}

/// API keys of two servers that each have revoked half of them.
fn revoked_or_unknown() -> Pair {
    let keys = [Keys::new(), Keys::new()];
    let mut servers = [0, 1].map(|n| {
        let stack = Stack::builder()
            .with_resource(RESOURCE)
            .with_perimeter(generous())
            .with_session(SessionLayer::builder())
            .add_authenticator(ApiKeys::new(pick(&keys, n).ring.clone()));
        let (gate, _) = stack.build().expect("the settings work");
        gate.guard(router())
    });
    let [ours, theirs] = keys.map(|keys| keys.revoked());
    let keys: Vec<_> = ours
        .into_iter()
        .zip(theirs)
        .flat_map(<[_; 2]>::from)
        .collect();
    for key in &keys {
        for server in &mut servers {
            assert_eq!(answer(server, from(key)).status(), StatusCode::UNAUTHORIZED);
        }
    }
    Pair::new(
        "refused_api_key_revoked_or_unknown",
        move |kind, n| {
            let asked = pick(&servers, kind.of([n, n ^ 1])).clone();
            (asked, from(pick::<String>(&keys, n)))
        },
        |(mut asked, request)| (answer(&mut asked, request), asked),
    )
}

/// Credentials that are refused, by why.
struct Bad {
    keys: Vec<String>,
    ended: Vec<String>,
    idle: Vec<String>,
    forgotten: Vec<String>,
    revoked: Vec<String>,
    forged: Vec<String>,
}

struct Server {
    guarded: GuardedRouter,
    handle: GateHandle,
    issuer: IdentityProvider,
    keys: Keys,
    sessions: Arc<Forgetful>,
    clock: VirtualClock,
}

impl Server {
    fn new() -> Self {
        let clock = VirtualClock::new();
        let issuer = IdentityProvider::new().with_clock(clock.clone());
        let jwks = issuer.jwks().to_string();
        let sessions = Arc::new(Forgetful::default());
        let keys = Keys::new();
        let stack = Stack::builder()
            .with_resource(RESOURCE)
            .with_clock(clock.clone())
            .with_perimeter(generous())
            .with_session(
                SessionLayer::builder()
                    .with_store(Arc::clone(&sessions))
                    .with_key(Secret::new([7; 16])),
            )
            .add_authenticator(Jwt::new(
                Issuer::new(issuer.issuer()).with_static_keys(jwks),
            ))
            .add_authenticator(ApiKeys::new(keys.ring.clone()));
        let (gate, handle) = stack.build().expect("the settings work");
        Self {
            guarded: gate.guard(router()),
            handle,
            issuer,
            keys,
            sessions,
            clock,
        }
    }

    /// Makes credentials, has most of them let in, and then has them refused.
    fn credentials(&mut self) -> Bad {
        let [ended, idle, forgotten, revoked, forged] =
            [0, 1, 2, 3, 4].map(|kind| (0..POOL).map(|n| subject(kind, n)).collect::<Vec<_>>());
        let tokens = |subjects: &[String]| -> Vec<String> {
            let tokens = subjects.iter().map(|subject| self.token(subject).mint());
            tokens.collect()
        };
        let forged = forged.iter().map(|subject| {
            let token = self.token(subject).with_flipped_signature();
            token.mint()
        });
        let bad = Bad {
            keys: self.keys.revoked(),
            ended: tokens(&ended),
            idle: tokens(&idle),
            forgotten: tokens(&forgotten),
            revoked: tokens(&revoked),
            forged: forged.collect(),
        };
        for token in [&bad.ended, &bad.idle, &bad.revoked].into_iter().flatten() {
            assert_eq!(self.status(token), StatusCode::OK);
        }
        let issuer = self.issuer.issuer();
        for subject in &ended {
            let ended = self.handle.end_sessions(issuer, subject).now_or_never();
            let ended = ended.expect("memory does not wait");
            assert_eq!(ended.expect("memory does not fail"), 1);
        }
        for subject in &revoked {
            let revocation = Revocation::subject(issuer, subject.as_str());
            let revoked = self.handle.revoke(revocation).now_or_never();
            let revoked = revoked.expect("memory does not wait");
            revoked.expect("memory does not fail");
        }
        self.clock.advance(AFTER);
        self.sessions.forgotten.get_or_init(|| self.clock.now());
        self.assert_refused(&bad);
        bad
    }

    fn token(&self, subject: &str) -> Token {
        self.issuer
            .token(subject)
            .with_audience(RESOURCE)
            .with_algorithm(SigningAlgorithm::Rs256)
            .with_lifetime(2 * AFTER)
            .with_claim("auth_time", self.clock.now().unix_seconds())
    }

    fn status(&mut self, credential: &str) -> StatusCode {
        answer(&mut self.guarded, from(credential)).status()
    }

    /// All are refused, and but for those whose user is told how to come in again, nobody can
    /// tell by the answer why.
    fn assert_refused(&mut self, bad: &Bad) {
        let alike = [
            &bad.keys,
            &bad.ended,
            &bad.forgotten,
            &bad.revoked,
            &bad.forged,
        ];
        let mut answers: Vec<_> = alike
            .into_iter()
            .flatten()
            .map(|credential| self.answer(credential))
            .collect();
        answers.dedup();
        assert_eq!(answers.len(), 1, "answers differ: {answers:?}");
        for token in &bad.idle {
            assert_eq!(self.status(token), StatusCode::UNAUTHORIZED);
        }
    }

    /// All of an answer but for the id of its record.
    fn answer(&mut self, credential: &str) -> String {
        let (head, body) = answer(&mut self.guarded, from(credential)).into_parts();
        assert_eq!(head.status, StatusCode::UNAUTHORIZED);
        let body = body.collect().now_or_never().expect("nothing waits");
        let body = body.expect("the body is whole").to_bytes();
        let body = String::from_utf8_lossy(&body);
        let (before, _) = body.split_once("urn:uuid:").expect("it names a record");
        format!("{:?} {before}", head.headers)
    }
}

fn subject(kind: usize, n: usize) -> String {
    format!("6f1d3c52-8f0b-4c5e-{kind:04x}-{n:012x}")
}

fn from(credential: &str) -> Request<Body> {
    request_from_peer(&bearer(credential))
}
