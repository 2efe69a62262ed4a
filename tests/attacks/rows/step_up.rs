//! More than a good credential: U06, U08–U10.

mod calls;
mod routes;

use std::time::Duration;

use futures_util::future::join_all;
use portcullis::{
    Clock as _,
    step_up::{Requirement, StepUpBuilder, StepUpLayer},
};
use portcullis_testing::identity_provider::Token;

use self::calls::{call, honest, is_permitted};
use crate::{
    guard::{Guard, Settings},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("U06", calls::names).await;
    harness.row("U08", grants).await;
    harness.row("U09", strength).await;
    harness.row("U10", rounds).await;
    harness.row("own:scopes", routes::scopes).await;
    harness
        .row("own:requirements of routes", routes::routes)
        .await;
    harness
        .row("own:calls of expired credentials", calls::expiry)
        .await;
}

const WANTED: &str = "acr_values=\"phr phrh\", max_age=\"300\"";

fn step_up() -> StepUpBuilder {
    let scope = || Requirement::new().with_scopes("payments.read payments.write");
    let strong = || {
        Requirement::new()
            .add_acr("phr")
            .add_acr("phrh")
            .with_max_age(Duration::from_secs(300))
    };
    StepUpLayer::builder()
        .add_route_requirement("/payments", scope())
        .add_route_requirement("/vault", strong().add_amr("hwk"))
        .add_route_requirement("/public", scope())
        .require("payments.transfer", scope())
        .require("vault.open", strong().add_amr("hwk"))
        .require("notes.list", Requirement::new())
}

fn guard() -> Guard {
    let mut settings = Settings::fixed();
    settings.step_up = Some(step_up());
    settings.build()
}

/// A token that opens the vault and pays.
fn strong(guard: &Guard) -> Token {
    guard
        .token()
        .with_scope("notes.read payments.read payments.write")
        .with_claim("acr", "phr")
        .with_claim("amr", ["pwd", "hwk"])
        .with_claim("auth_time", guard.clock.now().unix_seconds())
}

/// Strength is that of the token it came with. It is given to no other token, caller or
/// operation, also not beside it and at the same time.
async fn grants(harness: &mut Harness) {
    let guard = guard();
    let (strong, weak) = (strong(&guard).mint(), guard.token().mint());
    let mallory = guard
        .idp
        .token("mallory")
        .with_audience(crate::guard::RESOURCE);
    let mallory = mallory.with_scope("notes.read").mint();
    let (too_weak, too_few) = (
        Expected::insufficient_authentication(WANTED, &["acr_insufficient"]),
        Expected::insufficient_scope("payments.read payments.write"),
    );
    for (path, expected) in [("/vault", &too_weak), ("/payments", &too_few)] {
        harness
            .control(path, &guard, guard.bearer_at(path, &strong))
            .await;
        for (name, token) in [
            ("another token of hers", &weak),
            ("another caller", &mallory),
        ] {
            harness
                .attack(
                    &format!("{path}, {name}"),
                    &guard,
                    guard.bearer_at(path, token),
                    expected,
                )
                .await;
        }
    }
    for operation in ["vault.open", "payments.transfer"] {
        honest(harness, &guard, &strong, operation).await;
        call(harness, &guard, operation, &weak, operation).await;
        call(harness, &guard, operation, &mallory, operation).await;
    }
    let calls = (0..32).map(|n| {
        let token = if n % 2 == 0 { &strong } else { &mallory };
        is_permitted(&guard, token, "vault.open")
    });
    let permitted = join_all(calls).await;
    let is_right = permitted
        .iter()
        .enumerate()
        .all(|(n, is)| *is == (n % 2 == 0));
    harness.judged(
        "many at once",
        is_right.then_some(()).ok_or(format!("{permitted:?}")),
    );
}

