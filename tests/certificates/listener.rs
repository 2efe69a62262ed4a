//! A gate behind a listener that ends TLS.

use portcullis::{
    Gate, GateHandle, Stack,
    jwt::{Issuer, Jwt},
    revocation::Revocation,
    tls::TlsListener,
};
use portcullis_testing::{
    audit::RecordingAudit,
    clock::VirtualClock,
    identity_provider::{IdentityProvider, SigningAlgorithm},
};

use super::*;

const RESOURCE: &str = "https://agent.example/";

struct Guarded {
    address: SocketAddr,
    handle: GateHandle,
    idp: IdentityProvider,
    audit: RecordingAudit,
}

impl Guarded {
    async fn start(authority: &Authority) -> Self {
        let clock =
            VirtualClock::starting_at(portcullis::Timestamp::from_unix_seconds(1_780_000_000));
        let audit = RecordingAudit::new();
        let idp = IdentityProvider::new()
            .with_algorithms([SigningAlgorithm::Es256])
            .with_clock(clock.clone())
            .with_issuer("https://idp.example");
        let issuer = Issuer::new("https://idp.example").with_static_keys(idp.jwks().to_string());
        let (gate, handle): (Gate, _) = Stack::builder()
            .with_clock(clock)
            .with_audit(audit.clone())
            .with_resource(RESOURCE)
            .add_authenticator(Jwt::new(issuer))
            .add_authenticator(agents())
            .build()
            .unwrap();
        let settings = authority.settings().with_optional_client_certificates();
        let listener = TlsListener::bind("127.0.0.1:0", &settings).await.unwrap();
        let address = listener.local_address();
        tokio::spawn(async move { axum::serve(listener, gate.guard(router())).await });
        Self {
            address,
            handle,
            idp,
            audit,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_known_until_its_certificate_is_revoked() {
    let authority = Authority::new("acme");
    let guarded = Guarded::start(&authority).await;
    let own = pair(&authority, ID, 2);
    let config = authority.client(Some(&own));
    let said = ask(guarded.address, &config, &[]).await.unwrap();
    assert_eq!(said, (200, ID.to_owned()));
    let evidence = guarded.audit.assert_admitted(ID).principal.unwrap();
    assert_eq!(evidence.issuer(), "spiffe://acme.example");
    assert!(evidence.confirmation().is_some());
    drop(guarded.audit.take());

    let nobody = authority.client(None);
    assert_eq!(ask(guarded.address, &nobody, &[]).await.unwrap().0, 401);
    guarded.audit.assert_refused("credentials_missing", 401);
    let job = authority.client(Some(&pair(&authority, "spiffe://acme.example/jobs/a", 3)));
    assert_eq!(ask(guarded.address, &job, &[]).await.unwrap().0, 401);

    // At once, whatever the next revocation list says, and on connections that stand.
    let token = evidence.token_id().unwrap().to_owned();
    let revocation = Revocation::token("spiffe://acme.example", token);
    guarded.handle.revoke(revocation).await.unwrap();
    drop(guarded.audit.take());
    assert_eq!(ask(guarded.address, &config, &[]).await.unwrap().0, 401);
    guarded.audit.assert_refused("credential_revoked", 401);
}

/// A header of a proxy proves nothing where no proxy is trusted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_makes_nobody_another() {
    let authority = Authority::new("acme");
    let guarded = Guarded::start(&authority).await;
    let root = "By=a;Hash=0000000000000000000000000000000000000000000000000000000000000000;\
                URI=spiffe://acme.example/agents/root";
    let headers = [("X-Forwarded-Client-Cert", root)];
    let nobody = authority.client(None);
    assert_eq!(
        ask(guarded.address, &nobody, &headers).await.unwrap().0,
        401
    );
    let own = authority.client(Some(&pair(&authority, ID, 2)));
    let said = ask(guarded.address, &own, &headers).await.unwrap();
    assert_eq!(said, (200, ID.to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_token_is_good_with_its_certificate_only() {
    let authority = Authority::new("acme");
    let guarded = Guarded::start(&authority).await;
    let (own, other) = (pair(&authority, ID, 2), pair(&authority, ID, 3));
    let certificate = portcullis::PeerCertificate::from_der([&own.der]).unwrap();
    let token = guarded
        .idp
        .token("alice")
        .with_audience(RESOURCE)
        .with_claim(
            "cnf",
            serde_json::json!({"x5t#S256": certificate.thumbprint()}),
        )
        .mint();
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", &*bearer)];
    let with = async |pair: Option<&Pair>| {
        let config = authority.client(pair);
        ask(guarded.address, &config, &headers).await.unwrap()
    };
    assert_eq!(with(Some(&own)).await, (200, "alice".to_owned()));
    drop(guarded.audit.take());
    for wrong in [Some(&other), None] {
        assert_eq!(with(wrong).await.0, 401);
        guarded.audit.assert_refused("certificate_unmet", 401);
        drop(guarded.audit.take());
    }
}
