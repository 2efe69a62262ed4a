//! A stack is nothing but its layers in their order: the same requests are answered and
//! recorded alike by a `Stack` and by the loose layers around the same handler.
#![expect(
    clippy::unwrap_used,
    reason = "the settings and requests here are fixed or generated valid"
)]

mod requests;
mod sides;

use portcullis::binding::Reaction;
use proptest::{prelude::*, strategy::ValueTree as _};

use self::{
    requests::{DEVICE, Generated, Settings, generated, settings},
    sides::{by_hand, stack},
};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_stack_is_its_layers(
        settings in settings(),
        sequence in proptest::collection::vec(generated(), 1..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (stack, by_hand) = (stack(settings), by_hand(settings));
        for generated in &sequence {
            let (one, other) = runtime.block_on(async {
                (stack.see(generated).await, by_hand.see(generated).await)
            });
            let decisions = one.records.iter().filter(|record| record.contains("kind: Decision"));
            prop_assert_eq!(decisions.count(), 1, "{:?}", generated);
            prop_assert_eq!(one, other, "{:?}", generated);
        }
    }
}

/// What the generator does not come to: a client that is sent round in vain.
#[tokio::test]
async fn a_client_that_is_sent_round_is_answered_alike() {
    let settings = Settings::all(Reaction::Note);
    let (stack, by_hand) = (stack(settings), by_hand(settings));
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let vault = Generated::with_token("/vault", "weak-alice");
        let (one, other) = (stack.see(&vault).await, by_hand.see(&vault).await);
        statuses.push(one.status);
        assert_eq!(one, other);
    }
    assert_eq!(statuses, [401, 401, 401, 403, 403]);
}

/// Each difference, noted or asked about, and whoever comes from where the session did.
#[tokio::test]
async fn a_session_that_moves_is_answered_alike() {
    // What is noted counts for the quota of two at once, what is asked about does not.
    for (reaction, status, kind, next) in [
        (Reaction::Note, 200, "kind: Drift", 429),
        (Reaction::Ask, 401, "kind: Decision", 200),
    ] {
        let settings = Settings::all(reaction);
        let (stack, by_hand) = (stack(settings), by_hand(settings));
        let see = async |request: &Generated| {
            let (one, other) = (stack.see(request).await, by_hand.see(request).await);
            assert_eq!(one, other);
            one
        };
        // Another user each time, who has a quota of his own.
        for (n, header, value, reason) in [
            (1, "x-forwarded-for", "198.51.100.1", "drift_network"),
            (2, "user-agent", "thief/0.1", "drift_user_agent"),
            (3, DEVICE, "tablet", "drift_device"),
        ] {
            let request = Generated::with_token("/notes", &format!("good-user{n}"));
            let request = request.at_once_from(1);
            let home = match header {
                "user-agent" => request.with(header, "assistant/1.0"),
                DEVICE => request.with(header, "phone"),
                _ => request.clone(),
            };
            assert_eq!(see(&home).await.status, 200);
            let moved = see(&request.with(header, value)).await;
            assert_eq!(moved.status, status);
            let code = format!("ReasonCode(\"{reason}\")");
            let noted = moved.records.iter().filter(|record| record.contains(&code));
            assert!(noted.clone().all(|record| record.contains(kind)));
            assert_eq!(noted.count(), 1, "{reason}: {:?}", moved.records);
            assert_eq!(see(&home).await.status, next);
        }
    }
}

/// A property about requests that are all refused alike would hold for nothing. The generator
/// reaches every reason that these layers have, and admissions.
#[test]
fn the_generator_reaches_every_answer() {
    let wanted = [
        "acr_insufficient",
        "admitted",
        "admitted_anonymous",
        "auth_too_old",
        "authorization_malformed",
        "body_too_large",
        "budget_spent",
        "connect_refused",
        "content_length_malformed",
        "proof_downgraded",
        "credential_unknown",
        "credentials_missing",
        "evidence_invalid",
        "headers_too_large",
        "host_not_allowed",
        "operation_unknown",
        "origin_not_allowed",
        "path_ambiguous",
        "permitted",
        "preflight",
        "quota_client",
        "quota_principal",
        "scope_missing",
        "session_idle",
        "session_limit",
        "session_opened",
        "table_bad",
        "table_down",
        "table_garbled",
        "token_in_cookie",
        "token_in_query",
        "uri_too_long",
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (settings(), proptest::collection::vec(generated(), 1..24));
    for _ in 0..512 {
        let (settings, sequence) = strategy.new_tree(&mut runner).unwrap().current();
        let stack = stack(settings);
        for generated in &sequence {
            let answer = runtime.block_on(stack.see(generated));
            seen.insert(answer.status.to_string());
            seen.extend(answer.records);
        }
    }
    for reason in wanted {
        let coded = format!("ReasonCode(\"{reason}\")");
        assert!(
            seen.iter().any(|record| record.contains(&coded)),
            "{reason}"
        );
    }
    for reason in ["drift_device", "drift_network", "drift_user_agent"] {
        for kind in ["Decision", "Drift"] {
            let is_of = |record: &String| {
                record.contains(&format!("kind: {kind}"))
                    && record.contains(&format!("ReasonCode(\"{reason}\")"))
            };
            assert!(seen.iter().any(is_of), "{kind} {reason}");
        }
    }
    // The handler that asks to switch protocols is refused as well.
    assert!(seen.contains("500"));
}
