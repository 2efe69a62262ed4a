//! The body that the handler reads.

use std::{
    fmt,
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Limited;
use pin_project_lite::pin_project;

use crate::{BoxError, exchange::Exchange, goodbye::Look};

pin_project! {
    /// The body of a request behind the perimeter: the client's, within the limit.
    ///
    /// Its error is a boxed one. When the limit is passed, it is (or wraps) an
    /// [`http_body_util::LengthLimitError`], which axum's extractors answer with 413.
    pub struct RequestBody<B> {
        #[pin]
        kind: Kind<B>,
        // Looks for the JSON-RPC call in it, where somebody wants to know.
        look: Option<Look>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        AsItIs { #[pin] body: B },
        Limited { #[pin] body: Limited<B> },
    }
}

impl<B> RequestBody<B> {
    fn new(body: B, limit: Option<u64>, look: Option<Look>) -> Self {
        let kind = match limit.map(usize::try_from) {
            Some(Ok(limit)) => Kind::Limited {
                body: Limited::new(body, limit),
            },
            // A limit beyond what the machine can address limits nothing.
            Some(Err(_)) | None => Kind::AsItIs { body },
        };
        Self { kind, look }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let frame = match this.kind.as_mut().project() {
            KindProjection::AsItIs { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            KindProjection::Limited { body } => body.poll_frame(cx),
        };
        if let (Some(look), Poll::Ready(frame)) = (&mut *this.look, &frame) {
            let goes_on = match frame {
                Some(Ok(frame)) => {
                    let part = frame.data_ref().map(Bytes::as_ref).unwrap_or_default();
                    look.add(part, this.kind.is_end_stream())
                }
                Some(Err(_)) => false,
                None => {
                    look.end();
                    false
                }
            };
            if !goes_on {
                *this.look = None;
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.kind.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::AsItIs { body } => body.size_hint(),
            Kind::Limited { body } => body.size_hint(),
        }
    }
}

impl<B> Kind<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    fn is_end_stream(&self) -> bool {
        match self {
            Self::AsItIs { body } => body.is_end_stream(),
            Self::Limited { body } => body.is_end_stream(),
        }
    }
}

impl<B> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

/// What a layer makes of the body's type. Sealed by being unnameable outside.
pub trait RequestBodies<B> {
    /// What the inner service is given.
    type Body;

    /// Reads it, where the gate answers by itself.
    type Reading: Future<Output = Result<Bytes, Unread>>;

    #[doc(hidden)]
    fn make(body: B, exchange: &Exchange) -> Self::Body;

    #[doc(hidden)]
    fn read(body: B, limit: usize) -> Self::Reading;
}

/// Layers that leave the body as it is.
#[derive(Clone, Copy, Debug)]
pub struct KeepBody;

impl<B> RequestBodies<B> for KeepBody {
    type Body = B;
    type Reading = Ready<Result<Bytes, Unread>>;

    fn make(body: B, _exchange: &Exchange) -> B {
        body
    }

    /// Nothing in such a layer asks for it.
    fn read(_body: B, _limit: usize) -> Self::Reading {
        ready(Err(Unread::Failed))
    }
}

/// Layers that hand on a [`RequestBody`].
#[derive(Clone, Copy, Debug)]
pub struct WrapBody;

impl<B> RequestBodies<B> for WrapBody {
    type Body = RequestBody<B>;
    type Reading = Ready<Result<Bytes, Unread>>;

    fn make(body: B, exchange: &Exchange) -> RequestBody<B> {
        RequestBody::new(body, exchange.body_limit(), Look::of(exchange))
    }

    /// Nothing in such a layer asks for it.
    fn read(_body: B, _limit: usize) -> Self::Reading {
        ready(Err(Unread::Failed))
    }
}

/// The gate, which hands on a [`RequestBody`], and reads what is for itself.
#[derive(Clone, Copy, Debug)]
pub struct WrapOrReadBody;

impl<B: Body> RequestBodies<B> for WrapOrReadBody {
    type Body = RequestBody<B>;
    type Reading = ReadBody<B>;

    fn make(body: B, exchange: &Exchange) -> RequestBody<B> {
        RequestBody::new(body, exchange.body_limit(), Look::of(exchange))
    }

    fn read(body: B, limit: usize) -> ReadBody<B> {
        ReadBody {
            body,
            read: Vec::new(),
            limit,
        }
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unread {
    /// It broke off.
    Failed,
    /// It did not come in time.
    Late,
    /// It is longer than it may be.
    TooLong,
}

pin_project! {
    /// Reads a body to its end, within a limit.
    pub struct ReadBody<B> {
        #[pin]
        body: B,
        read: Vec<u8>,
        limit: usize,
    }
}

impl<B: Body> Future for ReadBody<B> {
    type Output = Result<Bytes, Unread>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let frame = match ready!(this.body.as_mut().poll_frame(cx)) {
                None => return Poll::Ready(Ok(std::mem::take(this.read).into())),
                Some(Err(_)) => return Poll::Ready(Err(Unread::Failed)),
                Some(Ok(frame)) => frame,
            };
            // Trailers say nothing here.
            let Ok(mut data) = frame.into_data() else {
                continue;
            };
            if data.remaining() > this.limit.saturating_sub(this.read.len()) {
                return Poll::Ready(Err(Unread::TooLong));
            }
            this.read.reserve_exact(data.remaining());
            while data.has_remaining() {
                let chunk = data.chunk();
                let len = chunk.len();
                this.read.extend_from_slice(chunk);
                data.advance(len);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    #[tokio::test]
    async fn a_body_within_the_limit_is_as_it_was() {
        let body = RequestBody::new(Full::new(Bytes::from_static(b"four")), Some(4), None);
        assert_eq!(body.size_hint().exact(), Some(4));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "four");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_ends_with_the_error_that_axum_knows() {
        for limit in [0, 3] {
            let body = RequestBody::new(Full::new(Bytes::from_static(b"four")), Some(limit), None);
            let error = body.collect().await.unwrap_err();
            assert!(error.is::<http_body_util::LengthLimitError>(), "{error}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_limit_and_no_further() {
        let read = |limit| {
            let body = Full::new(Bytes::from_static(b"four"));
            <WrapOrReadBody as RequestBodies<_>>::read(body, limit)
        };
        assert_eq!(read(4).await.unwrap(), "four");
        assert_eq!(read(3).await, Err(Unread::TooLong));
        assert_eq!(read(0).await, Err(Unread::TooLong));
    }

    #[tokio::test]
    async fn without_a_limit_nothing_is_cut() {
        let body = RequestBody::new(Full::new(Bytes::from(vec![0; 1 << 20])), None, None);
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 1 << 20);
    }
}
