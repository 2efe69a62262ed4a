//! A server that axum-server runs.

use std::{convert::Infallible, sync::Arc};

use http::{Request, Response};
use portcullis_core::PeerCertificate;
use portcullis_tls::AxumServerPeer;
use tower::{Layer as _, ServiceExt as _, service_fn};

#[tokio::test]
async fn a_certificate_of_the_connection_is_handed_on_and_no_other() {
    let seen = service_fn(async |request: Request<()>| {
        let certificate = request.extensions().get::<PeerCertificate>();
        let thumbprint = certificate.map(|found| found.thumbprint().to_owned());
        Ok::<_, Infallible>(Response::new(thumbprint))
    });
    let service = AxumServerPeer::new().layer(seen);
    let info = |chain: &[&str]| {
        let mut info = axum_server::tls::TlsInfo::default();
        info.peer_certificates = chain.iter().map(|der| der.as_bytes().to_vec()).collect();
        Arc::new(info)
    };
    let own = PeerCertificate::from_der(["own"]).unwrap();
    let other = PeerCertificate::from_der(["other"]).unwrap();
    for (info, planted, expected) in [
        (
            Some(info(&["own", "authority"])),
            None,
            Some(own.thumbprint()),
        ),
        (
            Some(info(&["own"])),
            Some(other.clone()),
            Some(own.thumbprint()),
        ),
        (Some(info(&[])), Some(other.clone()), None),
        (None, Some(other), None),
    ] {
        let mut request = Request::builder();
        if let Some(info) = info {
            request = request.extension(info);
        }
        if let Some(planted) = planted {
            request = request.extension(planted);
        }
        let request = request.body(()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.body().as_deref(), expected);
    }
}
