//! What can be learned without being let in: T01–T03, T05, T06.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::Full;
use portcullis::{
    Clock as _,
    jwt::Dpop,
    revocation::{MemoryReplays, Revocation},
    step_up::{Requirement, StepUpLayer},
};
use portcullis_testing::dpop::ProofKey;
use portcullis_tests::fixtures::{ABSOLUTE, IDLE, short_sessions};

use crate::{
    guard::{Guard, ISSUER, Settings, finish},
    harness::Harness,
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("T01", look_ups).await;
    harness.row("T02", ended_sessions).await;
    harness.row("T03", strangers).await;
    harness.row("T05", nonces).await;
    harness.row("T06", private_keys).await;
}

/// An unknown key, a wrong secret and an expired key are answered alike, but for the id.
async fn look_ups(harness: &mut Harness) {
    let guard = Guard::fixed();
    let stranger = Guard::fixed();
    let (_, unknown) = stranger.issue(Duration::from_secs(3600));
    let (id, wrong) = guard.issue(Duration::from_secs(7200));
    let _ = guard
        .keys
        .rotate(&id, Duration::ZERO, portcullis::Clock::now(&guard.clock));
    let (_, expired) = guard.issue(Duration::from_secs(60));
    guard.clock.advance(Duration::from_secs(60));
    let mut answers = Vec::new();
    for key in [unknown, wrong, expired] {
        answers.push(answer(&guard, guard.bearer(&key)).await);
    }
    alike(harness, "bad keys are answered alike", 401, &answers);
}

/// How far a nonce is right shows in nothing that is answered; in its time it is measured
/// (`timing.nonce_first_or_last`).
async fn nonces(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    let dpop = Dpop::new(MemoryReplays::default()).with_nonces(Duration::from_secs(300));
    settings.dpop = Some(dpop);
    let guard = settings.build();
    let key = ProofKey::new(guard.clock.clone());
    let token = guard.token().with_claim("cnf", key.confirmation()).mint();
    let request = |nonce: Option<&str>| {
        let proof = key.proof("GET", "https://agent.example/notes", &token);
        let proof = match nonce {
            Some(nonce) => proof.with_claim("nonce", nonce),
            None => proof,
        };
        let request = guard.request("/notes");
        let request = request.header("authorization", format!("DPoP {token}"));
        finish(request.header("dpop", proof.mint()))
    };
    let told = guard.send(request(None)).await;
    let _ = guard.audit.take();
    let nonce = told.headers().get("dpop-nonce");
    let nonce = nonce
        .and_then(|nonce| nonce.to_str().ok())
        .unwrap_or_default();
    harness
        .control("the nonce itself", &guard, request(Some(nonce)))
        .await;
    let mut answers = Vec::new();
    for at in [0, nonce.len().saturating_sub(2)] {
        let spoiled = nonce.char_indices().map(|(place, char)| match char {
            'A' if place == at => 'B',
            _ if place == at => 'A',
            char => char,
        });
        let spoiled: String = spoiled.collect();
        answers.push(answer(&guard, request(Some(&spoiled))).await);
    }
    alike(harness, "wrong nonces are answered alike", 401, &answers);
}

/// Whether a session was ended or revoked is the owner's to know, and a thief's to guess. One that
/// was idle or too old differs in what the client has to ask for to come back, and in no more.
async fn ended_sessions(harness: &mut Harness) {
    let mut answers = Vec::new();
    for how in ["ended", "revoked", "its client revoked", "idle", "absolute"] {
        let mut settings = Settings::fixed();
        settings.session = Some(short_sessions());
        let guard = settings.build();
        let now = guard.clock.now().unix_seconds();
        let token = guard.token().with_claim("auth_time", now);
        let token = token.with_lifetime(Duration::from_secs(7200)).mint();
        harness.control(how, &guard, guard.bearer(&token)).await;
        let revoked = match how {
            "revoked" => Some(Revocation::subject(ISSUER, "alice")),
            "its client revoked" => Some(Revocation::client(ISSUER, "test-client")),
            _ => None,
        };
        match revoked {
            Some(revocation) => drop(guard.handle.revoke(revocation).await),
            None if how == "idle" => guard.clock.advance(IDLE),
            None if how == "absolute" => guard.clock.advance(ABSOLUTE),
            None => drop(guard.handle.end_sessions(ISSUER, "alice").await),
        }
        answers.push(answer(&guard, guard.bearer(&token)).await);
    }
    let ended = answers.get(..3).unwrap_or_default();
    alike(harness, "an end by somebody is answered alike", 401, ended);
    for (_, headers, _) in &mut answers {
        headers.remove(header::WWW_AUTHENTICATE);
    }
    let name = "every end has the same status and body";
    alike(harness, name, 401, &answers);
}

/// Whether somebody has been here before does not show in what is asked of him.
async fn strangers(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    settings.session = Some(short_sessions());
    let strong = Requirement::new()
        .add_acr("phr")
        .with_scopes("payments.write");
    settings.step_up = Some(StepUpLayer::builder().add_route_requirement("/vault", strong));
    let guard = settings.build();
    let token = |name: &str| {
        let now = guard.clock.now().unix_seconds();
        let token = guard.idp.token(name).with_audience(crate::guard::RESOURCE);
        token.with_claim("auth_time", now).mint()
    };
    let known = token("alice");
    harness
        .control("alice has been here", &guard, guard.bearer(&known))
        .await;
    let mut answers = Vec::new();
    for token in [known, token("nobody"), token("alice2"), token("root")] {
        answers.push(answer(&guard, guard.bearer_at("/vault", &token)).await);
    }
    alike(
        harness,
        "who is known and who is not are asked for the same",
        401,
        &answers,
    );
}

pub(super) type Answer = (StatusCode, HeaderMap, String);

/// An answer, without the id of the record: the one thing that may differ.
pub(super) async fn answer(guard: &Guard, request: Request<Full<Bytes>>) -> Answer {
    let response = guard.send(request).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = crate::guard::text(response).await;
    let body = body.split("urn:uuid:").next().unwrap_or_default();
    (status, headers, body.to_owned())
}

pub(super) fn alike(harness: &mut Harness, name: &str, status: u16, answers: &[Answer]) {
    let is_alike = answers
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a == b));
    let is_refused = answers.iter().all(|(own, ..)| *own == status);
    harness.judged(
        name,
        if is_alike && is_refused {
            Ok(())
        } else {
            Err(format!("{answers:?}"))
        },
    );
}

/// RUSTSEC-2023-0071 is about private keys, of which there are none here.
async fn private_keys(harness: &mut Harness) {
    let stated = include_str!("../../../SECURITY.md").contains("RUSTSEC-2023-0071");
    harness.judged(
        "the advisory is stated",
        if stated {
            Ok(())
        } else {
            Err("SECURITY.md does not name it".to_owned())
        },
    );
}
