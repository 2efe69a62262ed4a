//! What streams: what is said at its end, and how many there may be.

use std::time::Duration;

use futures_util::{FutureExt as _, future::join_all};
use http::Response;
use http_body_util::BodyExt as _;
use portcullis::{
    Clock as _, ResponseBody,
    session::{AtExpiry, SessionBuilder},
};
use portcullis_tests::{
    fixtures::short_sessions,
    patience::settle,
    streams::{TICK, Ticks, streaming},
};
use tower::{Layer as _, ServiceExt as _};

use crate::{
    guard::{Guard, ISSUER, Settings},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:goodbyes", goodbyes).await;
    harness.row("own:grace", grace).await;
    harness.row("own:reauthentication", reauthentication).await;
    harness.row("R12", expiry).await;
    harness.row("X06", hoarding).await;
}

const SECOND: Duration = Duration::from_secs(1);

fn guard(session: SessionBuilder) -> Guard {
    let mut settings = Settings::fixed();
    settings.session = Some(session);
    settings.build()
}

/// Somebody who reads a stream.
async fn open(guard: &Guard, token: &str, text: &'static str) -> Response<ResponseBody<Ticks>> {
    let service = guard
        .gate
        .layer(streaming(&guard.clock, "text/event-stream", text));
    let Ok(response) = service.oneshot(guard.bearer(token)).await;
    response
}

/// Reads for so many seconds, and says how many ticks there were until the end, if it came.
async fn ticks(guard: &Guard, body: &mut ResponseBody<Ticks>, seconds: u64) -> Result<u64, u64> {
    let mut ticks = 0;
    for _ in 0..seconds {
        guard.clock.advance(SECOND);
        settle().await;
        while let Some(frame) = body.frame().now_or_never() {
            match frame {
                Some(Ok(frame)) if frame.data_ref().is_some_and(|data| data == TICK) => ticks += 1,
                _ => return Ok(ticks),
            }
        }
    }
    Err(ticks)
}

fn ends_within(most: u64, read: Result<u64, u64>) -> Result<(), String> {
    match read {
        Ok(ticks) if ticks <= most => Ok(()),
        Ok(ticks) => Err(format!("ended after {ticks} ticks")),
        Err(ticks) => Err(format!("went on after {ticks} ticks")),
    }
}

/// A client takes what stands before the goodbye for a whole event, if the gate writes it there.
async fn goodbyes(harness: &mut Harness) {
    for (name, text, is_said) in [
        ("between two events", TICK, true),
        ("in the middle of an event", "data: {\"transfer\":", false),
    ] {
        let guard = guard(short_sessions());
        let token = guard.token().mint();
        let mut body = open(&guard, &token, text).await.into_body();
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

/// What may finish when its time is up may not when it was revoked.
async fn grace(harness: &mut Harness) {
    let guard = guard(short_sessions().with_grace(30 * SECOND));
    let lifetime = 2 * 3600 * SECOND;
    let token = guard.token().with_lifetime(lifetime).mint();
    let mut body = open(&guard, &token, TICK).await.into_body();
    let _ = ticks(&guard, &mut body, 3).await;
    let _ = guard.handle.end_sessions(ISSUER, "alice").await;
    let read = ticks(&guard, &mut body, 40).await;
    harness.judged("a stream that was revoked", ends_within(2, read));
}

/// A login stays one for so long, however active its session is and however fresh its token.
async fn reauthentication(harness: &mut Harness) {
    let guard = guard(short_sessions().with_reauthentication(100 * SECOND));
    let start = guard.clock.now();
    let token = |at: portcullis::Timestamp| {
        let token = guard.token().with_lifetime(2 * 3600 * SECOND);
        token.with_claim("auth_time", at.unix_seconds()).mint()
    };
    let first = token(start);
    harness
        .control("a login", &guard, guard.bearer(&first))
        .await;
    let mut body = open(&guard, &first, TICK).await.into_body();
    let read = ticks(&guard, &mut body, 110).await;
    harness.judged("a stream of an old login", ends_within(101, read));
    let expected =
        Expected::insufficient_authentication("max_age=\"100\"", &["session_reauthentication"]);
    for (name, token) in [
        ("the same token", first),
        ("a refreshed one", token(start)),
        ("one that does not say when", guard.token().mint()),
    ] {
        harness
            .attack(name, &guard, guard.bearer(&token), &expected)
            .await;
    }
    let later = token(guard.clock.now());
    harness
        .control("a later login", &guard, guard.bearer(&later))
        .await;
}

/// What becomes of a stream when its token expires is said, and is so.
async fn expiry(harness: &mut Harness) {
    for (at_expiry, most) in [(AtExpiry::CutAtExp, 132), (AtExpiry::AllowFinish, 193)] {
        let guard = guard(short_sessions().with_credential_expiry(at_expiry));
        let token = guard.token().with_lifetime(100 * SECOND);
        let token = token
            .with_claim("auth_time", guard.clock.now().unix_seconds())
            .mint();
        harness
            .control("before", &guard, guard.bearer(&token))
            .await;
        let mut body = open(&guard, &token, TICK).await.into_body();
        // Also where it may finish it keeps no session that nobody else keeps.
        let read = ticks(&guard, &mut body, 700).await;
        harness.judged(
            &format!("a stream whose token has expired: {at_expiry:?}"),
            ends_within(most, read),
        );
    }
}

/// One caller does not take all that the server has.
async fn hoarding(harness: &mut Harness) {
    let guard = guard(short_sessions().with_max_streams(4));
    let token = |sid: usize| guard.token().with_claim("sid", sid.to_string()).mint();
    let tokens: Vec<_> = (0..100).map(token).collect();
    let streams = join_all(tokens.iter().map(|token| open(&guard, token, TICK))).await;
    let (open_ones, refused): (Vec<_>, Vec<_>) = streams
        .into_iter()
        .partition(|response| response.status() == 200);
    harness.judged(
        "a hundred streams by as many sessions of one principal",
        match (
            open_ones.len(),
            refused.iter().all(|response| response.status() == 429),
        ) {
            (4, true) => Ok(()),
            (others, _) => Err(format!("{others} are open")),
        },
    );
    let _ = guard.audit.take();
    let one_more = open(&guard, &token(7), TICK).await.status().as_u16();
    let records = guard.audit.take();
    let codes: Vec<_> = records
        .iter()
        .map(|record| record.reason.as_str())
        .collect();
    harness.judged(
        "one more",
        match (one_more, codes.as_slice()) {
            (429, ["admitted", "session_streams"]) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
    // The same client is served apart from that, and so are others.
    harness
        .control("no stream", &guard, guard.bearer(&token(8)))
        .await;
    let bob = guard
        .idp
        .token("bob")
        .with_audience(crate::guard::RESOURCE)
        .mint();
    let other = open(&guard, &bob, TICK).await.status().as_u16();
    drop(open_ones);
    let again = open(&guard, &token(9), TICK).await.status().as_u16();
    harness.judged(
        "somebody else, and the same when there is room",
        match (other, again) {
            (200, 200) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
}
