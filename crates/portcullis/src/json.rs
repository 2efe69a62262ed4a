//! Text as JSON writes it.

use std::fmt;

/// A text as a JSON string, in its quotes (RFC 8259 §7).
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        f.write_char('"')?;
        for char in self.0.chars() {
            match char {
                '"' | '\\' => write!(f, "\\{char}")?,
                // Those beyond what JSON forbids end a line, or a script, where the text is
                // pasted into something else.
                '\0'..='\u{1f}'
                | '\u{7f}'..='\u{9f}'
                | '\u{2028}'
                | '\u{2029}'
                | '<'
                | '>'
                | '&' => {
                    write!(f, "\\u{:04x}", u32::from(char))?;
                }
                _ => f.write_char(char)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::Quoted;

    #[test]
    fn nothing_breaks_out_of_the_quotes() {
        for (text, quoted) in [
            ("", r#""""#),
            ("payments.transfer", r#""payments.transfer""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("a\r\n\0b\u{7f}", r#""a\u000d\u000a\u0000b\u007f""#),
            ("\u{2028}</script>", r#""\u2028\u003c/script\u003e""#),
            ("ä 😀", r#""ä 😀""#),
        ] {
            assert_eq!(Quoted(text).to_string(), quoted);
        }
    }
}
