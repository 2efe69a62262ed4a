//! The settings of what checks proofs, and what it says where its store cannot say.

use std::{sync::Arc, time::Duration};

use portcullis_core::{
    Check, Confirmation, Evidence, EvidenceKind, ProofVerdict, ProofVerifier as _, ReplayKey,
    ReplayOwner, ReplayStore, RequestView, Secret, Site, StoreError, Taken, Timestamp,
};
use portcullis_jwt::{Algorithm, Dpop, DpopVerifier};

use crate::support::clock::ManualClock;

/// Says the same of everything.
struct Says(Option<Taken>);

impl ReplayStore for Says {
    async fn take(
        &self,
        _: ReplayOwner,
        _: ReplayKey,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Taken, StoreError> {
        self.0.ok_or_else(|| StoreError::new("the store is down"))
    }

    fn is_volatile(&self) -> bool {
        true
    }
}

/// The same, where others look and write as well.
struct Shared(Says);

impl ReplayStore for Shared {
    async fn take(
        &self,
        owner: ReplayOwner,
        key: ReplayKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        self.0.take(owner, key, until, now).await
    }
}

fn site(resource: Option<&str>) -> Site {
    let site = Site::new(Arc::new(ManualClock::new()));
    match resource {
        Some(resource) => site.with_resource(resource),
        None => site,
    }
}

fn built(dpop: Dpop, resource: Option<&str>) -> Result<DpopVerifier, Vec<String>> {
    let errors =
        |errors: portcullis_core::ConfigErrors| errors.iter().map(ToString::to_string).collect();
    dpop.build(&site(resource)).map_err(errors)
}

fn dpop() -> Dpop {
    Dpop::new(Says(Some(Taken::Fresh)))
}

#[test]
fn the_least_that_is_needed() {
    let verifier = built(dpop(), Some("https://agent.example/mcp")).unwrap();
    assert_eq!(verifier.describe().algorithms(), "ES256 EdDSA");
    assert!(built(dpop().with_origin("http://127.0.0.1:3000"), None).is_ok());
}

#[test]
fn what_cannot_work_is_named() {
    let second = Duration::from_secs(1);
    let resource = Some("https://agent.example/");
    for (dpop, resource, setting) in [
        (dpop(), None, "with_origin"),
        (dpop().with_origin("agent.example"), resource, "with_origin"),
        (dpop().with_origin("https://"), resource, "with_origin"),
        (dpop().with_algorithms([]), resource, "with_algorithms"),
        (dpop().with_window(9 * second), resource, "with_window"),
        (dpop().with_window(301 * second), resource, "with_window"),
        (dpop().with_nonces(9 * second), resource, "with_nonces"),
        (dpop().with_nonces(3601 * second), resource, "with_nonces"),
        (dpop().with_key(Secret::new([1; 15])), resource, "with_key"),
    ] {
        let errors = built(dpop, resource).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with(&format!("`{setting}`")), "{errors:?}");
    }
    let shared = || Dpop::new(Shared(Says(Some(Taken::Fresh))));
    let errors = built(shared(), resource).unwrap_err();
    assert!(errors[0].starts_with("`with_key`"), "{errors:?}");
    assert!(built(shared().with_key(Secret::new([1; 16])), resource).is_ok());
    let all = dpop()
        .with_algorithms([])
        .with_window(Duration::ZERO)
        .with_key(Secret::new([]));
    assert_eq!(built(all, None).unwrap_err().len(), 4);
}

#[test]
fn what_can_work_is_built() {
    let second = Duration::from_secs(1);
    for dpop in [
        dpop().with_window(10 * second).with_nonces(10 * second),
        dpop().with_window(300 * second).with_nonces(3600 * second),
        dpop().with_key(Secret::new([1; 16])),
        dpop().with_algorithms([Algorithm::Ps256, Algorithm::Rs256, Algorithm::Ps256]),
    ] {
        assert!(built(dpop, Some("https://agent.example/")).is_ok());
    }
}

#[test]
fn an_origin_that_is_none_is_shown_without_its_password() {
    let dpop = dpop().with_origin("ftp://user:hunter2@agent.example/?secret");
    let errors = built(dpop, None).unwrap_err().concat();
    assert!(
        !errors.contains("hunter2") && !errors.contains("secret"),
        "{errors}"
    );
}

#[test]
fn nothing_shows_the_key() {
    let dpop = dpop()
        .with_key(Secret::new(*b"a key of sixteen"))
        .with_nonces(Duration::from_secs(60));
    let before = format!("{dpop:?}");
    let verifier = built(dpop, Some("https://agent.example/")).unwrap();
    for shown in [before, format!("{verifier:?}")] {
        assert!(
            !shown.contains("sixteen") && !shown.contains("115, 105"),
            "{shown}"
        );
    }
}

/// The example of the RFC, of which the store is asked in the end.
#[test]
fn a_store_that_cannot_say_is_no_pass() {
    // One of the published examples, in which nothing but the store is left to ask.
    let examples = include_str!("../vectors/rfc9449_draft_examples.json");
    let examples: serde_json::Value = serde_json::from_str(examples).unwrap();
    let text = examples.as_array().unwrap().iter().find_map(|example| {
        let text = example["text"].as_str()?.replace("\\\n ", "");
        text.contains("GET /protectedresource").then_some(text)
    });
    let text = text.unwrap();
    let proof = text
        .split_once("DPoP: ")
        .unwrap()
        .1
        .split_whitespace()
        .next()
        .unwrap();
    let request = http::Request::builder()
        .uri("/protectedresource")
        .header(
            "authorization",
            "DPoP Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
        )
        .header("dpop", proof);
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let view = RequestView::new(&parts, Timestamp::from_unix_seconds(1_562_262_618));
    let bound =
        Confirmation::default().with_jwk_thumbprint("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    let evidence = Evidence::new(EvidenceKind::User, "https://server.example.com", "someone")
        .with_confirmation(bound);
    let say = |said| {
        let dpop = Dpop::new(Says(said)).with_origin("https://resource.example.org");
        let verifier = built(dpop, None).unwrap();
        // This store says nothing at once.
        assert!(matches!(verifier.check(&view, &evidence), Check::NeedsIo));
        futures_util::FutureExt::now_or_never(verifier.verify(&view, &evidence)).unwrap()
    };
    assert!(matches!(
        say(Some(Taken::Fresh)),
        ProofVerdict::Proven(None)
    ));
    for (said, reason) in [
        (Some(Taken::Full), "dpop_replays_full"),
        (None, "dpop_replays_unavailable"),
    ] {
        let ProofVerdict::Unavailable(unavailable) = say(said) else {
            panic!("{said:?} is no reason to be unavailable");
        };
        assert_eq!(unavailable.reason().as_str(), reason);
    }
    let ProofVerdict::Reject(rejection) = say(Some(Taken::Seen)) else {
        panic!("a proof is let in twice");
    };
    assert_eq!(rejection.reason().as_str(), "dpop_replayed");
}
