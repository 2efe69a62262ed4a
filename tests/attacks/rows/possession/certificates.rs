//! Tokens that are bound to a certificate: P12.

use super::*;

pub(super) async fn certificates(harness: &mut Harness) {
    let guard = Guard::fixed();
    let own = PeerCertificate::from_digest([1; 32]);
    let token = guard
        .token()
        .with_claim("cnf", json!({"x5t#S256": own.thumbprint()}))
        .mint();
    let request = |certificate: Option<&PeerCertificate>| {
        let mut request = guard.bearer(&token);
        if let Some(certificate) = certificate {
            attach(&mut request, certificate.clone());
        }
        request
    };
    harness
        .control("its certificate", &guard, request(Some(&own)))
        .await;
    let expected = Expected::invalid_token(&["certificate_unmet"]);
    let other = PeerCertificate::from_digest([2; 32]);
    for (name, certificate) in [("another certificate", Some(&other)), ("none", None)] {
        harness
            .attack(name, &guard, request(certificate), &expected)
            .await;
    }
    // The certificate is what counts, not its key: a renewed one is another.
    let (old, renewed) = (certificate_of(b"old"), certificate_of(b"renewed"));
    let token = guard
        .token()
        .with_claim("cnf", json!({"x5t#S256": old.thumbprint()}))
        .mint();
    let mut good = guard.bearer(&token);
    attach(&mut good, old);
    harness
        .control("a certificate by its bytes", &guard, good)
        .await;
    let mut request = guard.bearer(&token);
    attach(&mut request, renewed);
    harness.attack("renewed", &guard, request, &expected).await;
    // What a stranger writes into a header is no certificate.
    for name in [
        "client-cert",
        "x-forwarded-client-cert",
        "x-ssl-client-cert",
    ] {
        let mut request = guard.bearer(&token);
        let value = HeaderValue::from_static(
            "Hash=0101010101010101010101010101010101010101010101010101010101010101",
        );
        request.headers_mut().insert(name, value);
        harness.attack(name, &guard, request, &expected).await;
    }
    // Both have to be met where both are named.
    let mut settings = Settings::fixed();
    settings.dpop = Some(Dpop::new(MemoryReplays::default()));
    let guard = settings.build();
    let key = ProofKey::new(guard.clock.clone());
    let both = json!({"jkt": key.thumbprint(), "x5t#S256": own.thumbprint()});
    let token = guard.token().with_claim("cnf", both).mint();
    let bound = Bound { guard, key, token };
    let mut good = bound.request(&bound.proof().mint());
    attach(&mut good, own.clone());
    harness.control("both", &bound.guard, good).await;
    let without = Expected::lines(&[BEARER, BAD_DPOP], &["certificate_unmet"]);
    let request = bound.request(&bound.proof().mint());
    harness
        .attack("the proof alone", &bound.guard, request, &without)
        .await;
    let mut request = bound.guard.bearer(&bound.token);
    attach(&mut request, own);
    let without = Expected::lines(&[BAD_BEARER, DPOP], &["proof_downgraded"]);
    harness
        .attack("the certificate alone", &bound.guard, request, &without)
        .await;
}

fn certificate_of(der: &[u8]) -> PeerCertificate {
    PeerCertificate::from_der([der]).unwrap_or_else(|| PeerCertificate::from_digest([0; 32]))
}

/// As a listener does for each request of a connection.
#[expect(
    clippy::disallowed_methods,
    reason = "stands for the listener, which puts it there"
)]
fn attach(request: &mut Request<Full<Bytes>>, certificate: PeerCertificate) {
    request.extensions_mut().insert(certificate);
}