/// What a token says of its user's authentication, and what it does not say.
async fn strength(harness: &mut Harness) {
    let guard = guard();
    let now = guard.clock.now().unix_seconds();
    let good = strong(&guard);
    let too_weak = |codes| Expected::insufficient_authentication(WANTED, codes);
    for (name, token, codes) in [
        (
            "no auth_time",
            good.clone().without_claim("auth_time"),
            &["auth_time_missing"],
        ),
        (
            "ahead",
            good.clone()
                .with_claim("auth_time", now + 31)
                .with_claim("iat", now + 30),
            &["auth_time_in_future"],
        ),
        (
            "as far ahead as a token may say",
            good.clone()
                .with_claim("auth_time", now + 60)
                .with_claim("iat", now + 30),
            &["auth_time_in_future"],
        ),
        (
            "a second too old",
            good.clone().with_claim("auth_time", now - 301),
            &["auth_too_old"],
        ),
        (
            "of 1970",
            good.clone().with_claim("auth_time", 0),
            &["auth_too_old"],
        ),
        (
            "refreshed",
            good.clone()
                .with_claim("auth_time", now - 3600)
                .with_claim("iat", now),
            &["auth_too_old"],
        ),
        (
            "no acr",
            good.clone().without_claim("acr"),
            &["acr_insufficient"],
        ),
        (
            "a higher acr",
            good.clone().with_claim("acr", "phrhh"),
            &["acr_insufficient"],
        ),
        (
            "a lower acr",
            good.clone().with_claim("acr", "ph"),
            &["acr_insufficient"],
        ),
        (
            "an acr in capitals",
            good.clone().with_claim("acr", "PHR"),
            &["acr_insufficient"],
        ),
        (
            "two acrs in one",
            good.clone().with_claim("acr", "phr phrh"),
            &["acr_insufficient"],
        ),
        (
            "no amr",
            good.clone().without_claim("amr"),
            &["amr_insufficient"],
        ),
        (
            "another amr",
            good.clone().with_claim("amr", ["pwd", "otp"]),
            &["amr_insufficient"],
        ),
        (
            "an amr in capitals",
            good.clone().with_claim("amr", ["HWK"]),
            &["amr_insufficient"],
        ),
    ] as [(&str, Token, &'static [&'static str]); 14]
    {
        // Each from an application of its own, so that none is taken for one that comes again.
        let token = token.with_client(name).mint();
        harness
            .attack(
                name,
                &guard,
                guard.bearer_at("/vault", &token),
                &too_weak(codes),
            )
            .await;
        call(
            harness,
            &guard,
            &format!("{name}, as a call"),
            &token,
            "vault.open",
        )
        .await;
    }
    // Of the wrong type it is no claim that is absent, but a token that is bad.
    let bad = Expected::invalid_token(&["jwt_claim"]);
    for (name, token) in [
        (
            "auth_time as text",
            good.clone().with_claim("auth_time", now.to_string()),
        ),
        (
            "auth_time as a list",
            good.clone().with_claim("auth_time", [now]),
        ),
        ("acr as a list", good.clone().with_claim("acr", ["phr"])),
        ("acr as a number", good.clone().with_claim("acr", 3)),
        ("amr as text", good.clone().with_claim("amr", "hwk")),
    ] {
        harness
            .attack(name, &guard, guard.bearer_at("/vault", &token.mint()), &bad)
            .await;
    }
    for (name, token) in [
        ("as it should be", good.clone()),
        ("the other class", good.clone().with_claim("acr", "phrh")),
        (
            "as old as may be",
            good.clone().with_claim("auth_time", now - 300),
        ),
        (
            "a clock that is ahead",
            good.clone().with_claim("auth_time", now + 30),
        ),
        (
            "more methods",
            good.clone().with_claim("amr", ["hwk", "pin", "geo"]),
        ),
    ] {
        harness
            .control(name, &guard, guard.bearer_at("/vault", &token.mint()))
            .await;
    }
}

/// An authorization server that cannot give what is asked for, and a client that does not read
/// what is. Neither gets in, and neither is sent round for ever.
async fn rounds(harness: &mut Harness) {
    let guard = guard();
    let (sent_round, over) = (
        Expected::insufficient_authentication(WANTED, &["acr_insufficient"]),
        Expected::status(403, &["challenge_in_vain"]),
    );
    for round in 0..6 {
        let token = strong(&guard).with_claim("acr", "pwd").mint();
        let expected = if round < 3 { &sent_round } else { &over };
        let request = guard.bearer_at("/vault", &token);
        harness
            .attack(&format!("round {round}"), &guard, request, expected)
            .await;
        guard.clock.advance(Duration::from_secs(10));
    }
    // Who has been given up is let in like anybody else who can show what is required.
    let token = strong(&guard).mint();
    harness
        .control("in the end", &guard, guard.bearer_at("/vault", &token))
        .await;

    let (sent_round, over) = (
        Expected::insufficient_scope("payments.read payments.write"),
        Expected::status(403, &["challenge_in_vain"]),
    );
    for round in 0..5 {
        let token = guard.token().with_scope("payments.read").mint();
        let expected = if round < 3 { &sent_round } else { &over };
        let request = guard.bearer_at("/payments", &token);
        harness
            .attack(&format!("refreshed {round}"), &guard, request, expected)
            .await;
        guard.clock.advance(Duration::from_secs(10));
    }

    // A machine has no user who could authenticate: there is no first round.
    let plain = Expected::status(403, &["acr_insufficient"]);
    let (_, key) = guard.issue(Duration::from_secs(3600));
    harness
        .attack(
            "an api key",
            &guard,
            guard.bearer_at("/vault", &key),
            &plain,
        )
        .await;
    let machine = guard.idp.token("app").with_client("app");
    let machine = machine.with_audience(crate::guard::RESOURCE).mint();
    harness
        .attack(
            "a client",
            &guard,
            guard.bearer_at("/vault", &machine),
            &plain,
        )
        .await;
}
