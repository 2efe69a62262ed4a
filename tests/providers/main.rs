//! Tokens of real issuers, from where they are made to a handler over HTTP.
//!
//! The OpenID provider is `oidc-provider`, which is certified, in the Node runtime that its lock
//! file pins; the other issuer is OpenBao. What is checked here is that issuers which know nothing
//! of us and our gate agree.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a provider that answers something else fails the test"
)]

mod gate;
mod introspection;
mod openbao;
mod possession;

use std::time::Duration;

use portcullis::EvidenceKind;
use portcullis_testing::audit::RecordingAudit;

use portcullis_tests::oidc_provider::{self as provider, ALGORITHMS, Provider};

use crate::gate::Guarded;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_is_let_in_with_client_credentials() {
    let provider = Provider::start().await;
    let audit = RecordingAudit::new();
    let guarded = Guarded::start(&provider, &audit).await;
    for (name, algorithm) in ALGORITHMS {
        let token = provider.machine_token(name, gate::RESOURCE).await;
        assert_eq!(provider::algorithm_of(&token), algorithm);
        let caller = format!("machine-{name}");
        assert_eq!(guarded.call(Some(&token)).await, (200, caller.clone()));
        let decision = audit.assert_admitted(&caller);
        assert_eq!(decision.principal.unwrap().kind(), EvidenceKind::Client);
        drop(audit.take());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_let_in_with_a_code_and_pkce() {
    let provider = Provider::start().await;
    let audit = RecordingAudit::new();
    let guarded = Guarded::start(&provider, &audit).await;
    for (name, algorithm) in ALGORITHMS {
        let tokens = provider.log_in("alice", name, gate::RESOURCE).await;
        assert_eq!(provider::algorithm_of(&tokens.access), algorithm);
        assert_eq!(
            guarded.call(Some(&tokens.access)).await,
            (200, "alice".to_owned())
        );
        let evidence = audit.assert_admitted("alice").principal.unwrap();
        assert_eq!(evidence.kind(), EvidenceKind::User);
        assert_eq!(evidence.issuer(), provider.issuer());
        assert_eq!(evidence.client(), Some(&*format!("app-{name}")));
        assert!(evidence.scopes().contains("notes.read"));
        assert_eq!(evidence.acr(), Some("urn:example:password"));
        assert!(evidence.auth_time().is_some());
        drop(audit.take());

        // What says who logged in at the client opens nothing here.
        assert_eq!(guarded.call(Some(&tokens.id)).await.0, 401);
        audit.assert_refused("jwt_typ", 401);
        drop(audit.take());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_another_resource_is_refused() {
    let provider = Provider::start().await;
    let audit = RecordingAudit::new();
    let guarded = Guarded::start(&provider, &audit).await;
    let token = provider
        .machine_token("es256", "https://other.example/")
        .await;
    assert_eq!(guarded.call(Some(&token)).await.0, 401);
    audit.assert_refused("jwt_audience", 401);
    drop(audit.take());
    assert_eq!(guarded.call(None).await.0, 401);
    audit.assert_refused("credentials_missing", 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_works_at_once_and_the_old_one_still_does() {
    let provider = Provider::start().await;
    let audit = RecordingAudit::new();
    let guarded = Guarded::start(&provider, &audit).await;
    let old = provider.machine_token("es256", gate::RESOURCE).await;
    assert_eq!(guarded.call(Some(&old)).await.0, 200);
    assert_eq!(guarded.key_retrievals(), 1);

    provider.rotate().await;
    let new = provider.machine_token("es256", gate::RESOURCE).await;
    assert_ne!(provider::key_of(&old), provider::key_of(&new));
    // The keys have just been retrieved, and are not asked for twice in half a minute.
    guarded.clock.advance(Duration::from_secs(31));
    assert_eq!(guarded.call(Some(&new)).await.0, 200);
    assert_eq!(guarded.call(Some(&old)).await.0, 200);
    assert_eq!(guarded.key_retrievals(), 2);
}
