//! The `traceparent` header: one line of the input for each time that it is sent.

use http::{HeaderMap, HeaderValue};
use portcullis::{ParentId, TraceId, TraceParent};

use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "trace_parent",
    check,
    dictionary: &[
        "00-",
        "01-",
        "cc-",
        "fe-",
        "ff-",
        "-",
        "--",
        "-00",
        "-01",
        "-02",
        "-03",
        "-ff",
        "-0",
        "-01-",
        "-01-later",
        "-01.",
        "\n",
        " ",
        "\t",
        ",",
        "A",
        "g",
        "0x",
        "00000000000000000000000000000000",
        "0000000000000000",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "00f067aa0ba902b7",
        "\u{ff41}",
    ],
    executions: 40_000,
};

fn check(input: &[u8]) -> Answer {
    let lines: Option<Vec<HeaderValue>> = input
        .split(|byte| *byte == b'\n')
        .map(|line| HeaderValue::from_bytes(line).ok())
        .collect();
    let Some(lines) = lines else {
        return Answer::Refused;
    };
    let mut headers = HeaderMap::new();
    for line in &lines {
        headers.append("traceparent", line.clone());
    }
    let Some(read) = TraceParent::of(&headers) else {
        // The same text is no `traceparent` by itself, either.
        if let ([line], Ok(text)) = (&*lines, str::from_utf8(input)) {
            assert_eq!(line.as_bytes(), input);
            let said = text.parse::<TraceParent>().unwrap_err().to_string();
            assert!(said.len() < 120 && said.is_ascii(), "{said:?}");
        }
        return Answer::Refused;
    };
    let [line] = &*lines else {
        panic!("one of two headers was chosen");
    };

    // Whoever splits at dashes, as many do, reads the same. What a later version says behind the
    // flags may be anything.
    let (text, more) = line.as_bytes().split_at(55);
    let text = str::from_utf8(text).expect("what was read is text");
    let mut fields = text.split('-');
    let version = fields.next().expect("there is a version");
    assert!(version.len() == 2 && version != "ff");
    assert!(more.is_empty() || version != "00" && more.starts_with(b"-"));
    assert_eq!(fields.next(), Some(&*read.trace_id().to_string()));
    assert_eq!(fields.next(), Some(&*read.parent_id().to_string()));
    let flags = fields.next().expect("there are flags");
    let bits = u8::from_str_radix(flags, 16).expect("flags are a number");
    assert_eq!(read.is_sampled(), bits & 1 == 1);
    assert_eq!(text, text.to_lowercase());
    assert_eq!((flags.len(), fields.next()), (2, None));

    // It is written in one form, and is never all zero.
    let written = read.to_string();
    assert_eq!(written.parse(), Ok(read));
    assert_eq!(written.len(), 55);
    assert!(written.starts_with(&format!("00{}-0", &text[2..52])));
    assert!(TraceId::from_bytes(read.trace_id().to_bytes()).is_some());
    assert!(ParentId::from_bytes(read.parent_id().to_bytes()).is_some());

    // Twice is not at all.
    headers.append("traceparent", line.clone());
    assert_eq!(TraceParent::of(&headers), None);
    Answer::Taken
}
