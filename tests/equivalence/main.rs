//! A stack is nothing but its layers in their order: the same requests are answered and
//! recorded alike by a `Stack` and by the loose layers around the same handler.
#![expect(
    clippy::unwrap_used,
    reason = "the settings and requests here are fixed or generated valid"
)]

mod requests;
mod sides;

use proptest::{prelude::*, strategy::ValueTree as _};

use self::{
    requests::{Generated, generated},
    sides::{by_hand, stack},
};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_stack_is_its_layers(sequence in proptest::collection::vec(generated(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (stack, by_hand) = (stack(), by_hand());
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
    let (stack, by_hand) = (stack(), by_hand());
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let vault = Generated::with_token("/vault", "weak-alice");
        let (one, other) = (stack.see(&vault).await, by_hand.see(&vault).await);
        statuses.push(one.status);
        assert_eq!(one, other);
    }
    assert_eq!(statuses, [401, 401, 401, 403, 403]);
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
        "confirmation_unmet",
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
    let strategy = proptest::collection::vec(generated(), 1..24);
    for _ in 0..512 {
        let sequence = strategy.new_tree(&mut runner).unwrap().current();
        let stack = stack();
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
    // The handler that asks to switch protocols is refused as well.
    assert!(seen.contains("500"));
}
