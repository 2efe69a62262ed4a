//! Paths that can be read in one way only.
//!
//! A policy that looks at a path and a router that looks at the same path must not see two
//! different ones. So a path that is not in normal form (RFC 3986 §6.2.2) is ambiguous, and
//! is refused rather than repaired.

use std::fmt;

/// Why a path can be read in more than one way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ambiguity {
    /// A `\`, a control character or a byte beyond ASCII.
    Byte,
    /// A segment that is `.` or `..`, spelled out or percent-encoded.
    DotSegment,
    /// Two slashes in a row.
    EmptySegment,
    /// A percent-encoding of a character that is not to be encoded, or of one that somebody
    /// might decode into structure: a slash, a backslash, a control character, a second
    /// percent-encoding.
    Encoding,
    /// It does not begin with a slash.
    NotAbsolute,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Byte => "holds a byte that has to be percent-encoded",
            Self::DotSegment => "holds a dot segment",
            Self::EmptySegment => "holds an empty segment",
            Self::Encoding => "holds a percent-encoding that can be read in two ways",
            Self::NotAbsolute => "does not begin with a slash",
        })
    }
}

/// Whether a path can be read in one way only. Allocates nothing.
///
/// A trailing slash is no ambiguity: `/notes/` and `/notes` are two paths. Neither is `;`,
/// which no router here gives a meaning to. The case of hexadecimal digits does not matter.
pub(crate) fn is_normal(path: &str) -> Result<(), Ambiguity> {
    if portcullis_core::sabotaged!("path.normal") {
        return Ok(());
    }
    let rest = path.strip_prefix('/').ok_or(Ambiguity::NotAbsolute)?;
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(Ambiguity::EmptySegment);
        }
        if matches!(segment, "." | "..") {
            return Err(Ambiguity::DotSegment);
        }
        check_segment(segment.as_bytes())?;
    }
    Ok(())
}

fn check_segment(mut bytes: &[u8]) -> Result<(), Ambiguity> {
    while let [first, rest @ ..] = bytes {
        bytes = rest;
        match first {
            // `?` and `#` end a path; whoever sees one in it has not parsed a URL.
            b'\\' | b'?' | b'#' | 0..=0x20 | 0x7f..=0xff => return Err(Ambiguity::Byte),
            b'%' => {
                let (decoded, rest) = decode(rest).ok_or(Ambiguity::Encoding)?;
                let is_second_encoding = decoded == b'%' && decode(rest).is_some();
                if is_unreserved(decoded) || is_structure(decoded) || is_second_encoding {
                    return Err(Ambiguity::Encoding);
                }
                bytes = rest;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The byte behind a `%`, and what follows.
fn decode(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = bytes else {
        return None;
    };
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some((digit(*high)? << 4 | digit(*low)?, rest))
}

/// RFC 3986 §2.3: never needs encoding.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What would be structure to somebody who decodes once more.
const fn is_structure(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\' | 0..=0x1f | 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_are_normal() {
        for path in [
            "/",
            "/notes",
            "/notes/",
            "/a/b/c.txt",
            "/message:send",
            "/a;b=c",
            "/a%20b",
            "/%C3%A4",
            "/%c3%a4",
            "/100%25",
            "/~user",
            "/a..b",
            "/...",
            "/.well-known/x",
            "/a=b&c,d!$'()*+@",
        ] {
            assert_eq!(is_normal(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn everything_that_could_be_two_paths_is_ambiguous() {
        for (path, ambiguity) in [
            ("", Ambiguity::NotAbsolute),
            ("*", Ambiguity::NotAbsolute),
            ("admin", Ambiguity::NotAbsolute),
            ("//admin", Ambiguity::EmptySegment),
            ("/a//b", Ambiguity::EmptySegment),
            ("/admin//", Ambiguity::EmptySegment),
            ("/./admin", Ambiguity::DotSegment),
            ("/a/..", Ambiguity::DotSegment),
            ("/a/../b", Ambiguity::DotSegment),
            ("/%2e%2e/", Ambiguity::Encoding),
            ("/.%2E/", Ambiguity::Encoding),
            ("/%61dmin", Ambiguity::Encoding),
            ("/%7Euser", Ambiguity::Encoding),
            ("/%252e%252e/", Ambiguity::Encoding),
            ("/a%2fb", Ambiguity::Encoding),
            ("/a%5Cb", Ambiguity::Encoding),
            ("/a%00", Ambiguity::Encoding),
            ("/a%0d%0a", Ambiguity::Encoding),
            ("/a%7f", Ambiguity::Encoding),
            ("/a%", Ambiguity::Encoding),
            ("/a%4", Ambiguity::Encoding),
            ("/a%zz", Ambiguity::Encoding),
            ("/a%+1", Ambiguity::Encoding),
            ("/a\\b", Ambiguity::Byte),
            ("/a\0", Ambiguity::Byte),
            ("/a b", Ambiguity::Byte),
            ("/a?b", Ambiguity::Byte),
            ("/.?", Ambiguity::Byte),
            ("/a#b", Ambiguity::Byte),
            ("/\u{ff41}dmin", Ambiguity::Byte),
        ] {
            assert_eq!(is_normal(path), Err(ambiguity), "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_normal_path_decodes_to_itself_or_to_what_cannot_be_spelled_out(path in "/[ -~]{0,40}") {
            if is_normal(&path).is_ok() {
                let url = url::Url::parse("http://h/").unwrap().join(&path).unwrap();
                // The parser of browsers changes nothing but what they encode on their own.
                proptest::prop_assert_eq!(
                    url.path().replace("%22", "\"").replace("%3C", "<").replace("%3E", ">")
                        .replace("%60", "`").replace("%7B", "{").replace("%7D", "}").replace("%5E", "^"),
                    path
                        .replace("%22", "\"").replace("%3C", "<").replace("%3E", ">")
                        .replace("%60", "`").replace("%7B", "{").replace("%7D", "}").replace("%5E", "^"),
                );
            }
        }
    }
}
