//! What a proof comes with: P06 and P07.

use super::*;

pub(super) async fn tokens(harness: &mut Harness) {
    let bound = Bound::new();
    bound
        .control(harness, "of this token", &bound.proof())
        .await;
    let other = bound
        .guard
        .token()
        .with_claim("cnf", bound.key.confirmation())
        .mint();
    let of_other = bound.key.proof("GET", URL, &other).mint();
    bound
        .attack(
            harness,
            "of another token of the key",
            &of_other,
            &["dpop_ath"],
        )
        .await;
    let without = bound.proof().without_claim("ath").mint();
    bound
        .attack(harness, "of no token", &without, &["dpop_claims"])
        .await;
    for name in ["jti", "htm", "htu", "iat"] {
        let without = bound.proof().without_claim(name).mint();
        bound
            .attack(
                harness,
                &format!("without {name}"),
                &without,
                &["dpop_claims"],
            )
            .await;
    }
}

pub(super) async fn schemes(harness: &mut Harness) {
    let bound = Bound::new();
    bound
        .control(harness, "the scheme of bound tokens", &bound.proof())
        .await;
    let request = |scheme: &str, token: &str, proofs: &[&str]| {
        let mut request = bound.guard.request("/notes");
        request = request.header("authorization", format!("{scheme} {token}"));
        for proof in proofs {
            request = request.header("dpop", *proof);
        }
        finish(request)
    };
    let in_capitals = request("DPOP", &bound.token, &[&bound.proof().mint()]);
    harness
        .control("in capitals", &bound.guard, in_capitals)
        .await;

    let downgraded = Expected::lines(&[BAD_BEARER, DPOP], &["proof_downgraded"]);
    for (name, proofs) in [
        ("alone", vec![]),
        ("with a good proof", vec![bound.proof().mint()]),
    ] {
        let proofs: Vec<_> = proofs.iter().map(|proof| &**proof).collect();
        let request = request("Bearer", &bound.token, &proofs);
        harness
            .attack(name, &bound.guard, request, &downgraded)
            .await;
    }
    let unbound = bound.guard.token().mint();
    let proof = bound.key.proof("GET", URL, &unbound).mint();
    let control = request("Bearer", &unbound, &[]);
    harness
        .control("an unbound token", &bound.guard, control)
        .await;
    let of_unbound = Expected::lines(&[BEARER, BAD_DPOP], &["proof_of_unbound_credential"]);
    let presented = request("DPoP", &unbound, &[&proof]);
    harness
        .attack(
            "an unbound token as a bound one",
            &bound.guard,
            presented,
            &of_unbound,
        )
        .await;
    // An API key is bound to nothing, whatever comes with it.
    let proof = bound.key.proof("GET", URL, bound.guard.good_key()).mint();
    let unknown = Expected::lines(&[BEARER, BAD_DPOP], &["credential_unknown"]);
    let presented = request("DPoP", bound.guard.good_key(), &[&proof]);
    harness
        .attack("an api key", &bound.guard, presented, &unknown)
        .await;

    let missing = Expected::lines(&[BAD_PROOF], &["dpop_missing"]);
    let without = request("DPoP", &bound.token, &[]);
    harness
        .attack("no proof", &bound.guard, without, &missing)
        .await;
    let (one, two) = (bound.proof().mint(), bound.proof().mint());
    let both = Expected::lines(&[BAD_PROOF], &["dpop_twice"]);
    let twice = request("DPoP", &bound.token, &[&one, &two]);
    harness
        .attack("two proofs", &bound.guard, twice, &both)
        .await;
    for joined in [
        format!("{one}, {two}"),
        format!("{one},{one}"),
        format!("{one} "),
    ] {
        bound
            .attack(harness, "joined proofs", &joined, &["dpop_malformed"])
            .await;
    }
    for (name, typ) in [
        ("an access token", "at+jwt"),
        ("an ID token", "JWT"),
        ("a logout token", "logout+jwt"),
    ] {
        let proof = bound.proof().with_header("typ", typ).mint();
        bound.attack(harness, name, &proof, &["dpop_typ"]).await;
    }
    let critical = bound.proof().with_header("crit", ["exp"]).mint();
    bound
        .attack(harness, "critical", &critical, &["dpop_malformed"])
        .await;
    // Without anybody who checks proofs, there is no such thing as a bound token.
    let guard = Guard::fixed();
    let token = guard
        .token()
        .with_claim("cnf", bound.key.confirmation())
        .mint();
    let proof = bound.key.proof("GET", URL, &token).mint();
    let request = finish(
        guard
            .request("/notes")
            .header("authorization", format!("DPoP {token}"))
            .header("dpop", proof),
    );
    let expected = Expected::lines(&[BAD_BEARER], &["confirmation_unmet"]);
    harness
        .attack("where nobody checks", &guard, request, &expected)
        .await;
}
