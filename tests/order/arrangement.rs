//! What is asserted of each arrangement of layers.

use bytes::Bytes;
use http::{Request, Response};
use portcullis::{BoxError, audit::Outcome};
use portcullis_testing::audit::{Recorded, RecordingAudit};
use portcullis_tests::{fixtures::request_with, logs::Logs};
use tower::{Service, ServiceExt as _};
use tracing::Level;

/// Both a request that is decided at once and one that needs I/O on its way.
pub(crate) const TOKENS: [&str; 2] = ["good-alice", "io-good-alice"];

pub(crate) async fn send<S, B>(service: S, token: &str) -> Response<Bytes>
where
    S: Service<Request<String>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let request = request_with(token).body(String::new()).unwrap();
    let response = service.oneshot(request).await.map_err(Into::into).unwrap();
    portcullis_tests::wire::read(response).await.unwrap()
}

/// The one record about the wrong order, and nothing but what is allowed besides.
#[track_caller]
pub(crate) fn assert_misordered(
    audit: &RecordingAudit,
    response: &Response<Bytes>,
    logs: &Logs,
    layer: &str,
    named: &[&str],
) -> Vec<Recorded> {
    assert_eq!(response.status(), 500);
    assert!(response.body().is_empty(), "{:?}", response.body());
    assert!(!response.headers().contains_key("www-authenticate"));

    let errors = logs.lines(Level::ERROR);
    assert_eq!(errors.len(), 1, "{errors:?}");
    for name in named {
        assert!(errors.iter().all(|line| line.contains(name)), "{errors:?}");
    }

    let (failed, others): (Vec<_>, Vec<_>) = audit
        .take()
        .into_iter()
        .partition(|record| record.reason.as_str() == "stack_misordered");
    let [failed] = failed.as_slice() else {
        unreachable!("one record of a wrong order, not {failed:?}");
    };
    assert_eq!(failed.outcome, Outcome::Failed);
    assert_eq!(failed.layer, layer);
    assert_eq!(failed.status.unwrap(), 500);
    others
}

/// What the handler must not see, around which arrangement, with which sink.
macro_rules! arrangement {
    ($test:ident, $layer:literal, $named:expr, |$audit:ident, $handler:ident| $service:expr) => {
        #[tokio::test]
        async fn $test() {
            for token in TOKENS {
                let (logs, _listening) = Logs::listen();
                let audit = RecordingAudit::new();
                let handler = HandlerProbe::new();
                let service = {
                    let $audit = &audit;
                    let $handler = handler.clone();
                    $service
                };
                let response = send(service, token).await;
                handler.assert_not_called();
                let others = assert_misordered(&audit, &response, &logs, $layer, $named);
                assert!(others.is_empty(), "one record for one request: {others:?}");
            }
        }
    };
}

pub(crate) use arrangement;

/// Inner loose layers write no records of their own: their sink must stay empty.
pub(crate) fn silent() -> RecordingAudit {
    RecordingAudit::failing()
}
