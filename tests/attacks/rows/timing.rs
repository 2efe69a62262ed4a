//! What can be learned without being let in: T01–T06.

use std::time::Duration;

use crate::{guard::Guard, harness::Harness};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("T01", look_ups).await;
    harness.not_yet("T02", "nothing is found by a session's id yet");
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
    let _ = guard
        .keys
        .rotate(&id, Duration::ZERO, portcullis::Clock::now(&guard.clock));
    let (_, expired) = guard.issue(Duration::from_secs(60));
    guard.clock.advance(Duration::from_secs(60));
    let mut answers = Vec::new();
    for key in [unknown, wrong, expired] {
        let response = guard.send(guard.bearer(&key)).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = crate::guard::text(response).await;
        // The id of the record is the one thing that differs.
        let body = body
            .split("urn:uuid:")
            .next()
            .unwrap_or_default()
            .to_owned();
        answers.push((status, headers, body));
    }
    let is_alike = answers
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a == b));
    let is_refused = answers.iter().all(|(status, ..)| *status == 401);
    harness.judged(
        "bad keys are answered alike",
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
