//! Tokens that are bound to nothing, where they have to be.

use super::*;

pub(super) async fn constraint(harness: &mut Harness) {
    let mut settings = Settings::fixed();
    settings.dpop = Some(Dpop::new(MemoryReplays::default()));
    settings.requires_sender_constraint = true;
    let guard = settings.build();
    let key = ProofKey::new(guard.clock.clone());
    let token = guard.token().with_claim("cnf", key.confirmation()).mint();
    let unbound = guard.token().mint();
    let bound = Bound { guard, key, token };
    bound
        .control(harness, "a bound token", &bound.proof())
        .await;
    for (name, credential) in [
        ("an unbound token", &*unbound),
        ("an api key", bound.guard.good_key()),
    ] {
        let status = bound.guard.status_of(credential).await;
        let records = bound.guard.audit.take();
        let is_told = records
            .iter()
            .any(|record| record.reason.as_str() == "sender_constraint_missing");
        harness.judged(
            name,
            match (status, is_told) {
                (401, true) => Ok(()),
                told => Err(format!("{told:?}")),
            },
        );
    }

    // Of one route only.
    let mut settings = Settings::fixed();
    settings.dpop = Some(Dpop::new(MemoryReplays::default()));
    let requirement = Requirement::new().with_sender_constraint();
    settings.step_up = Some(StepUpLayer::builder().add_route_requirement("/pay", requirement));
    let guard = settings.build();
    let key = ProofKey::new(guard.clock.clone());
    let token = guard.token().with_claim("cnf", key.confirmation()).mint();
    let unbound = guard.token().mint();
    let bound = Bound { guard, key, token };
    let proof = bound
        .key
        .proof("GET", "https://agent.example/pay", &bound.token);
    let request = bound.request_at("/pay", &proof.mint());
    harness
        .control("a bound token for a route", &bound.guard, request)
        .await;
    let request = bound.guard.bearer_at("/notes", &unbound);
    harness
        .control("an unbound token for another route", &bound.guard, request)
        .await;
    let unconstrained = Expected::lines(
        &[UNCONSTRAINED_BEARER, UNCONSTRAINED_DPOP],
        &["sender_constraint_missing"],
    );
    let request = bound.guard.bearer_at("/pay", &unbound);
    harness
        .attack(
            "an unbound token for it",
            &bound.guard,
            request,
            &unconstrained,
        )
        .await;
    let request = bound.guard.bearer_at("/pay", bound.guard.good_key());
    let forbidden = Expected::status(403, &["sender_constraint_missing"]);
    harness
        .attack("an api key for it", &bound.guard, request, &forbidden)
        .await;
}
