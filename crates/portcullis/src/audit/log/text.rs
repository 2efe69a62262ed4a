//! Text that somebody else chose, as JSON that nothing breaks out of.

use std::fmt::Write as _;

use crate::audit::tracing_sink::is_deceptive;

/// Appends a text as a JSON string, in its quotes (RFC 8259 §7).
///
/// Whatever ends a line, moves a cursor, reorders or hides what stands beside it is written as an
/// escape; text in any script stays readable. A reader of JSON gets the same text back.
pub(super) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (at, char) in text.char_indices() {
        if matches!(char, ' '..='~') && !matches!(char, '"' | '\\') {
            continue;
        }
        let must_escape = char == '"' || char == '\\' || char.is_control() || is_deceptive(char);
        if !must_escape || portcullis_core::sabotaged!("audit_log.escape") {
            continue;
        }
        out.push_str(text.get(plain..at).unwrap_or_default());
        plain = at + char.len_utf8();
        if matches!(char, '"' | '\\') {
            out.push('\\');
            out.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::push_quoted;

    #[test]
    fn nothing_breaks_out_of_the_quotes() {
        for (text, quoted) in [
            ("", r#""""#),
            ("/notes?a=b", r#""/notes?a=b""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            (
                "a\r\n\0\u{1b}[31m\u{7f}",
                r#""a\u000d\u000a\u0000\u001b[31m\u007f""#,
            ),
            ("\u{85}\u{2028}\u{2029}", r#""\u0085\u2028\u2029""#),
            ("\u{202e}\u{200b}\u{feff}", r#""\u202e\u200b\ufeff""#),
            ("\u{e0041}", r#""\udb40\udc41""#),
            ("ä 😀 語", r#""ä 😀 語""#),
        ] {
            let mut out = String::new();
            push_quoted(&mut out, text);
            assert_eq!(out, quoted);
        }
    }
}
