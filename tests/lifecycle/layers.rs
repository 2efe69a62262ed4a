//! The layers under test, behind one face.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis::ResponseBody;
use tower::{Layer, Service};

/// A layer of ours around a handler that cannot fail.
pub(crate) trait Around<S>:
    Layer<
        S,
        Service: Service<
            Request<String>,
            Response = Response<ResponseBody<Full<Bytes>>>,
            Error = Infallible,
        > + Clone,
    >
{
}

impl<S, L> Around<S> for L
where
    L: Layer<S>,
    L::Service: Service<Request<String>, Response = Response<ResponseBody<Full<Bytes>>>, Error = Infallible>
        + Clone,
{
}

/// Runs functions over a way to make a layer as tests of `authn`, `perimeter` and the gate.
macro_rules! for_each_layer {
    ($($test:ident),* $(,)?) => {
        mod authn {
            $(#[tokio::test]
            async fn $test() {
                super::$test(portcullis_tests::fixtures::authn, "admitted").await;
            })*
        }

        mod perimeter {
            $(#[tokio::test]
            async fn $test() {
                super::$test(portcullis_tests::fixtures::perimeter, "admitted_unidentified").await;
            })*
        }

        mod gate {
            $(#[tokio::test]
            async fn $test() {
                super::$test(portcullis_tests::fixtures::gate, "admitted").await;
            })*
        }
    };
}
pub(crate) use for_each_layer;
