//! The cookies of a request: one is ours, and read in one form only.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use portcullis_core::{OwnerKey, SessionKey};
use subtle::ConstantTimeEq as _;

/// The most that a cookie takes, its name included (RFC 6265bis §5.5).
const MAX_COOKIE: usize = 4096;
/// Where the session is kept, and the id: 16 + 16 + 32 bytes.
const VALUE: usize = 64;

/// The name of the cookie that is ours.
#[derive(Debug)]
pub(crate) struct Jar {
    name: String,
}

/// The id that a client holds. Neither `Debug` nor `Display`, and compared in constant time.
#[derive(Clone)]
pub(crate) struct CookieId([u8; 32]);

impl CookieId {
    pub(super) const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What a cookie says: where the session is kept, and the id.
pub(super) struct CookieValue {
    pub(super) owner: OwnerKey,
    pub(super) key: SessionKey,
    pub(super) id: CookieId,
}

impl CookieValue {
    pub(super) fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(VALUE);
        bytes.extend(self.owner.as_u128().to_be_bytes());
        bytes.extend(self.key.as_u128().to_be_bytes());
        bytes.extend(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` if it is not what [`encode`](Self::encode) has made.
    pub(super) fn decode(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; VALUE + 2];
        // A text of another length is none of ours, and is not looked at.
        if text.len() != VALUE.div_ceil(3) * 4 - 2 {
            return None;
        }
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let bytes = bytes.get(..len)?;
        let (owner, rest) = bytes.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let id = rest.try_into().ok()?;
        Some(Self {
            owner: OwnerKey::from_u128(u128::from_be_bytes(*owner)),
            key: SessionKey::from_u128(u128::from_be_bytes(*key)),
            id: CookieId(id),
        })
    }
}

/// Whether two hashes are the same, in constant time.
pub(super) fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.ct_eq(other).into()
}

/// The cookie is there in a way that can be read in two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct CookieProblem;

impl Jar {
    pub(super) fn new(name: String) -> Self {
        Self { name }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The value of the cookie that is ours, if it is there once and in the one form in which it is
    /// given out.
    ///
    /// # Errors
    ///
    /// It is there twice, its name is spelled otherwise, its value stands in quotes, or it is too
    /// long: another reader would read another one, so nobody reads any.
    pub(crate) fn find<'a>(
        &self,
        headers: &'a HeaderMap,
    ) -> Result<Option<&'a [u8]>, CookieProblem> {
        let mut found = None;
        let mut has_attributes = false;
        for pair in pairs(headers) {
            // `$Version`, `$Path`: a reader of RFC 2109 takes them for more than cookies.
            has_attributes |= pair.trim_ascii().starts_with(b"$");
            if !self.is_meant(pair) {
                continue;
            }
            let value = self.value(pair);
            if portcullis_core::sabotaged!("session.cookie_single") {
                found = found.or(value);
                continue;
            }
            if found.is_some() {
                return Err(CookieProblem);
            }
            found = Some(value.ok_or(CookieProblem)?);
        }
        if found.is_some()
            && has_attributes
            && !portcullis_core::sabotaged!("session.cookie_spelling")
        {
            return Err(CookieProblem);
        }
        Ok(found)
    }

    /// Takes the cookie out, and leaves all others. Says which id it held.
    pub(crate) fn remove(&self, headers: &mut HeaderMap) -> Option<CookieId> {
        let value = self.find(headers).ok().flatten()?;
        let id = CookieValue::decode(value).map(|value| value.id);
        let mut others: Vec<HeaderValue> = Vec::new();
        for line in headers.get_all(header::COOKIE) {
            let kept: Vec<&[u8]> = line
                .as_bytes()
                .split(|byte| *byte == b';')
                .map(<[u8]>::trim_ascii)
                .filter(|pair| !pair.is_empty() && !self.is_meant(pair))
                .collect();
            if !kept.is_empty()
                && let Ok(line) = HeaderValue::from_bytes(&kept.join(&b"; "[..]))
            {
                others.push(line);
            }
        }
        headers.remove(header::COOKIE);
        for line in others {
            headers.append(header::COOKIE, line);
        }
        id
    }

    /// Whether some reader could take a pair for our cookie.
    fn is_meant(&self, pair: &[u8]) -> bool {
        let pair = pair.trim_ascii();
        // A cookie without a name is sent as `=value` or as `value`, which may hold a `=`.
        let pair = pair.strip_prefix(b"=").unwrap_or(pair);
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or(pair);
        let name = name.trim_ascii();
        let name = name.strip_prefix(b"\"").unwrap_or(name);
        let name = name.strip_suffix(b"\"").unwrap_or(name).trim_ascii();
        name.eq_ignore_ascii_case(self.name.as_bytes())
    }

    /// The value of a pair that is spelled as ours is.
    fn value<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let pair = pair.strip_prefix(b" ").unwrap_or(pair);
        if portcullis_core::sabotaged!("session.cookie_spelling") {
            let at = pair.iter().rposition(|byte| *byte == b'=')?;
            let value = pair.get(at + 1..)?.trim_ascii();
            let value = value.strip_prefix(b"\"").unwrap_or(value);
            return Some(value.strip_suffix(b"\"").unwrap_or(value));
        }
        let value = pair
            .strip_prefix(self.name.as_bytes())?
            .strip_prefix(b"=")?;
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\,;".contains(byte);
        (pair.len() <= MAX_COOKIE && value.iter().all(is_plain)).then_some(value)
    }
}

/// All pairs of all lines: HTTP/2 has a client split them (RFC 9113 §8.2.3).
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jar() -> Jar {
        Jar::new("__Host-s".to_owned())
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn is_found_once_and_in_one_form() {
        for (lines, expected) in [
            (&[][..], Ok(None)),
            (&["a=b; c=d"], Ok(None)),
            (&["__Host-s=v"], Ok(Some("v"))),
            (&["a=b; __Host-s=v; c=d"], Ok(Some("v"))),
            (&["a=b", "__Host-s=v"], Ok(Some("v"))),
            (&["__Host-s="], Ok(Some(""))),
            (&["__Host-s2=v; s=v; __Host-=s"], Ok(None)),
            // Twice, in whatever order and place.
            (&["__Host-s=v; __Host-s=v"], Err(CookieProblem)),
            (&["__Host-s=v", "__Host-s=w"], Err(CookieProblem)),
            (&["__host-s=w; __Host-s=v"], Err(CookieProblem)),
            (&["__Host-s=v; __Host-s =w"], Err(CookieProblem)),
            // Once, spelled otherwise.
            (&["__host-s=v"], Err(CookieProblem)),
            (&["__Host-s =v"], Err(CookieProblem)),
            (&["  __Host-s=v"], Err(CookieProblem)),
            (&["\t__Host-s=v"], Err(CookieProblem)),
            (&["\"__Host-s\"=v"], Err(CookieProblem)),
            (&["__Host-s=\"v\""], Err(CookieProblem)),
            (&["__Host-s= v"], Err(CookieProblem)),
            (&["__Host-s=v "], Err(CookieProblem)),
            (&["__Host-s=v,w"], Err(CookieProblem)),
            (&["__Host-s"], Err(CookieProblem)),
            (&["=__Host-s=v"], Err(CookieProblem)),
            (&["$Version=1; __Host-s=v; $Path=/"], Err(CookieProblem)),
        ] {
            let headers = headers(lines);
            let found = jar().find(&headers).map(|v| v.map(<[u8]>::to_vec));
            let expected = expected.map(|v: Option<&str>| v.map(|v| v.as_bytes().to_vec()));
            assert_eq!(found, expected, "{lines:?}");
        }
        let long = format!("__Host-s={}", "v".repeat(4096));
        assert_eq!(jar().find(&headers(&[&long])), Err(CookieProblem));
        let fits = format!("__Host-s={}", "v".repeat(4096 - 9));
        assert!(jar().find(&headers(&[&fits])).is_ok());
    }

    #[test]
    fn is_taken_out_and_leaves_the_others() {
        let left = |lines: &[&str]| {
            let mut headers = headers(lines);
            let id = jar().remove(&mut headers);
            let lines = headers.get_all(header::COOKIE).iter();
            let lines: Vec<_> = lines.map(|l| l.to_str().unwrap().to_owned()).collect();
            (id.is_some(), lines)
        };
        assert_eq!(left(&["__Host-s=v"]), (false, vec![]));
        assert_eq!(
            left(&["a=b;__Host-s=v; c=\"d\"", "e=f"]),
            (false, vec!["a=b; c=\"d\"".to_owned(), "e=f".to_owned()])
        );
        let value = CookieValue {
            owner: OwnerKey::from_u128(1),
            key: SessionKey::from_u128(2),
            id: CookieId::new([3; 32]),
        };
        assert_eq!(
            left(&[&format!("__Host-s={}", value.encode())]),
            (true, vec![])
        );
    }

    #[test]
    fn a_value_has_one_form() {
        let value = CookieValue {
            owner: OwnerKey::from_u128(u128::MAX),
            key: SessionKey::from_u128(2),
            id: CookieId::new([0xfe; 32]),
        };
        let text = value.encode();
        let read = CookieValue::decode(text.as_bytes()).unwrap();
        assert_eq!((read.owner, read.key), (value.owner, value.key));
        assert_eq!(read.id.as_bytes(), value.id.as_bytes());
        let mut others = 0;
        for at in 0..text.len() {
            assert!(CookieValue::decode(&text.as_bytes()[..at]).is_none());
            for byte in 0..=255 {
                let mut other = text.clone().into_bytes();
                other[at] = byte;
                if let Some(read) = CookieValue::decode(&other) {
                    assert_eq!(read.encode().into_bytes(), other);
                    others += 1;
                }
            }
        }
        // The last letter holds two bits, so four letters are some.
        assert_eq!(others, (text.len() - 1) * 64 + 4);
        for text in ["", "a", &format!("{text}a"), &format!("{text}==")] {
            assert!(CookieValue::decode(text.as_bytes()).is_none(), "{text}");
        }
    }
}
