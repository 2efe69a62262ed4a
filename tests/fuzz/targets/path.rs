//! The path of a request: one that is let in is read alike by the router, by whoever decodes
//! it, and by browsers.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::{MatchedPath, RawPathParams},
    routing::any,
};
use http::{Request, Uri};
use url::Url;

use super::perimeter::{Body, Guarded};
use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "path",
    check,
    dictionary: &[
        "/", "//", "/.", "/..", "/./", "/../", "%2e", "%2E%2e", "%2f", "%2F", "%5c", "%25",
        "%252f", "%00", "%0a", "%61", "%7e", "%c3%a4", "%ff", "%", "%%", "\\", ";", ";a=b", "?",
        "#", "*", "admin", "notes", "/admin/", "/notes/1", "parts", "{id}", "http://", "@", ":",
        ".json", "\u{ff41}", "+", "%20", "%3f", "%3b", "%23",
    ],
    executions: 15_000,
};

fn check(input: &[u8]) -> Answer {
    // What no parser of a request lets through need not be refused here.
    let Ok(uri) = Uri::try_from(input) else {
        return Answer::Refused;
    };
    let path = uri.path().to_owned();
    let mut request = Request::new(Body::new());
    *request.uri_mut() = uri;
    let Some(routed) = GUARDED.answer(request) else {
        return Answer::Refused;
    };

    let segments: Vec<Vec<u8>> = path
        .strip_prefix('/')
        .expect("a path that is let in is absolute")
        .split('/')
        .map(|segment| decoded(segment.as_bytes()))
        .collect();
    for (position, segment) in segments.iter().enumerate() {
        assert!(!matches!(&segment[..], b"." | b".."), "a dot segment");
        let is_last = position + 1 == segments.len();
        assert!(!segment.is_empty() || is_last, "an empty segment");
        assert!(
            !segment
                .iter()
                .any(|byte| matches!(byte, b'/' | b'\\' | 0..=0x1f | 0x7f)),
            "structure that was encoded"
        );
        assert_eq!(decoded(segment), *segment, "encoded twice");
    }

    // The router: the same route as after decoding, with the same parameters.
    assert_eq!(routed, shown(&segments));

    // A browser, or whoever follows its rules.
    let url = Url::parse(&format!("http://agent.example{path}")).unwrap();
    let seen: Vec<Vec<u8>> = url
        .path_segments()
        .unwrap()
        .map(|segment| decoded(segment.as_bytes()))
        .collect();
    assert_eq!(seen, segments, "the rules of browsers");
    assert_eq!((url.query(), url.fragment()), (None, None));
    Answer::Taken
}

static GUARDED: LazyLock<Guarded> = LazyLock::new(|| {
    let router: Router = Router::new()
        .route("/admin", any(seen))
        .route("/admin/{*rest}", any(seen))
        .route("/notes/{id}", any(seen))
        .route("/notes/{id}/parts/{part}", any(seen))
        .fallback(async || "nothing []".to_owned());
    Guarded::new(
        |builder| builder,
        tower::util::MapRequest::new(router, |request: Request<_>| {
            request.map(axum::body::Body::new)
        }),
    )
});

/// What the router has made of a path.
async fn seen(
    route: MatchedPath,
    parameters: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
) -> String {
    let parameters: Option<Vec<Vec<u8>>> = parameters.ok().map(|parameters| {
        let values = parameters
            .iter()
            .map(|(_, value)| value.as_bytes().to_vec());
        values.collect()
    });
    described(route.as_str(), parameters)
}

/// What it has to be, as seen from segments that are decoded already.
fn shown(segments: &[Vec<u8>]) -> String {
    let segments: Vec<&[u8]> = segments.iter().map(Vec::as_slice).collect();
    let (route, parameters) = match &segments[..] {
        [b"admin"] => ("/admin", Vec::new()),
        [b"admin", rest @ ..] if *rest != [b""] => ("/admin/{*rest}", vec![rest.join(&b'/')]),
        [b"notes", id] if !id.is_empty() => ("/notes/{id}", vec![id.to_vec()]),
        [b"notes", id, b"parts", part] if !part.is_empty() => {
            ("/notes/{id}/parts/{part}", vec![id.to_vec(), part.to_vec()])
        }
        _ => return "nothing []".to_owned(),
    };
    let is_text = parameters.iter().all(|value| str::from_utf8(value).is_ok());
    described(route, is_text.then_some(parameters))
}

fn described(route: &str, parameters: Option<Vec<Vec<u8>>>) -> String {
    match parameters {
        Some(parameters) => {
            let texts = parameters
                .iter()
                .map(|value| String::from_utf8_lossy(value));
            format!("{route} {:?}", texts.collect::<Vec<_>>())
        }
        None => format!("{route} which is no text"),
    }
}

/// Percent-encodings taken out, once.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let pair = tail.get(..2).and_then(|pair| str::from_utf8(pair).ok());
        let is_hex = pair.is_some_and(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match pair {
            Some(pair) if *first == b'%' && is_hex => {
                decoded.push(u8::from_str_radix(pair, 16).unwrap());
                rest = &tail[2..];
            }
            _ => decoded.push(*first),
        }
    }
    decoded
}
