//! The error of a body is found again by its type, however many layers stand on top of each
//! other.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, LengthLimitError};
use portcullis::{BodyError, BoxError};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::fixtures::{authn, gate, perimeter, request_with};
use tower::{Layer as _, ServiceExt as _};

/// An error of somebody's own.
#[derive(Debug, PartialEq)]
struct Cut(u8);

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cut {}", self.0)
    }
}

impl Error for Cut {}

/// A body that is one error.
struct Broken(Option<Cut>);

impl Body for Broken {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}

/// Three layers, one error type, one step to the cause.
#[tokio::test]
async fn a_response_bodys_error_does_not_nest() {
    let audit = RecordingAudit::new();
    let handler =
        tower::service_fn(async |_| Ok::<_, BoxError>(Response::new(Broken(Some(Cut(7))))));
    let service = perimeter(&audit).layer(authn(&audit).layer(handler));
    let request = request_with("good-a").body(String::new()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    let error: BodyError = response.into_body().collect().await.err().unwrap();
    assert_eq!(error.source().unwrap().downcast_ref::<Cut>(), Some(&Cut(7)));
    assert!(!error.to_string().contains("cut"), "{error}");
}

/// The client's error reaches the handler as it is.
#[tokio::test]
async fn a_request_bodys_error_reaches_the_handler() {
    let audit = RecordingAudit::new();
    let handler = tower::service_fn(async |request: Request<portcullis::RequestBody<Broken>>| {
        let error = request.into_body().collect().await.err().unwrap();
        assert_eq!(error.downcast_ref::<Cut>(), Some(&Cut(7)));
        Ok::<_, BoxError>(Response::new(String::new()))
    });
    let request = request_with("good-a").body(Broken(Some(Cut(7)))).unwrap();
    let response = gate(&audit).layer(handler).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
}

/// And the one that axum answers with 413 is found by its type, without axum.
#[tokio::test]
async fn a_body_over_the_limit_says_so_by_its_type() {
    let audit = RecordingAudit::new();
    let handler = tower::service_fn(async |request: Request<portcullis::RequestBody<String>>| {
        let error = request.into_body().collect().await.err().unwrap();
        assert!(error.is::<LengthLimitError>(), "{error}");
        Ok::<_, BoxError>(Response::new(String::new()))
    });
    let request = request_with("good-a").body("x".repeat(65)).unwrap();
    let response = gate(&audit).layer(handler).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
}
