//! Which JSON-RPC call a stream answers.

use std::fmt;

use http::{Extensions, HeaderValue, Method, header, request::Parts};

use crate::{exchange::Exchange, json::Quoted};

/// How much of a request's body is looked at.
const MOST: usize = 16 * 1024;
/// The longest id and the longest method, as JSON.
const LONGEST: usize = 256;

/// The JSON-RPC call that a response answers.
///
/// A handler that streams says so in the extensions of its response, where a gate cannot find it
/// in the request: see the [module docs](super). On axum it is a part of a response (feature
/// `axum`).
///
/// ```
/// use portcullis::goodbye::RpcCall;
///
/// let mut response = http::Response::new(String::new());
/// RpcCall::new("subscriptions/listen", 1).attach(response.extensions_mut());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RpcCall {
    method: Box<str>,
    id: RpcId,
}

/// The id of a JSON-RPC request: a number or a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RpcId(Box<str>);

impl RpcCall {
    /// A call of a method, by the id of its request.
    #[must_use]
    pub fn new(method: impl Into<Box<str>>, id: impl Into<RpcId>) -> Self {
        Self {
            method: method.into(),
            id: id.into(),
        }
    }

    /// The call that a body asks for: one JSON-RPC request with one `method` and one `id`, which is
    /// a text or a whole number. `None` for everything else: a batch, a notification, a member that
    /// is there twice or whose name is written with escapes, a method or an id of more than 256
    /// bytes.
    ///
    /// It finds what is there and does not say that the rest is JSON.
    ///
    /// ```
    /// use portcullis::goodbye::RpcCall;
    ///
    /// let body = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}"#;
    /// assert_eq!(RpcCall::read(body), Some(RpcCall::new("tools/call", 7)));
    /// assert_eq!(RpcCall::read(b"[]"), None);
    /// ```
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut rest = Rest(std::str::from_utf8(body).ok()?);
        let (mut method, mut id) = (None, None);
        rest.take(b'{')?;
        loop {
            let name = rest.value().and_then(plain)?;
            rest.take(b':')?;
            let value = rest.value()?;
            let slot = match name {
                "method" => Some(&mut method),
                "id" => Some(&mut id),
                _ => None,
            };
            // Readers do not agree on which of two counts.
            if slot.is_some_and(|slot| slot.replace(value).is_some()) {
                return None;
            }
            match rest.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        rest.is_at_the_end().then_some(())?;
        let method = method
            .and_then(plain)
            .filter(|method| method.len() <= LONGEST)?;
        Some(Self {
            method: method.into(),
            id: RpcId(id.filter(|id| is_id(id))?.into()),
        })
    }

    /// Says in the extensions of a response which call it answers.
    #[expect(
        clippy::disallowed_methods,
        reason = "written into a response, by its handler"
    )]
    pub fn attach(self, extensions: &mut Extensions) {
        extensions.insert(self);
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The id, which shows itself as JSON.
    #[must_use]
    pub fn id(&self) -> &RpcId {
        &self.id
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponseParts for RpcCall {
    type Error = std::convert::Infallible;

    fn into_response_parts(
        self,
        mut parts: axum::response::ResponseParts,
    ) -> Result<axum::response::ResponseParts, Self::Error> {
        self.attach(parts.extensions_mut());
        Ok(parts)
    }
}

impl From<i64> for RpcId {
    fn from(number: i64) -> Self {
        Self(number.to_string().into())
    }
}

impl From<&str> for RpcId {
    fn from(text: &str) -> Self {
        Self(Quoted(text).to_string().into())
    }
}

impl fmt::Display for RpcId {
    /// As JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What has been seen of a request's body, in which a call may be.
pub(crate) struct Look {
    seen: Vec<u8>,
    exchange: Exchange,
}

impl Look {
    /// Whether the body of a request may be a call.
    pub(crate) fn is_worth_while(parts: &Parts) -> bool {
        let is_json = |value: &HeaderValue| {
            let essence = value.as_bytes().split(|byte| *byte == b';').next();
            essence.is_some_and(|essence| {
                essence
                    .trim_ascii()
                    .eq_ignore_ascii_case(b"application/json")
            })
        };
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        parts.method == Method::POST
            && content_type.is_some_and(is_json)
            && !parts.headers.contains_key(header::CONTENT_ENCODING)
    }

    /// Looks at the body of a request, where somebody wants to know.
    pub(crate) fn of(exchange: &Exchange) -> Option<Self> {
        exchange.is_call_wanted().then(|| Self {
            seen: Vec::new(),
            exchange: exchange.clone(),
        })
    }

    /// Looks at a part of the body. Says whether it goes on looking.
    pub(crate) fn add(&mut self, part: &[u8], is_last: bool) -> bool {
        if self.seen.len().saturating_add(part.len()) > MOST {
            return false;
        }
        if is_last && self.seen.is_empty() {
            // The ordinary case: one part, of which no copy is made.
            self.find(part);
            return false;
        }
        self.seen.extend_from_slice(part);
        if is_last {
            self.end();
        }
        !is_last
    }

    /// The body is at its end.
    pub(crate) fn end(&mut self) {
        let seen = std::mem::take(&mut self.seen);
        self.find(&seen);
    }

    fn find(&self, body: &[u8]) {
        if let Some(call) = RpcCall::read(body) {
            self.exchange.set_call(call);
        }
    }
}

/// The rest of a JSON text.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn is_at_the_end(&mut self) -> bool {
        self.skip_blanks();
        self.0.is_empty()
    }

    /// The next byte that is no blank.
    fn next(&mut self) -> Option<u8> {
        self.skip_blanks();
        let byte = *self.0.as_bytes().first()?;
        self.0 = self.0.get(1..)?;
        Some(byte)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// The next value, as it is written. What stands inside is not looked at.
    fn value(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let bytes = self.0.as_bytes();
        let mut depth = 0_usize;
        let mut at = 0;
        loop {
            match *bytes.get(at)? {
                b'"' => at = end_of_string(bytes, at)?,
                b'{' | b'[' => {
                    depth += 1;
                    at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    at += 1;
                }
                _ if depth > 0 => {
                    at += 1;
                    continue;
                }
                _ => {
                    let rest = bytes.get(at..)?;
                    let is_over = |byte: &u8| b" \t\r\n,:]}".contains(byte);
                    let length = rest.iter().position(is_over)?;
                    at += length;
                    if length == 0 {
                        return None;
                    }
                }
            }
            if depth == 0 {
                let (value, rest) = self.0.split_at_checked(at)?;
                self.0 = rest;
                return Some(value);
            }
        }
    }
}

/// Behind the closing quote of the string that begins there.
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}

/// What stands in a string without escapes.
fn plain(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains(['\\', '"'])).then_some(inner)
}

