//! Tokens that a provider, which knows nothing of us, has bound to the certificate of a client.

use portcullis::{
    Clock as _, Stack, SystemClock,
    jwt::{Issuer, Jwt},
    tls::TlsListener,
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::oidc_provider::Provider;

use super::*;

const RESOURCE: &str = "https://agent.example/";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_token_is_good_on_connections_of_its_holder() {
    let provider = Provider::start().await;
    let authority = Authority::new("acme");
    let audit = RecordingAudit::new();
    let issuer = Issuer::new(provider.issuer()).dangerously_allow_local_network();
    let (gate, handle) = Stack::builder()
        .with_clock(VirtualClock::starting_at(SystemClock::new().now()))
        .with_audit(audit.clone())
        .with_resource(RESOURCE)
        .add_authenticator(Jwt::new(issuer))
        .require_sender_constraint()
        .build()
        .unwrap();
    handle.ready().await.unwrap();
    let settings = authority.settings().with_optional_client_certificates();
    let listener = TlsListener::bind("127.0.0.1:0", &settings).await.unwrap();
    let address = listener.local_address();
    tokio::spawn(async move { axum::serve(listener, gate.guard(router())).await });

    let (own, stolen) = (pair(&authority, ID, 2), pair(&authority, ID, 3));
    let token = provider.bound_token("es256", RESOURCE, &own.der).await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer)];
    let holder = authority.client(Some(&own));
    let said = ask(address, &holder, &headers).await.unwrap();
    assert_eq!(said, (200, "bound-es256".to_owned()));
    let evidence = audit.assert_admitted("bound-es256").principal.unwrap();
    let confirmation = evidence.confirmation().unwrap();
    assert!(confirmation.certificate_thumbprint().is_some());
    drop(audit.take());

    // Whoever has the token, and not the key: with a certificate of the same name, and with none.
    for thief in [authority.client(Some(&stolen)), authority.client(None)] {
        assert_eq!(ask(address, &thief, &headers).await.unwrap().0, 401);
        audit.assert_refused("certificate_unmet", 401);
        drop(audit.take());
    }
    // One that is bound to nothing does not do here.
    let unbound = provider.machine_token("es256", RESOURCE).await;
    let bearer = format!("Bearer {unbound}");
    let said = ask(address, &holder, &[("authorization", &bearer)]).await;
    assert_eq!(said.unwrap().0, 401);
    audit.assert_refused("sender_constraint_missing", 401);
}
