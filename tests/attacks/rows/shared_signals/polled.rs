//! What is asked for, over HTTP.

use portcullis::{Timestamp, audit::Outcome};
use portcullis_tests::patience::{settle, until};

use super::*;

/// An event that could not be carried out is not acknowledged, and what is forged is refused.
pub(super) async fn play(harness: &mut Harness) {
    let store = FaultyRevocations::new(MemoryRevocations::default());
    let mut settings = Settings::served().await;
    let idp = settings.idp.clone();
    let start = settings.clock.now();
    settings.revocations = Some(store.clone());
    let issuer = Issuer::new(idp.issuer()).dangerously_allow_local_network();
    settings.shared_signals =
        Some(SharedSignals::poll(issuer, idp.events_endpoint()).dangerously_allow_local_network());
    let event = format!("{CAEP}session-revoked");
    let of = |subject: &str| {
        let subject = user(idp.issuer(), subject);
        let event = idp.security_event(RESOURCE, &event, json!({}), subject);
        event.with_issued_at(start + SECOND)
    };
    idp.queue_event("one", &of("alice"));
    idp.queue_event("forged", &of("bob").with_flipped_signature());
    store.set_failing(true);
    let guard = settings.build();
    let login = |subject: &str, at: Timestamp| {
        let token = idp.token(subject).with_audience(RESOURCE);
        let token = token.with_lifetime(MINUTE * 120);
        token.with_claim("auth_time", at.unix_seconds()).mint()
    };
    let (alice, bob) = (login("alice", start), login("bob", start));
    let passing = async |what: &str, mut is_so: Box<dyn FnMut() -> bool + '_>| {
        until(what, async || {
            guard.clock.advance(SECOND);
            settle().await;
            is_so()
        })
        .await;
    };
    passing(
        "an event that cannot be carried out",
        Box::new(|| {
            let records = guard.audit.records();
            records.iter().any(|record| {
                record.outcome == Outcome::Failed
                    && record.reason.as_str() == "notice_store_unavailable"
            })
        }),
    )
    .await;
    let asked = idp.event_requests();
    passing(
        "another poll",
        Box::new(|| idp.event_requests() > asked + 1),
    )
    .await;
    harness.judged(
        "an event that is not kept, and asked for",
        as_expected(&idp.acknowledged_events(), &Vec::new()),
    );
    store.set_failing(false);
    passing(
        "the event is told",
        Box::new(|| !idp.acknowledged_events().is_empty()),
    )
    .await;
    let statuses = (guard.status_of(&alice).await, guard.status_of(&bob).await);
    let refused = idp.refused_events();
    harness.judged(
        "an event that is asked for, and another that is forged",
        as_expected(
            &(statuses, refused),
            &(
                (401, 200),
                vec![("forged".to_owned(), "invalid_key".to_owned())],
            ),
        ),
    );
    let _ = guard.handle.shutdown(SECOND).await;
}