/// Whether a value may be the id of a request: a text, or a whole number.
fn is_id(value: &str) -> bool {
    let is_text = value.len() >= 2
        && value.starts_with('"')
        && end_of_string(value.as_bytes(), 0) == Some(value.len())
        && has_good_escapes(value);
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_number = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    value.len() <= LONGEST && (is_text || is_number)
}

/// Whether each escape is one that JSON knows (RFC 8259 §7), so that what is said is JSON.
fn has_good_escapes(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            continue;
        }
        let is_good = match chars.next() {
            Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => true,
            Some('u') => {
                (0..4).all(|_| chars.next().is_some_and(|digit| digit.is_ascii_hexdigit()))
            }
            _ => false,
        };
        if !is_good {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_one_request() {
        for (body, method, id) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#, "a", "1"),
            (
                " {\n\"method\" : \"a/b\" , \"id\":\t\"x y\" }\r\n",
                "a/b",
                "\"x y\"",
            ),
            (
                r#"{"params":{"id":2,"method":"no","x":["}",{"y":"\"]"}]},"id":-7,"method":"a"}"#,
                "a",
                "-7",
            ),
            (
                r#"{"id":"\u00e4\n","method":"ä","x":null,"y":1.5e3,"z":true}"#,
                "ä",
                r#""\u00e4\n""#,
            ),
        ] {
            let call = RpcCall::read(body.as_bytes()).unwrap();
            assert_eq!(
                (call.method(), call.id().to_string().as_str()),
                (method, id)
            );
        }
    }

    #[test]
    fn and_nothing_else() {
        let long = format!(r#"{{"id":"{}","method":"a"}}"#, "x".repeat(255));
        for body in [
            "",
            "{}",
            "null",
            r#"[{"id":1,"method":"a"}]"#,
            r#"{"method":"a"}"#,
            r#"{"id":1}"#,
            r#"{"id":null,"method":"a"}"#,
            r#"{"id":1.5,"method":"a"}"#,
            r#"{"id":01,"method":"a"}"#,
            r#"{"id":{},"method":"a"}"#,
            r#"{"id":"\x","method":"a"}"#,
            r#"{"id":"\u12","method":"a"}"#,
            r#"{"id":1,"id":2,"method":"a"}"#,
            r#"{"id":1,"method":"a","method":"b"}"#,
            r#"{"i\u0064":1,"method":"a","id":2}"#,
            r#"{"id":1,"method":"\u0061"}"#,
            r#"{"id":1,"method":"a""#,
            r#"{"id":1,"method":"a"} x"#,
            r#"{"id":1,"method":"a",}"#,
            r#"{"id":1"method":"a"}"#,
            "{\"id\":\"\n\",\"method\":\"a\"}",
            r#"{id:1,"method":"a"}"#,
            &long,
        ] {
            assert_eq!(RpcCall::read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(RpcCall::read(b"{\"id\":1,\"method\":\"\xff\"}"), None);
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::hash_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        /// Whatever stands around it, and however it is written.
        #[test]
        fn finds_what_serde_finds(
            id in prop_oneof![any::<i64>().prop_map(serde_json::Value::from), any::<String>().prop_map(Into::into)],
            method in "[a-z/]{1,20}",
            params in json(),
            is_pretty in any::<bool>(),
        ) {
            let body = serde_json::json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
            let text = if is_pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) };
            let call = RpcCall::read(text.unwrap().as_bytes());
            let written = id.to_string();
            if written.len() > LONGEST {
                prop_assert!(call.is_none());
            } else {
                let call = call.unwrap();
                prop_assert_eq!(call.method(), &method);
                let read: serde_json::Value = serde_json::from_str(&call.id().to_string()).unwrap();
                prop_assert_eq!(read, id);
            }
        }

        #[test]
        fn reads_anything(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = RpcCall::read(&body);
        }
    }
}
