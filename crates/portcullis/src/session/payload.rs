//! What is sealed: the values that a handler keeps, and what a cookie is held against.

use portcullis_core::{Evidence, SessionData, Timestamp};

use super::{cookie::CookieState, sealing::Unreadable};

/// The version that is written. What was written as an earlier one stays readable.
const VERSION: u8 = 1;

/// What is kept in a session, once it is opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Payload {
    /// What a handler keeps.
    pub(super) data: SessionData,
    /// The cookie of the session, if it was given one.
    pub(super) cookie: Option<CookieState>,
}

impl Payload {
    pub(super) fn of(data: SessionData) -> Self {
        Self { data, cookie: None }
    }

    /// Whether there is nothing to keep.
    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty() && self.cookie.is_none()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        write_counted(&mut bytes, &self.data.to_bytes());
        bytes.push(u8::from(self.cookie.is_some()));
        if let Some(cookie) = &self.cookie {
            bytes.extend(cookie.current);
            bytes.push(u8::from(cookie.previous.is_some()));
            if let Some((previous, until)) = &cookie.previous {
                bytes.extend(previous);
                bytes.extend(until.unix_millis().to_be_bytes());
            }
            bytes.push(u8::from(cookie.authenticated_at.is_some()));
            if let Some(at) = cookie.authenticated_at {
                bytes.extend(at.unix_millis().to_be_bytes());
            }
            write_counted(&mut bytes, &cookie.evidence.to_bytes());
        }
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) has written. Whatever a later version of this program
    /// keeps beside it is an error: to be silent about it would be to lose it with the next change.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut rest = Rest(bytes);
        let version = rest.byte()?;
        if version != VERSION {
            return Err(Unreadable::Version(version));
        }
        let damaged = |_| Unreadable::Damaged;
        let data = SessionData::from_bytes(rest.counted()?).map_err(|_| Unreadable::Damaged)?;
        let cookie = if rest.flag()? {
            let current = rest.array()?;
            let previous = match rest.flag()? {
                true => Some((rest.array()?, rest.time()?)),
                false => None,
            };
            let authenticated_at = match rest.flag()? {
                true => Some(rest.time()?),
                false => None,
            };
            let evidence = Evidence::from_bytes(rest.counted()?).map_err(damaged)?;
            Some(CookieState {
                current,
                previous,
                authenticated_at,
                evidence,
            })
        } else {
            None
        };
        match rest.0.is_empty() {
            true => Ok(Self { data, cookie }),
            false => Err(Unreadable::Damaged),
        }
    }
}

fn write_counted(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u64).to_be_bytes());
    bytes.extend(part);
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Unreadable::Damaged)?;
        self.0 = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    fn flag(&mut self) -> Result<bool, Unreadable> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Unreadable::Damaged),
        }
    }

    fn time(&mut self) -> Result<Timestamp, Unreadable> {
        let millis = self.array().map(i64::from_be_bytes)?;
        Ok(Timestamp::from_unix_millis(millis))
    }

    fn counted(&mut self) -> Result<&'a [u8], Unreadable> {
        let len = self.array().map(u64::from_be_bytes)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let (head, rest) = self.0.split_at_checked(len).ok_or(Unreadable::Damaged)?;
        self.0 = rest;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::EvidenceKind;

    use super::*;

    /// Everything that is sealed, as version 1 writes it.
    const GOLDEN: &str = include_str!("../../golden/session-payload-v1.hex");

    fn full() -> Payload {
        let mut data = SessionData::new();
        data.insert("basket", *b"two apples");
        let at = Timestamp::from_unix_seconds(1_767_225_600);
        Payload {
            data,
            cookie: Some(CookieState {
                current: [1; 32],
                previous: Some(([2; 32], at)),
                authenticated_at: Some(at),
                evidence: Evidence::new(EvidenceKind::User, "i", "s"),
            }),
        }
    }

    #[test]
    fn version_1_stays_what_it_is() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let golden: String = GOLDEN.split_whitespace().collect();
        assert_eq!(hex(&full().to_bytes()), golden);
        assert_eq!(Payload::from_bytes(&full().to_bytes()), Ok(full()));
    }

    #[test]
    fn less_is_read_again_and_anything_else_is_refused() {
        let mut less = full();
        if let Some(cookie) = &mut less.cookie {
            cookie.previous = None;
            cookie.authenticated_at = None;
        }
        for payload in [Payload::default(), Payload::of(full().data), less] {
            assert_eq!(Payload::from_bytes(&payload.to_bytes()), Ok(payload));
        }
        assert!(Payload::default().is_empty());
        let bytes = full().to_bytes();
        for len in 0..bytes.len() {
            assert!(Payload::from_bytes(&bytes[..len]).is_err(), "{len}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(Payload::from_bytes(&longer), Err(Unreadable::Damaged));
        assert_eq!(Payload::from_bytes(&[2]), Err(Unreadable::Version(2)));
    }
}
