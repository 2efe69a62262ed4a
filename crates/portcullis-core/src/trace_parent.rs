//! Which trace a request belongs to, as its sender says.

use std::{fmt, str::FromStr};

use http::{HeaderMap, HeaderName};

/// How long a `traceparent` of version 00 is. Later ones are at least as long.
const LENGTH: usize = 55;

/// The header. A name that is parsed already: it is looked for in every request.
static HEADER: HeaderName = HeaderName::from_static("traceparent");

/// Which trace a request belongs to, and of which operation in it it is a part: the header
/// `traceparent` of [W3C Trace Context](https://www.w3.org/TR/trace-context/).
///
/// **Whoever sent it chose it.** It helps to find what belongs together and proves nothing: a
/// stranger may send the id of somebody else's trace, or the same id with every request. What is
/// decided by it is decided by the sender.
///
/// `Display` is the header in version 00, whichever version was read.
///
/// # Example
///
/// ```
/// use portcullis_core::TraceParent;
///
/// let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let trace: TraceParent = sent.parse()?;
/// assert_eq!(trace.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(trace.parent_id().to_string(), "00f067aa0ba902b7");
/// assert!(trace.is_sampled());
/// assert_eq!(trace.to_string(), sent);
/// # Ok::<(), portcullis_core::InvalidTraceParent>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TraceParent {
    trace_id: TraceId,
    parent_id: ParentId,
    is_sampled: bool,
}

impl TraceParent {
    /// From its parts.
    #[must_use]
    pub const fn new(trace_id: TraceId, parent_id: ParentId, is_sampled: bool) -> Self {
        Self {
            trace_id,
            parent_id,
            is_sampled,
        }
    }

    /// What the head of a request says. `None` where it says nothing, what it says cannot be
    /// read, or it says it twice: then whoever read the first header and whoever read the last
    /// would follow two traces.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(&HEADER).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        Self::read(value.as_bytes()).ok()
    }

    /// The trace.
    #[must_use]
    pub const fn trace_id(self) -> TraceId {
        self.trace_id
    }

    /// The operation of the sender that the request is a part of.
    #[must_use]
    pub const fn parent_id(self) -> ParentId {
        self.parent_id
    }

    /// Whether the sender may have kept the trace. It is a hint, like all of it: whoever keeps
    /// what is sampled lets strangers decide what is kept.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.is_sampled
    }

    fn read(value: &[u8]) -> Result<Self, InvalidTraceParent> {
        let (version, rest) = field::<1>(value).ok_or(InvalidTraceParent(
            "a traceparent begins with a version: two hexadecimal digits in lower case, and a dash",
        ))?;
        // Version 00 ends where it ends. Later ones begin as it does, and say more behind a dash.
        match (version, value.get(LENGTH)) {
            ([0xff], _) => {
                return Err(InvalidTraceParent("the version of a traceparent is not ff"));
            }
            ([0], Some(_)) => {
                return Err(InvalidTraceParent(
                    "a traceparent of version 00 is 55 characters long",
                ));
            }
            (_, None | Some(b'-')) => {}
            (_, Some(_)) => {
                return Err(InvalidTraceParent(
                    "what follows the flags of a traceparent follows a dash",
                ));
            }
        }
        let (trace_id, rest) = field(rest)
            .and_then(|(bytes, rest)| Some((TraceId::from_bytes(bytes)?, rest)))
            .ok_or(InvalidTraceParent(
                "the trace id of a traceparent is 32 hexadecimal digits in lower case, not all \
                 zero, and a dash",
            ))?;
        let (parent_id, rest) = field(rest)
            .and_then(|(bytes, rest)| Some((ParentId::from_bytes(bytes)?, rest)))
            .ok_or(InvalidTraceParent(
                "the parent id of a traceparent is 16 hexadecimal digits in lower case, not all \
                 zero, and a dash",
            ))?;
        let flags = rest.get(..2).and_then(hex::<1>);
        let [flags] = flags.ok_or(InvalidTraceParent(
            "the flags of a traceparent are two hexadecimal digits in lower case",
        ))?;
        Ok(Self {
            trace_id,
            parent_id,
            // The other bits are not defined, and a number they make means nothing.
            is_sampled: flags & 1 == 1,
        })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.is_sampled);
        write!(f, "00-{}-{}-{flags:02x}", self.trace_id, self.parent_id)
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(value: &str) -> Result<Self, InvalidTraceParent> {
        Self::read(value.as_bytes())
    }
}

/// The id of a trace: 16 bytes, not all zero. `Display` is hexadecimal, in lower case.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// From 16 bytes. `None` if all are zero, which stands for no trace.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The id of one operation in a trace: 8 bytes, not all zero. `Display` is hexadecimal, in lower
/// case.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct ParentId([u8; 8]);

impl ParentId {
    /// From 8 bytes. `None` if all are zero, which stands for no operation.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Debug for ParentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParentId({self})")
    }
}

impl fmt::Display for ParentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// A text that is no `traceparent`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidTraceParent(&'static str);

impl fmt::Display for InvalidTraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidTraceParent {}

/// `N` bytes in hexadecimal digits, and what stands behind the dash that follows them.
fn field<const N: usize>(value: &[u8]) -> Option<([u8; N], &[u8])> {
    let (digits, rest) = value.split_at_checked(2 * N)?;
    Some((hex(digits)?, rest.strip_prefix(b"-")?))
}

