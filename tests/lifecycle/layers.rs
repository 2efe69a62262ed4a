//! The layers under test, behind one face.

use std::{convert::Infallible, fmt::Debug};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use portcullis::BodyError;
use tower::{Layer, Service};

/// A layer of ours, or one inside the other that it needs, around a handler that cannot fail.
pub(crate) trait Around<S>:
    Layer<
        S,
        Service: Service<Request<String>, Response = Response<Self::Body>, Error = Infallible>
                     + Clone,
    >
{
    /// What the client reads: one body of ours in the other, where there are two layers.
    type Body: Body<Data = Bytes, Error = BodyError> + Debug;
}

impl<S, L, B> Around<S> for L
where
    L: Layer<S>,
    L::Service: Service<Request<String>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body<Data = Bytes, Error = BodyError> + Debug,
{
    type Body = B;
}

/// Runs functions over a way to make a layer as tests of `authn`, `perimeter`, `session`,
/// `binding`, `quota`, `step_up` and the gate.
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

        mod session {
            $(#[tokio::test]
            async fn $test() {
                super::$test(portcullis_tests::fixtures::authn_and_session, "admitted").await;
            })*
        }

        mod binding {
            $(#[tokio::test]
            async fn $test() {
                super::$test(portcullis_tests::fixtures::authn_and_binding, "admitted").await;
            })*
        }

        mod quota {
            $(#[tokio::test]
            async fn $test() {
                super::$test(portcullis_tests::fixtures::authn_and_quota, "admitted").await;
            })*
        }

        mod step_up {
            $(#[tokio::test]
            async fn $test() {
                super::$test(portcullis_tests::fixtures::authn_and_step_up, "admitted").await;
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
