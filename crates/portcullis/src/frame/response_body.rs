//! The body that the client reads.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use portcullis_core::EndReason;

use super::{
    closing::Closing,
    guard::{Ending, Guard},
};
use crate::{BoxError, exchange::Exchange};

pin_project! {
    /// The body of a response: the handler's, or one that the gate gives by itself.
    ///
    /// It has one error type however many layers stand on top of each other.
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Handler {
            #[pin]
            body: B,
            exchange: Exchange,
            guard: Option<Guard>,
            closing: Option<Closing>,
        },
        Cut { ending: Option<Ending>, reason: EndReason },
        Own { body: Bytes },
    }
}

impl<B> ResponseBody<B> {
    /// The handler's body. It is polled as a part of its request, as the handler was.
    pub(super) fn handler(
        body: B,
        exchange: Exchange,
        guard: Option<Guard>,
        closing: Option<Closing>,
    ) -> Self {
        Self {
            kind: Kind::Handler {
                body,
                exchange,
                guard,
                closing,
            },
        }
    }

    pub(super) fn own(body: Bytes) -> Self {
        Self {
            kind: Kind::Own { body },
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut kind = self.project().kind;
        let reason = match kind.as_mut().project() {
            KindProjection::Handler {
                body,
                exchange,
                guard,
                closing,
            } => match poll_guarded(body, exchange, guard, closing, cx) {
                Guarded::Frame(frame) => return frame,
                Guarded::Over(ending, reason) => {
                    // The handler's body is dropped here, and all that it holds.
                    let ending = Some(ending);
                    kind.as_mut().set(Kind::Cut { ending, reason });
                    reason
                }
            },
            KindProjection::Own { body } => {
                let rest = std::mem::take(body);
                return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
            }
            KindProjection::Cut { reason, .. } => *reason,
        };
        let KindProjection::Cut { ending, .. } = kind.project() else {
            return Poll::Ready(None);
        };
        Poll::Ready(ending.take().map(|ending| match ending {
            Ending::Goodbye(bytes) => Ok(Frame::data(bytes)),
            Ending::Error => Err(BodyError::over(reason)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Handler { body, closing, .. } => {
                let is_at_the_end = body.is_end_stream();
                if let Some(closing) = closing {
                    closing.tell(is_at_the_end);
                }
                is_at_the_end
            }
            Kind::Own { body } => body.is_empty(),
            Kind::Cut { ending, .. } => ending.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Handler { body, .. } => body.size_hint(),
            Kind::Own { body } => SizeHint::with_exact(body.len() as u64),
            Kind::Cut { .. } => SizeHint::default(),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

/// What came of looking at a handler's body.
enum Guarded {
    Frame(Poll<Option<Result<Frame<Bytes>, BodyError>>>),
    Over(Ending, EndReason),
}

fn poll_guarded<B>(
    mut body: Pin<&mut B>,
    exchange: &Exchange,
    guard: &mut Option<Guard>,
    closing: &mut Option<Closing>,
    cx: &mut Context<'_>,
) -> Guarded
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    if let Some(guard) = guard
        && let Some(reason) = guard.over()
    {
        closing.iter_mut().for_each(Closing::cut);
        return Guarded::Over(guard.ending(), reason);
    }
    let frame = exchange.run(|| body.as_mut().poll_frame(cx));
    if let Some(closing) = closing {
        match &frame {
            Poll::Ready(None) => closing.complete(),
            Poll::Ready(Some(Err(_))) => closing.fail(),
            // Whoever reads may stop here.
            Poll::Ready(Some(Ok(_))) if body.is_end_stream() => closing.complete(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
    }
    match (&frame, guard.as_mut()) {
        (_, None) => {}
        (Poll::Pending, Some(guard)) => {
            if let Poll::Ready(reason) = guard.poll_over(exchange, cx) {
                closing.iter_mut().for_each(Closing::cut);
                return Guarded::Over(guard.ending(), reason);
            }
        }
        (Poll::Ready(Some(Ok(frame))), Some(guard)) if !body.is_end_stream() => {
            guard.go_on(exchange, frame.data_ref());
        }
        // The request has ended by itself.
        (Poll::Ready(_), Some(_)) => *guard = None,
    }
    Guarded::Frame(frame.map(|frame| frame.map(|frame| frame.map_err(BodyError::handler))))
}

/// Why a response's body ended early.
#[derive(Debug)]
pub struct BodyError(Cause);

#[derive(Debug)]
enum Cause {
    Handler(BoxError),
    Over(EndReason),
}

impl BodyError {
    /// Keeps an error that is one of ours already, so that layers do not nest it.
    fn handler(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(own) => *own,
            Err(other) => Self(Cause::Handler(other)),
        }
    }

    fn over(reason: EndReason) -> Self {
        Self(Cause::Over(reason))
    }

    /// Why the session is over, where that ended the body.
    #[must_use]
    pub fn session_over(&self) -> Option<EndReason> {
        match self.0 {
            Cause::Over(reason) => Some(reason),
            Cause::Handler(_) => None,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Cause::Handler(_) => "the handler's response body failed",
            Cause::Over(_) => "the session is over",
        })
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Cause::Handler(error) => Some(&**error),
            Cause::Over(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt as _, Full, StreamBody};

    use super::*;
    use crate::ambient::Ambient;

    fn exchange() -> Exchange {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        Exchange::open(&mut parts, &Ambient::default().build().unwrap())
    }

    #[tokio::test]
    async fn keeps_a_known_length() {
        let body = ResponseBody::handler(
            Full::new(Bytes::from_static(b"four")),
            exchange(),
            None,
            None,
        );
        assert_eq!(body.size_hint().exact(), Some(4));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "four");
        let own: ResponseBody<Full<Bytes>> = ResponseBody::own(Bytes::from_static(b"no"));
        assert_eq!(own.size_hint().exact(), Some(2));
        assert_eq!(own.collect().await.unwrap().to_bytes(), "no");
        let empty: ResponseBody<Full<Bytes>> = ResponseBody::own(Bytes::new());
        assert!(empty.is_end_stream());
    }

    #[tokio::test]
    async fn layers_do_not_nest_the_error() {
        let frames = tokio_test::stream_mock::StreamMockBuilder::new()
            .next(Err::<Frame<Bytes>, _>(std::io::Error::other("cut")))
            .build();
        let inner = ResponseBody::handler(StreamBody::new(frames), exchange(), None, None);
        let body = ResponseBody::handler(inner, exchange(), None, None);
        let error: BodyError = body.collect().await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "cut");
    }

    #[test]
    fn takes_any_error() {
        fn assert_body<B: Body<Data = Bytes, Error = BodyError>>() {}
        assert_body::<ResponseBody<Full<Bytes>>>();
        assert_body::<ResponseBody<http_body_util::combinators::BoxBody<Bytes, Infallible>>>();
        assert_body::<ResponseBody<http_body_util::combinators::BoxBody<Bytes, BoxError>>>();
    }
}
