//! Responses, good and bad.

use std::{
    future::{Future as _, pending},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use portcullis_core::{Clock, Sleep};
use serde_json::Value;

use super::Misbehaviour;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// One byte of a slow answer takes this long.
const DRIP: Duration = Duration::from_secs(1);

pub(super) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}

pub(super) fn json(status: StatusCode, value: &Value, cache_control: &str) -> Response<Body> {
    let mut response = text("application/json", value.to_string());
    *response.status_mut() = status;
    if let (false, Ok(value)) = (
        cache_control.is_empty(),
        HeaderValue::from_str(cache_control),
    ) {
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}

fn text(content_type: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(text.into()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Turns the answer as it should be into what was asked for instead.
pub(super) async fn spoil(
    response: Response<Body>,
    misbehaviour: Misbehaviour,
    clock: &Arc<dyn Clock>,
) -> Response<Body> {
    match misbehaviour {
        // Done where the metadata is written.
        Misbehaviour::WrongIssuer(_) => response,
        Misbehaviour::Status(code) => {
            status(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
        Misbehaviour::Html => text("text/html", "<!doctype html><title>Welcome</title>"),
        Misbehaviour::Body(body) => text("application/json", body),
        Misbehaviour::EmptySet => text("application/json", r#"{"keys":[]}"#),
        Misbehaviour::HugeBody => {
            let chunk = Bytes::from(vec![b'a'; 65_536]);
            let head = Bytes::from_static(br#"{"keys":[],"filler":""#);
            pieces(
                response,
                std::iter::once(head).chain(std::iter::repeat_n(chunk, 1600)),
            )
        }
        Misbehaviour::GzipBomb => {
            let mut response = pieces(response, gzip_bomb());
            let gzip = HeaderValue::from_static("gzip");
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, gzip);
            response
        }
        Misbehaviour::SlowDrip => {
            let (parts, body) = response.into_parts();
            let bytes = body.collect().await.map(|body| body.to_bytes());
            let drip = Pieces {
                pieces: Box::new(
                    bytes
                        .unwrap_or_default()
                        .into_iter()
                        .map(|byte| Bytes::from(vec![byte])),
                ),
                pause: Some((Arc::clone(clock), None)),
                end: End::Whole,
            };
            Response::from_parts(parts, drip.boxed_unsync())
        }
        Misbehaviour::CutShort => {
            let (mut parts, body) = response.into_parts();
            let bytes = body
                .collect()
                .await
                .map(|body| body.to_bytes())
                .unwrap_or_default();
            parts
                .headers
                .insert(header::CONTENT_LENGTH, bytes.len().into());
            let half = bytes.slice(..bytes.len() / 2);
            let cut = Pieces {
                pieces: Box::new(std::iter::once(half)),
                pause: None,
                end: End::CutAfterFlush,
            };
            Response::from_parts(parts, cut.boxed_unsync())
        }
        Misbehaviour::NeverAnswers => pending().await,
        Misbehaviour::RedirectTo(address) => {
            let mut response = status(StatusCode::FOUND);
            if let Ok(address) = HeaderValue::try_from(address) {
                response.headers_mut().insert(header::LOCATION, address);
            }
            response
        }
    }
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn pieces(
    response: Response<Body>,
    pieces: impl Iterator<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    response.map(|_| {
        Pieces {
            pieces: Box::new(pieces),
            pause: None,
            end: End::Whole,
        }
        .boxed_unsync()
    })
}

/// A body that is made while it is sent.
struct Pieces {
    pieces: Box<dyn Iterator<Item = Bytes> + Send>,
    pause: Option<(Arc<dyn Clock>, Option<Sleep>)>,
    end: End,
}

/// How a body ends.
#[derive(Clone, Copy)]
enum End {
    Whole,
    // A connection that breaks at once may lose what was written before.
    CutAfterFlush,
    Cut,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if let Some((clock, sleep)) = &mut this.pause {
            let running = sleep.get_or_insert_with(|| clock.sleep_until(clock.instant() + DRIP));
            ready!(Pin::new(running).poll(cx));
            *sleep = None;
        }
        if let Some(piece) = this.pieces.next() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match this.end {
            End::Whole => Poll::Ready(None),
            End::CutAfterFlush => {
                this.end = End::Cut;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            End::Cut => Poll::Ready(Some(Err(io::Error::other("cut short on request")))),
        }
    }
}

/// A gzip member (RFC 1952) of one endless deflate block (RFC 1951 §3.2.6): one blank, then
/// the same copy of 258 bytes from distance 1, thirteen bits each, until 100 MiB are told.
fn gzip_bomb() -> impl Iterator<Item = Bytes> + Send {
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    // Not the last block, fixed codes: bits 0, 1, 0. The blank: code 0x30 + 0x20, eight bits
    // from the highest. Then copies: length code 285 is 11000101, distance code 0 is 00000.
    let mut bits = vec![0, 1, 0];
    bits.extend([0, 1, 0, 1, 0, 0, 0, 0]);
    let copy = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
    // Eleven bits so far; after 8 copies the position within the byte is the same again.
    bits.extend(copy.iter().cycle().take(13 * 8 * 50).copied());
    let packed = |bits: &[u8]| -> Vec<u8> {
        let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit);
        bits.chunks_exact(8).map(byte).collect()
    };
    let first = packed(&bits);
    // From the second byte on, whole turns of eight copies follow each other.
    let turn: Vec<u8> = first.iter().skip(2).take(13 * 48).copied().collect();
    let start: Vec<u8> = first.iter().take(2).copied().collect();
    let turns = 100 * 1024 * 1024 / (258 * 8 * 48);
    [Bytes::from(head.to_vec()), Bytes::from(start)]
        .into_iter()
        .chain(std::iter::repeat_n(Bytes::from(turn), turns))
}
