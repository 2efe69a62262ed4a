//! The ring and the authenticator together, as a stack uses them.

mod changes;
mod explained;
mod limits;
mod presented;
mod registry;
mod rotation;
mod stored;
mod uses;

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use portcullis_core::{
    Authenticator as _, Check, Evidence, IntoAuthenticator as _, RejectionKind, RequestView,
    Scopes, Secret, Site, SystemClock, Timestamp, Verdict,
};

use super::{
    ApiKeyAuthenticator, ApiKeyStore, ApiKeys, Commit, Grant, IssuedKey, KeyErrorKind, KeyHash,
    KeyRegistry, KeyRing, MemoryApiKeys, Revision, StoreError, StoredKey, Superseded,
    format::sealed, hash::HASHED,
};

const DAY: Duration = Duration::from_secs(86_400);
const MOMENT: Duration = Duration::from_millis(1);
const ID: &str = "0123456789ABCde";

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_767_225_600)
}

fn pepper() -> Secret {
    Secret::new([7; 32])
}

fn ring() -> KeyRing {
    KeyRing::new("acme", &pepper())
}

fn site() -> Site {
    Site::new(Arc::new(SystemClock::new()))
}

fn guard(ring: &KeyRing) -> ApiKeyAuthenticator {
    let config = ApiKeys::new(ring.clone());
    config.into_authenticator(&site()).unwrap()
}

fn ask(guard: &ApiKeyAuthenticator, headers: &[(&str, &[u8])], at: Timestamp) -> Verdict {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    for (name, value) in headers {
        let name = HeaderName::try_from(*name).unwrap();
        parts
            .headers
            .append(name, HeaderValue::from_bytes(value).unwrap());
    }
    match guard.check(&RequestView::new(&parts, at)) {
        Check::Done(verdict) => verdict,
        Check::NeedsIo => panic!("keys need no I/O"),
    }
}

fn bearer(guard: &ApiKeyAuthenticator, text: &str, at: Timestamp) -> Verdict {
    ask(
        guard,
        &[("authorization", format!("Bearer {text}").as_bytes())],
        at,
    )
}

fn accepted(verdict: Verdict) -> Arc<Evidence> {
    match verdict {
        Verdict::Accept(evidence) => evidence,
        other => panic!("{other:?}"),
    }
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accept(_) => "accept",
        Verdict::Absent => "absent",
        Verdict::NotMine => "not mine",
        Verdict::Reject(rejection) => rejection.reason().as_str(),
        other => panic!("{other:?}"),
    }
}

fn issue(ring: &KeyRing, grant: Grant) -> IssuedKey {
    ring.issue(grant, now()).unwrap()
}

/// A key with the same id and a right checksum, and another secret.
fn other_secret(issued: &IssuedKey) -> String {
    let elsewhere = ring().add_keys([issued.stored().clone()]);
    let other = elsewhere.rotate(issued.stored().id(), DAY, now());
    other.unwrap().expose().to_owned()
}
