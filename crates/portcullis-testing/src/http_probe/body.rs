//! Bodies that are not those of any server.

use std::{
    convert::Infallible,
    fmt,
    marker::PhantomData,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Buf;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;

/// Reads a body to its end, as text.
///
/// # Example
///
/// ```
/// use portcullis_testing::http_probe::{ForeignBody, body_text};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(body_text(ForeignBody::new("hello")).await, "hello");
/// # }
/// ```
///
/// # Panics
///
/// The body ends with an error, or is not UTF-8.
pub async fn body_text<B>(body: B) -> String
where
    B: Body<Error: fmt::Debug>,
{
    let collected = body.collect().await;
    assert!(
        collected.is_ok(),
        "the body ended with an error: {:?}",
        collected.err()
    );
    let bytes = collected.map(|body| body.to_bytes()).unwrap_or_default();
    let text = String::from_utf8(bytes.to_vec());
    assert!(text.is_ok(), "the body is not UTF-8: {bytes:?}");
    text.unwrap_or_default()
}

/// A body of a kind that no server has: its chunks are not `Bytes`, its error is its own, it
/// is not `Default`, and it says nothing about its length. A layer that takes it assumes
/// nothing about bodies.
///
/// # Example
///
/// ```
/// use portcullis_testing::http_probe::ForeignBody;
///
/// let request = http::Request::new(ForeignBody::new("hello"));
/// # let _ = request;
/// ```
#[derive(Debug)]
pub struct ForeignBody(Option<&'static [u8]>);

impl ForeignBody {
    /// One chunk of text.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self(Some(text.as_bytes()))
    }
}

impl Body for ForeignBody {
    type Data = ForeignBytes;
    type Error = ForeignError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<ForeignBytes>, ForeignError>>> {
        let chunk = self.0.take().map(ForeignBytes);
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// A [`ForeignBody`] that cannot go to another thread.
///
/// # Example
///
/// ```
/// use portcullis_testing::http_probe::LocalBody;
///
/// let request = http::Request::new(LocalBody::new("hello"));
/// # let _ = request;
/// ```
#[derive(Debug)]
pub struct LocalBody {
    body: ForeignBody,
    not_send: PhantomData<Rc<()>>,
}

impl LocalBody {
    /// One chunk of text.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self {
            body: ForeignBody::new(text),
            not_send: PhantomData,
        }
    }
}

impl Body for LocalBody {
    type Data = ForeignBytes;
    type Error = ForeignError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<ForeignBytes>, ForeignError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

/// A chunk of a [`ForeignBody`].
#[derive(Debug)]
pub struct ForeignBytes(&'static [u8]);

impl Buf for ForeignBytes {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.0
    }

    fn advance(&mut self, count: usize) {
        self.0.advance(count);
    }
}

/// The error of a [`ForeignBody`]. It never occurs.
#[derive(Debug)]
pub struct ForeignError(Infallible);

impl fmt::Display for ForeignError {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl std::error::Error for ForeignError {}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn reads_bodies_of_all_kinds() {
        assert_eq!(body_text(Full::<bytes::Bytes>::from("text")).await, "text");
        assert_eq!(body_text(LocalBody::new("local")).await, "local");
        assert_eq!(body_text(ForeignBody::new("")).await, "");
    }

    #[test]
    fn a_foreign_body_can_be_sent() {
        fn check<T: Send>(_: T) {}
        check(ForeignBody::new(""));
    }
}
