//! The body that the client reads.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::response::Parts;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use portcullis_core::EndReason;

use super::{
    flown::{Flown, Over},
    tail::Tail,
};
use crate::{BoxError, goodbye::Words};

pin_project! {
    /// The body of a response: the handler's, or one that the gate gives by itself.
    ///
    /// It has one error type however many layers stand on top of each other.
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        // What a stream logs when it is dropped belongs to its request, too.
        fn drop(this: Pin<&mut Self>) {
            let mut kind = this.project().kind;
            if let KindProjection::Handler { flown, .. } = kind.as_mut().project()
                && let Some(span) = flown.exchange().span_to_enter()
            {
                span.in_scope(|| kind.set(Kind::Cut));
            }
        }
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Handler {
            #[pin]
            body: B,
            flown: Flown,
            // Where in an event it is, if it is a stream of them that can be written to.
            events: Option<Tail>,
        },
        Cut,
        Own { body: Bytes },
    }
}

impl<B> ResponseBody<B> {
    /// The handler's body. It is polled as a part of its request, as the handler was.
    pub(super) fn handler(body: B, mut flown: Flown, parts: &Parts) -> Self {
        if flown.has_no_body(parts) {
            flown.complete();
        }
        let is_looked_after = flown.is_looked_after();
        let events = is_looked_after.then(|| Tail::of(parts)).flatten();
        Self {
            kind: Kind::Handler {
                body,
                flown,
                events,
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
        let (last, exchange) = match kind.as_mut().project() {
            KindProjection::Handler {
                mut body,
                flown,
                events,
            } => match poll_guarded(body.as_mut(), flown, events, cx) {
                Ok(frame) => return frame,
                Err(over) => {
                    flown.cut(over);
                    // What has a length would be longer than that with a goodbye.
                    let has_room = body.size_hint().exact().is_none();
                    let last = last_frame(over, events.as_ref().filter(|_| has_room), flown);
                    (last, flown.exchange().clone())
                }
            },
            KindProjection::Own { body } => {
                let rest = std::mem::take(body);
                return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
            }
            KindProjection::Cut => return Poll::Ready(None),
        };
        // The handler's body is dropped here, and all that it holds.
        exchange.in_span(|| kind.set(Kind::Cut));
        Poll::Ready(last)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Handler { body, flown, .. } => {
                let is_at_the_end = body.is_end_stream();
                flown.tell(is_at_the_end);
                is_at_the_end
            }
            Kind::Own { body } => body.is_empty(),
            Kind::Cut => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Handler { body, .. } => body.size_hint(),
            Kind::Own { body } => SizeHint::with_exact(body.len() as u64),
            Kind::Cut => SizeHint::with_exact(0),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

/// Polls a handler's body, unless its request has to end.
fn poll_guarded<B>(
    mut body: Pin<&mut B>,
    flown: &mut Flown,
    events: &mut Option<Tail>,
    cx: &mut Context<'_>,
) -> Result<Polled, Over>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    if let Some(over) = flown.over() {
        return Err(over);
    }
    let frame = flown.exchange().run(|| body.as_mut().poll_frame(cx));
    match &frame {
        Poll::Pending => {
            if let Poll::Ready(over) = flown.poll_over(cx) {
                return Err(over);
            }
        }
        Poll::Ready(None) => {
            flown.complete();
            flown.rest();
        }
        Poll::Ready(Some(Err(_))) => {
            flown.fail();
            flown.rest();
        }
        // Whoever reads may stop here.
        Poll::Ready(Some(Ok(_))) if body.is_end_stream() => {
            flown.complete();
            flown.rest();
        }
        Poll::Ready(Some(Ok(frame))) => {
            if let (Some(tail), Some(bytes)) = (events, frame.data_ref()) {
                tail.add(bytes);
            }
            flown.go_on();
        }
    }
    Ok(frame.map(|frame| frame.map(|frame| frame.map_err(BodyError::handler))))
}

/// The last frame of a body that is ended: a goodbye where there is room for one, otherwise an
/// error, or the client would take what it has for the whole. In the middle of an event there is
/// no goodbye: what is there of the event would be taken for the whole of it.
fn last_frame(
    over: Over,
    events: Option<&Tail>,
    flown: &Flown,
) -> Option<Result<Frame<Bytes>, BodyError>> {
    let tail = events.filter(|tail| tail.is_in_between());
    match tail.map_or(Words::Error, |tail| flown.last_words(over, tail)) {
        Words::End => None,
        Words::Error => Some(Err(BodyError(Cause::Over(over)))),
        Words::Say(_, bytes) => Some(Ok(Frame::data(bytes))),
    }
}

/// Why a response's body ended early.
#[derive(Debug)]
pub struct BodyError(Cause);

#[derive(Debug)]
enum Cause {
    Handler(BoxError),
    Over(Over),
}

impl BodyError {
    /// Keeps an error that is one of ours already, so that layers do not nest it.
    fn handler(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(own) => *own,
            Err(other) => Self(Cause::Handler(other)),
        }
    }

    /// Why the session is over, where that ended the body.
    #[must_use]
    pub fn session_over(&self) -> Option<EndReason> {
        match self.0 {
            Cause::Over(Over::Session(reason)) => Some(reason),
            Cause::Over(Over::Shutdown) | Cause::Handler(_) => None,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Cause::Handler(_) => "the handler's response body failed",
            Cause::Over(Over::Session(_)) => "the session is over",
            Cause::Over(Over::Shutdown) => "the server is shut down",
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

    use std::sync::Arc;

    use super::*;
    use crate::{
        ambient::Ambient,
        exchange::Exchange,
        frame::{Steps, presence::Presence},
    };

    fn flown() -> Flown {
        let shared = Ambient::default().build().unwrap();
        let shared = Arc::new(shared);
        let steps = Arc::new(Steps::new(Vec::new(), Arc::clone(&shared)));
        let (mut parts, ()) = http::Request::new(()).into_parts();
        let exchange = Exchange::open(&mut parts, &shared);
        Flown::new(Presence::enter(&steps, true).unwrap(), exchange)
    }

    fn parts() -> Parts {
        http::Response::new(()).into_parts().0
    }

    #[tokio::test]
    async fn keeps_a_known_length() {
        let four = Full::new(Bytes::from_static(b"four"));
        let body = ResponseBody::handler(four, flown(), &parts());
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
        let inner = ResponseBody::handler(StreamBody::new(frames), flown(), &parts());
        let body = ResponseBody::handler(inner, flown(), &parts());
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
