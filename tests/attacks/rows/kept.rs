//! Whoever is out elsewhere, and comes to a server that keeps what the stores have said of him.

use std::time::Duration;

use portcullis_tests::patience::settle;

use super::elsewhere::Two;
use crate::harness::{Expected, Harness};

const SECOND: Duration = Duration::from_secs(1);
/// What takes him out.
const ENDS: [&str; 5] = ["end_sessions", "token", "client", "session", "subject"];

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:kept sessions and revocations", told).await;
    harness.row("own:a bus that is not heard", unheard).await;
    harness.row("own:answers that get old", aged).await;
    harness.row("own:kept sessions that are over", over).await;
}

fn out() -> Expected {
    Expected::invalid_token(&["credential_revoked", "session_revoked", "session_ended"])
}

/// Two servers, and he is known on the other one.
async fn known(harness: &mut Harness) -> Two {
    let two = Two::with(|mut settings| {
        settings.kept = Some(100);
        settings
    });
    for _ in 0..3 {
        let request = two.there.bearer(&two.token);
        harness.control("he is in", &two.there, request).await;
        keep_up(harness, &two).await;
    }
    two
}

/// Somebody else comes, so that the bus is asked.
async fn keep_up(harness: &mut Harness, two: &Two) {
    let request = two.there.good();
    harness.control("another one", &two.there, request).await;
    settle().await;
}

/// The bus works.
async fn told(harness: &mut Harness) {
    for how in ENDS {
        let two = known(harness).await;
        two.end(harness, how).await;
        let request = two.there.bearer(&two.token);
        harness
            .attack(
                &format!("at once, after {how}"),
                &two.there,
                request,
                &out(),
            )
            .await;
    }
    // It was away for a moment.
    for how in ENDS {
        let two = known(harness).await;
        two.signals.set_failing(true);
        two.end(harness, how).await;
        two.signals.set_failing(false);
        two.pass(1).await;
        keep_up(harness, &two).await;
        let request = two.there.bearer(&two.token);
        harness
            .attack(&format!("a gap, after {how}"), &two.there, request, &out())
            .await;
    }
}

/// The bus fails, or says nothing.
async fn unheard(harness: &mut Harness) {
    for how in ENDS {
        for is_silent in [false, true] {
            let two = known(harness).await;
            match is_silent {
                true => two.signals.set_silent(true),
                false => two.signals.set_failing(true),
            }
            two.end(harness, how).await;
            two.pass(2).await;
            keep_up(harness, &two).await;
            let request = two.there.bearer(&two.token);
            let name = format!("silent: {is_silent}, after {how}");
            harness.attack(&name, &two.there, request, &out()).await;
        }
    }
}

/// Nobody could tell, so nothing seems to be missing.
async fn aged(harness: &mut Harness) {
    for how in ENDS {
        let two = known(harness).await;
        two.signals_here.set_failing(true);
        two.end(harness, how).await;
        for _ in 0..15 {
            two.pass(1).await;
            keep_up(harness, &two).await;
        }
        let request = two.there.bearer(&two.token);
        harness
            .attack(&format!("after {how}"), &two.there, request, &out())
            .await;
    }
}

/// What ends by itself needs no signal.
async fn over(harness: &mut Harness) {
    let two = Two::with(|mut settings| {
        settings.kept = Some(100);
        let session = settings.session.take();
        settings.session = session.map(|session| session.with_idle(8 * SECOND));
        settings
    });
    for _ in 0..2 {
        let request = two.there.bearer(&two.token);
        harness.control("he is in", &two.there, request).await;
        keep_up(harness, &two).await;
    }
    for _ in 0..9 {
        two.pass(1).await;
        keep_up(harness, &two).await;
    }
    let idle = Expected::insufficient_authentication("max_age=\"8\"", &["session_idle"]);
    let request = two.there.bearer(&two.token);
    harness
        .attack("an idle one", &two.there, request, &idle)
        .await;
}
