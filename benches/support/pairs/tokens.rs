//! Tokens that are nearly known.

use std::sync::Arc;

use http::request::Parts;
use portcullis::{
    Authenticator as _, Check, Clock as _, RequestView, Site, SystemClock, Verdict,
    jwt::{Issuer, Jwt, JwtAuthenticator},
};
use portcullis_testing::identity_provider::{IdentityProvider, SigningAlgorithm};

use super::{POOL, Pair, pick};
use crate::{
    RESOURCE,
    requests::{bearer, request},
};

/// Bad tokens of which one kind differs from a token that is known in one character, near its
/// end. A look-up that compared tokens would take longer for those. There are two
/// authenticators, and each knows half of the tokens that these are made of.
///
/// Signatures of RSA, because a check of one takes nearly the same time whatever it is of.
pub(super) fn pair() -> Pair {
    let issuer = IdentityProvider::new();
    let authenticators = [(); 2].map(|()| authenticator(&issuer));
    let mint = |n: u64| {
        let subject = format!("6f1d3c52-8f0b-4c5e-9a37-{n:012x}");
        let token = issuer.token(&subject).with_audience(RESOURCE);
        token.with_algorithm(SigningAlgorithm::Rs256).mint()
    };
    let tokens: Vec<String> = (0..2 * POOL as u64)
        .map(|n| {
            let token = mint(n);
            let known = ask(pick(&authenticators, n), &parts(&token));
            assert!(matches!(known, Check::Done(Verdict::Accept(_))));
            spoil(&token)
        })
        .collect();
    for token in &tokens {
        for authenticator in &authenticators {
            let verdict = ask(authenticator, &parts(token));
            assert!(matches!(verdict, Check::Done(Verdict::Reject(_))));
        }
    }
    Pair::new(
        "token_near_or_far",
        move |kind, n| {
            let asked = pick(&authenticators, kind.of([n, n ^ 1])).clone();
            (asked, parts(pick::<String>(&tokens, n)))
        },
        |(asked, parts)| {
            let verdict = ask(&asked, &parts);
            (verdict, asked, parts)
        },
    )
}

fn authenticator(issuer: &IdentityProvider) -> JwtAuthenticator {
    let keys = issuer.jwks().to_string();
    let jwt = Jwt::new(Issuer::new(issuer.issuer()).with_static_keys(keys));
    let site = Site::new(Arc::new(SystemClock::new())).with_resource(RESOURCE);
    jwt.build(&site).expect("the settings work")
}

/// The last character of a signature says less than six bits, so the one before it.
fn spoil(token: &str) -> String {
    let mut token = token.to_owned();
    let (last, before) = (token.pop(), token.pop());
    token.push(if before == Some('A') { 'B' } else { 'A' });
    token.extend(last);
    token
}

fn ask(authenticator: &JwtAuthenticator, parts: &Parts) -> Check<Verdict> {
    authenticator.check(&RequestView::new(parts, SystemClock::new().now()))
}

fn parts(token: &str) -> Parts {
    request(&bearer(token)).into_parts().0
}
