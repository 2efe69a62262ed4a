//! What can be learned without being let in: T01–T06.

use std::time::Duration;

use portcullis::{Clock as _, revocation::Revocation};
use portcullis_tests::fixtures::short_sessions;

use crate::{
    guard::{Guard, ISSUER, RESOURCE, Settings, text},
    harness::Harness,
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("T01", look_ups).await;
    harness.row("T02", sessions).await;
    harness.not_yet("T03", "there is no registration yet");
    harness.not_yet("T04", "device-bound sessions do not exist yet");
    harness.not_yet("T05", "challenges with a MAC do not exist yet");
    harness.row("T06", private_keys).await;
}

/// An unknown key, a wrong secret and an expired key are answered alike, but for the id.
async fn look_ups(harness: &mut Harness) {
    let guard = Guard::fixed();
    let stranger = Guard::fixed();
    let (_, unknown) = stranger.issue(Duration::from_secs(3600));
    let (id, wrong) = guard.issue(Duration::from_secs(7200));
    let _ = guard.keys.rotate(&id, Duration::ZERO, guard.clock.now());
    let (_, expired) = guard.issue(Duration::from_secs(60));
    guard.clock.advance(Duration::from_secs(60));
    let alike = are_alike(&guard, [unknown, wrong, expired]).await;
    harness.judged("bad keys are answered alike", alike);
}

/// Whether a session was ended or revoked, whether a token is over or nobody has signed it: the
/// answer is the same. How long it takes is measured by the benches.
async fn sessions(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    settings.session = Some(short_sessions());
    let guard = settings.build();
    let token = |subject: &str| {
        let token = guard.idp.token(subject).with_audience(RESOURCE);
        token.with_claim("auth_time", guard.clock.now().unix_seconds())
    };
    let [ended, revoked] = ["alice", "bob"].map(|subject| token(subject).mint());
    for token in [&ended, &revoked] {
        harness.control(token, &guard, guard.bearer(token)).await;
    }
    let all = [
        guard.handle.end_sessions(ISSUER, "alice").await.is_ok(),
        guard
            .handle
            .revoke(Revocation::subject(ISSUER, "bob"))
            .await
            .is_ok(),
    ];
    if all != [true; 2] {
        harness.fail("ended and revoked", "cannot be");
    }
    let expired = token("carol").with_age(Duration::from_hours(1)).mint();
    let forged = token("dave").with_forged_signature().mint();
    let alike = are_alike(&guard, [ended, revoked, expired, forged]).await;
    harness.judged("what is over is answered alike", alike);
}

/// Whether credentials are all refused, and nobody can tell by the answer why.
async fn are_alike<const N: usize>(guard: &Guard, credentials: [String; N]) -> Result<(), String> {
    let mut answers = Vec::new();
    for credential in credentials {
        let response = guard.send(guard.bearer(&credential)).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = text(response).await;
        // The id of the record is the one thing that differs.
        let body = body.split("urn:uuid:").next().unwrap_or_default();
        answers.push((status, headers, body.to_owned()));
    }
    let is_alike = answers
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a == b));
    let is_refused = answers.iter().all(|(status, ..)| *status == 401);
    match is_alike && is_refused {
        true => Ok(()),
        false => Err(format!("{answers:?}")),
    }
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
