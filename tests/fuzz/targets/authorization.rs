//! The `Authorization` header: one line of the input for each time that it is sent.

use http::{HeaderValue, Request, header::AUTHORIZATION, request::Parts};
use portcullis::{RequestView, Timestamp};

use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "authorization",
    check,
    dictionary: &[
        "Bearer ",
        "bearer ",
        "BEARER",
        "DPoP ",
        "Basic ",
        "Digest ",
        " ",
        "  ",
        "\t",
        "\n",
        ",",
        ", ",
        "=",
        "==",
        "\n\n",
        "\nBearer ",
        "\"",
        "~",
        "+/",
        "\u{e4}",
        "\u{a0}",
        "\u{0}",
    ],
    executions: 40_000,
};

fn check(input: &[u8]) -> Answer {
    let Some(values) = values(input) else {
        return Answer::Refused;
    };
    let parts = head(&values);
    let view = RequestView::new(&parts, Timestamp::UNIX_EPOCH);
    let read = view.try_authorization();
    // Two ways to ask, one answer.
    let found = view.authorization();
    assert_eq!(
        read.ok().flatten().map(|read| read.credentials()),
        found.map(|found| found.credentials())
    );
    if values.is_empty() {
        assert!(matches!(read, Ok(None)), "{read:?} without a header");
    }
    if values.len() > 1 {
        assert!(read.is_err(), "one of two headers was chosen");
    }
    let Some(found) = found else {
        assert_eq!(view.bearer(), None);
        return Answer::Refused;
    };

    let value = values[0].as_bytes();
    let credentials = found.credentials();
    let scheme = value
        .strip_suffix(credentials.as_bytes())
        .and_then(|lead| lead.strip_suffix(b" "))
        .expect("what was read is the end of what was sent");
    let scheme = str::from_utf8(scheme).expect("a scheme is text");
    assert!(!scheme.is_empty() && !credentials.is_empty());
    assert!(found.is_scheme(scheme));
    assert!(found.is_scheme(&scheme.to_ascii_uppercase()));

    // Whoever splits at blanks, as many do, reads the same.
    let text = str::from_utf8(value).expect("what was read is text");
    let mut words = text.split_whitespace();
    assert_eq!(words.next(), Some(scheme));
    assert!(credentials.starts_with(words.next().expect("there are credentials")));
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    assert_eq!(view.bearer(), is_bearer.then_some(credentials));
    if is_bearer || scheme.eq_ignore_ascii_case("dpop") {
        assert_eq!(words.next(), None, "a token is one word");
        // Whoever reads a list, too.
        assert_eq!(text.split(',').count(), 1, "a token is no list");
        assert!(!credentials.starts_with('='));
    }

    // One more of the same is two, and another header changes nothing.
    let twice = head(&[values[0].clone(), values[0].clone()]);
    assert!(
        RequestView::new(&twice, Timestamp::UNIX_EPOCH)
            .try_authorization()
            .is_err()
    );
    let mut beside = head(&values);
    beside
        .headers
        .insert("x-authorization", HeaderValue::from_static("Bearer other"));
    assert_eq!(
        RequestView::new(&beside, Timestamp::UNIX_EPOCH).bearer(),
        view.bearer()
    );
    Answer::Taken
}

/// The lines, if all of them can be sent.
fn values(input: &[u8]) -> Option<Vec<HeaderValue>> {
    if input.is_empty() {
        return Some(Vec::new());
    }
    input
        .split(|byte| *byte == b'\n')
        .map(|line| HeaderValue::from_bytes(line).ok())
        .collect()
}

fn head(values: &[HeaderValue]) -> Parts {
    let mut parts = Request::new(()).into_parts().0;
    for value in values {
        parts.headers.append(AUTHORIZATION, value.clone());
    }
    parts
}
