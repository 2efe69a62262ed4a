//! Handlers that stream for as long as they are read.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use portcullis::Clock as _;
use portcullis_testing::clock::VirtualClock;
use tower::Service;

/// One event of server-sent events.
pub const TICK: &str = "data: tick\n\n";

/// What a [`streaming`] handler answers with.
pub type Ticks = UnsyncBoxBody<Bytes, Infallible>;

/// A handler whose answers give this text at once and every second of the clock, for ever.
#[must_use]
pub fn streaming<B>(
    clock: &VirtualClock,
    content_type: &'static str,
    text: &'static str,
) -> impl Service<Request<B>, Response = Response<Ticks>, Error = Infallible, Future: Send>
+ Clone
+ use<B> {
    let clock = clock.clone();
    tower::service_fn(move |_| {
        let mut response = Response::new(every_second(&clock, text));
        let content_type = HeaderValue::from_static(content_type);
        response
            .headers_mut()
            .append(header::CONTENT_TYPE, content_type);
        std::future::ready(Ok(response))
    })
}

fn every_second(clock: &VirtualClock, text: &'static str) -> Ticks {
    let frame = move || Ok(Frame::data(Bytes::from_static(text.as_bytes())));
    let later = stream::unfold(clock.clone(), move |clock| async move {
        clock
            .sleep_until(clock.instant() + Duration::from_secs(1))
            .await;
        Some((frame(), clock))
    });
    let first = stream::iter([frame()]);
    StreamBody::new(first.chain(later)).boxed_unsync()
}
