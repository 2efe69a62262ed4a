//! Nonces of the server: P05.

use super::*;

pub(super) async fn nonces(harness: &mut Harness) {
    let span = Duration::from_secs(300);
    let bound = Bound::with(Dpop::new(MemoryReplays::default()).with_nonces(span));
    let expected = |codes| Expected::lines(&[USE_NONCE], codes);
    let request = bound.request(&bound.proof().mint());
    let missing = expected(&["dpop_nonce_missing"]);
    harness
        .attack("none", &bound.guard, request, &missing)
        .await;
    let nonce = nonce_of(&bound, None).await;
    harness.judged(
        "a nonce comes with the refusal",
        if nonce.is_some() {
            Ok(())
        } else {
            Err("none came".to_owned())
        },
    );
    let nonce = nonce.unwrap_or_default();
    let with = |nonce: &str| bound.proof().with_claim("nonce", nonce);
    bound.control(harness, "that nonce", &with(&nonce)).await;
    let skewed = with(&nonce).with_claim("iat", bound_now(&bound) - 86_400);
    bound.control(harness, "with another clock", &skewed).await;
    for forged in [
        "",
        "a",
        "AAAAAAAAAAAAAAAAAAAAAA",
        &format!("{nonce}A"),
        &nonce.to_lowercase(),
    ] {
        let request = bound.request(&with(forged).mint());
        let name = format!("forged {}", forged.len());
        let bad = expected(&["dpop_nonce"]);
        harness.attack(&name, &bound.guard, request, &bad).await;
    }
    // Of another server.
    let other = Bound::with(Dpop::new(MemoryReplays::default()).with_nonces(span));
    let foreign = nonce_of(&other, None).await.unwrap_or_default();
    let request = bound.request(&with(&foreign).mint());
    harness
        .attack(
            "of another server",
            &bound.guard,
            request,
            &expected(&["dpop_nonce"]),
        )
        .await;
    // One rotation on it is good still, and the answer brings the next one.
    bound.guard.clock.advance(span);
    let next = nonce_of(&bound, Some(&nonce)).await;
    harness.judged(
        "the next nonce comes with an answer",
        match next {
            Some(next) if next != nonce => Ok(()),
            next => Err(format!("{next:?}")),
        },
    );
    bound.guard.clock.advance(span);
    let request = bound.request(&with(&nonce).mint());
    harness
        .attack(
            "two rotations on",
            &bound.guard,
            request,
            &expected(&["dpop_nonce"]),
        )
        .await;
}

/// The nonce that comes with the answer to a good proof with this one.
async fn nonce_of(bound: &Bound, nonce: Option<&str>) -> Option<String> {
    let proof = match nonce {
        Some(nonce) => bound.proof().with_claim("nonce", nonce),
        None => bound.proof(),
    };
    let answer = bound.guard.send(bound.request(&proof.mint())).await;
    let _ = bound.guard.audit.take();
    let nonce = answer.headers().get("dpop-nonce")?;
    nonce.to_str().ok().map(str::to_owned)
}
