//! What streams: what is said at its end, and how many there may be.

use http_body_util::BodyExt as _;
use portcullis_tests::{
    fixtures::short_sessions,
    patience::settle,
    streams::{TICK, streaming},
};
use tower::{Layer as _, ServiceExt as _};

use crate::{
    guard::{Guard, ISSUER, Settings},
    harness::Harness,
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:goodbyes", goodbyes).await;
}

fn guard() -> Guard {
    let mut settings = Settings::fixed();
    settings.session = Some(short_sessions());
    settings.build()
}

/// A client takes what stands before the goodbye for a whole event, if the gate writes it there.
async fn goodbyes(harness: &mut Harness) {
    for (name, text, is_said) in [
        ("between two events", TICK, true),
        ("in the middle of an event", "data: {\"transfer\":", false),
    ] {
        let guard = guard();
        let token = guard.token().mint();
        let service = guard
            .gate
            .layer(streaming(&guard.clock, "text/event-stream", text));
        let Ok(response) = service.oneshot(guard.bearer(&token)).await;
        let mut body = response.into_body();
        let _ = body.frame().await;
        settle().await;
        let _ = guard.handle.end_sessions(ISSUER, "alice").await;
        let last = match body.frame().await {
            Some(Ok(frame)) => frame.into_data().ok(),
            _ => None,
        };
        harness.judged(
            &format!("a goodbye {name}"),
            match last {
                last if last.is_some() == is_said => Ok(()),
                last => Err(format!("the last is {last:?}")),
            },
        );
    }
}