/// `N` bytes in hexadecimal digits.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let mut bytes = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn reads_what_the_specification_calls_valid() {
        for (value, is_sampled) in [
            (format!("00-{TRACE}-{PARENT}-00"), false),
            (format!("00-{TRACE}-{PARENT}-01"), true),
            (format!("00-{TRACE}-{PARENT}-02"), false),
            (format!("00-{TRACE}-{PARENT}-09"), true),
            (format!("00-{TRACE}-{PARENT}-ff"), true),
            (format!("01-{TRACE}-{PARENT}-01"), true),
            (format!("cc-{TRACE}-{PARENT}-00-what-comes-later"), false),
            (format!("fe-{TRACE}-{PARENT}-01-"), true),
        ] {
            let read: TraceParent = value.parse().unwrap();
            assert_eq!(read.trace_id().to_string(), TRACE, "{value}");
            assert_eq!(read.parent_id().to_string(), PARENT, "{value}");
            assert_eq!(read.is_sampled(), is_sampled, "{value}");
            let flags = if is_sampled { "01" } else { "00" };
            assert_eq!(read.to_string(), format!("00-{TRACE}-{PARENT}-{flags}"));
        }
    }

    #[test]
    fn refuses_everything_else_and_says_what_is_wrong() {
        let (none, nobody) = ("0".repeat(32), "0".repeat(16));
        for (value, problem) in [
            (String::new(), "version"),
            (format!("0-{TRACE}-{PARENT}-01"), "version"),
            (format!("0x-{TRACE}-{PARENT}-01"), "version"),
            (format!("0A-{TRACE}-{PARENT}-01"), "version"),
            (format!(" 00-{TRACE}-{PARENT}-01"), "version"),
            (format!("00{TRACE}-{PARENT}-01"), "version"),
            (format!("ff-{TRACE}-{PARENT}-01"), "not ff"),
            (format!("00-{TRACE}-{PARENT}-01-"), "55 characters"),
            (format!("00-{TRACE}-{PARENT}-01 "), "55 characters"),
            (format!("00-{TRACE}-{PARENT}-01-more"), "55 characters"),
            (format!("01-{TRACE}-{PARENT}-01.more"), "a dash"),
            (format!("01-{TRACE}-{PARENT}-011"), "a dash"),
            (format!("00-{none}-{PARENT}-01"), "trace id"),
            (
                format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
                "trace id",
            ),
            (format!("00-{TRACE}0-{PARENT}-01"), "55 characters"),
            (format!("00-{}-{PARENT}-01", &TRACE[1..]), "trace id"),
            (format!("00-{TRACE}-{nobody}-01"), "parent id"),
            (
                format!("00-{TRACE}-{}-01", PARENT.to_uppercase()),
                "parent id",
            ),
            (format!("00-{TRACE}_{PARENT}-01"), "trace id"),
            (format!("00-{TRACE}-{PARENT}_01"), "parent id"),
            (format!("00-{TRACE}-{PARENT}-1"), "flags"),
            (format!("00-{TRACE}-{PARENT}-"), "flags"),
            (format!("00-{TRACE}-{PARENT}"), "parent id"),
            (format!("00-{TRACE}-{PARENT}-0g"), "flags"),
            (format!("00-{TRACE}-{PARENT}-.1"), "flags"),
        ] {
            let error = value.parse::<TraceParent>().unwrap_err().to_string();
            assert!(error.contains(problem), "{value:?}: {error}");
        }
    }

    #[test]
    fn a_head_says_it_once_or_not_at_all() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceParent::of(&headers), None);
        let value =
            HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        headers.append("TraceParent", value.clone());
        let read = TraceParent::of(&headers).unwrap();
        assert_eq!(read.to_string().as_bytes(), value.as_bytes());
        // The same one again, too.
        headers.append(&HEADER, value.clone());
        assert_eq!(TraceParent::of(&headers), None);
        headers.insert(&HEADER, HeaderValue::from_bytes(b"00-\xff").unwrap());
        assert_eq!(TraceParent::of(&headers), None);
    }

    #[test]
    fn what_is_all_zero_stands_for_none() {
        assert_eq!(TraceId::from_bytes([0; 16]), None);
        assert_eq!(ParentId::from_bytes([0; 8]), None);
        let id = ParentId::from_bytes([0, 0, 0, 0, 0, 0, 0, 1]).unwrap();
        assert_eq!(format!("{id:?}"), "ParentId(0000000000000001)");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(
            trace: [u8; 16],
            parent: [u8; 8],
            is_sampled: bool,
        ) {
            let ids = TraceId::from_bytes(trace).zip(ParentId::from_bytes(parent));
            let Some((trace_id, parent_id)) = ids else {
                return Ok(());
            };
            let written = TraceParent::new(trace_id, parent_id, is_sampled);
            prop_assert_eq!(written.to_string().parse(), Ok(written));
            prop_assert_eq!(trace_id.to_bytes(), trace);
            prop_assert_eq!(parent_id.to_bytes(), parent);
        }

        /// One character changed is another `traceparent`, or none.
        #[test]
        fn no_two_texts_of_version_00_mean_the_same(
            at in 0..LENGTH - 1,
            to in proptest::char::range('\0', '\u{7f}'),
        ) {
            let text = format!("00-{TRACE}-{PARENT}-01");
            let read: TraceParent = text.parse().unwrap();
            let mut other: Vec<char> = text.chars().collect();
            other[at] = to;
            let other: String = other.into_iter().collect();
            // The high digit of the flags has no meaning, and the version is another's.
            let is_free = matches!(at, 0 | 1 | 53);
            if other != text && !is_free {
                prop_assert_ne!(other.parse(), Ok(read));
            }
        }
    }
}
