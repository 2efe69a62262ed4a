//! What the authenticator for JWTs says of a token, in every way that it can be asked.

use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{HeaderValue, Request, header::AUTHORIZATION};
use portcullis::{
    Authenticator as _, Check, Evidence, RequestView, Site, Timestamp, Verdict,
    jwt::{Issuer, Jwt, JwtAuthenticator},
};
use portcullis_testing::clock::VirtualClock;

pub(crate) const ISSUER: &str = "https://idp.example";
pub(crate) const AUDIENCE: &str = "https://notes.example";
/// The time of every request here.
pub(crate) const NOW: i64 = 1_800_000_000;

/// An authenticator with these keys, or what is wrong with them.
pub(crate) fn authenticator(keys: &str) -> Result<JwtAuthenticator, portcullis::ConfigErrors> {
    let clock = VirtualClock::starting_at(Timestamp::from_unix_seconds(NOW));
    Jwt::new(Issuer::new(ISSUER).with_static_keys(keys))
        .with_audience(AUDIENCE)
        .build(&Site::new(Arc::new(clock)))
}

/// The evidence, if the token is accepted. A token that is refused has a reason, and whoever
/// asks for an explanation is told the same.
///
/// `None` also where the text cannot be a bearer token at all.
pub(crate) fn accepted(auth: &JwtAuthenticator, token: &[u8]) -> Option<Arc<Evidence>> {
    let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok()?;
    let mut parts = Request::new(()).into_parts().0;
    parts.headers.insert(AUTHORIZATION, value);
    let view = RequestView::new(&parts, Timestamp::from_unix_seconds(NOW));
    let token = view.bearer()?;
    let check = || match auth.check(&view) {
        Check::Done(verdict) => verdict,
        Check::NeedsIo => panic!("keys that are given are never waited for"),
    };
    let explanation = auth
        .explain(token)
        .now_or_never()
        .expect("nothing is retrieved");
    let said = explanation.to_string();
    // What the token says itself must not steer a terminal. The rest is ours.
    let is_plain = |char: char| matches!(char, '\n' | ' '..='~' | '…' | '§');
    assert!(said.chars().all(is_plain), "{said:?}");

    // The second time it may be known.
    let (first, second) = (check(), check());
    match (first, second) {
        (Verdict::Accept(evidence), Verdict::Accept(again)) => {
            assert!(explanation.is_accepted(), "{said}");
            assert_eq!(explanation.reason(), None);
            assert_eq!(evidence, again);
            assert!(evidence.validate().is_ok());
            Some(evidence)
        }
        (Verdict::Reject(rejection), Verdict::Reject(again)) => {
            assert!(!explanation.is_accepted(), "{said}");
            assert_eq!(explanation.reason(), Some(rejection.reason()), "{said}");
            assert_eq!(rejection.reason(), again.reason());
            None
        }
        (Verdict::NotMine, Verdict::NotMine) => {
            assert!(!explanation.is_accepted(), "{said}");
            assert_eq!(explanation.reason(), None, "{said}");
            None
        }
        other => panic!("{other:?}"),
    }
}
