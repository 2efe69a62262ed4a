//! The text of a token: its form, its segments, its time window.

use std::time::Duration;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use portcullis_core::{Timestamp, sabotaged};

use crate::{
    fault::{Fault, Step},
    reason,
};

/// The longest token that is looked at, in bytes.
pub(crate) const MAX_SIZE: usize = 16 * 1024;

/// Whether a bearer credential is a token of this kind at all: segments with dots, the first
/// of which is base64url of something that begins with `{`.
///
/// Everything else, such as an API key or a reference token, is another authenticator's.
pub(crate) fn is_jwt_shaped(token: &str) -> bool {
    let is_brace = matches!(
        token.as_bytes(),
        [b'e', b'w'..=b'z' | b'0'..=b'9' | b'-' | b'_', ..]
    );
    is_brace && token.contains('.')
}

/// A token, split and decoded.
pub(crate) struct Decoded<'t> {
    /// What is signed: header and payload as they came.
    pub(crate) signed: &'t [u8],
    /// Header, payload and signature, one after the other.
    bytes: Vec<u8>,
    header_end: usize,
    payload_end: usize,
}

impl<'t> Decoded<'t> {
    pub(crate) fn from_token(token: &'t str) -> Result<Self, Fault> {
        let segments = Fault::new(Step::Segments, reason::SEGMENTS);
        let (signed, signature) = token.rsplit_once('.').ok_or(segments)?;
        let (header, payload) = signed.split_once('.').ok_or(segments)?;
        if payload.contains('.') {
            return Err(segments);
        }
        // One allocation: the whole is longer than what it decodes to.
        let mut bytes = Vec::with_capacity(token.len());
        let mut decode = |text: &str| {
            base64url()
                .decode_vec(text, &mut bytes)
                .map(|()| bytes.len())
                .map_err(|_| Fault::new(Step::Base64, reason::BASE64))
        };
        let header_end = decode(header)?;
        let payload_end = decode(payload)?;
        decode(signature)?;
        Ok(Self {
            signed: signed.as_bytes(),
            bytes,
            header_end,
            payload_end,
        })
    }

    pub(crate) fn header(&self) -> Result<&str, Fault> {
        let header = self.bytes.get(..self.header_end).unwrap_or_default();
        std::str::from_utf8(header).map_err(|_| Fault::new(Step::Header, reason::HEADER))
    }

    pub(crate) fn payload(&self) -> Result<&str, Fault> {
        let payload = self.bytes.get(self.header_end..self.payload_end);
        std::str::from_utf8(payload.unwrap_or_default())
            .map_err(|_| Fault::new(Step::Payload, reason::PAYLOAD))
    }

    pub(crate) fn signature(&self) -> &[u8] {
        self.bytes.get(self.payload_end..).unwrap_or_default()
    }
}

/// Strict: each token has one text. Another alphabet, padding or stray bits at the end would
/// make two texts of one token, and a list of revoked texts would know only one.
fn base64url() -> &'static GeneralPurpose {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    if sabotaged!("jwt.base64") {
        &LENIENT
    } else {
        &general_purpose::URL_SAFE_NO_PAD
    }
}

/// When a token is valid. Looked at for every request, also when its signature is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Window {
    not_before: Option<Timestamp>,
    issued_at: Timestamp,
    expires_at: Timestamp,
    leeway: Duration,
    /// Whether it ends because of its age, before the issuer would have it end.
    is_cut: bool,
}

impl Window {
    pub(crate) const fn new(
        not_before: Option<Timestamp>,
        issued_at: Timestamp,
        expires_at: Timestamp,
        leeway: Duration,
    ) -> Self {
        Self {
            not_before,
            issued_at,
            expires_at,
            leeway,
            is_cut: false,
        }
    }

    /// The same, but no longer than this after the token was issued.
    pub(crate) fn cut(mut self, max_age: Option<Duration>) -> Self {
        let end = max_age.map(|age| self.issued_at + age);
        if let Some(end) = end.filter(|end| *end < self.expires_at) {
            self.expires_at = end;
            self.is_cut = true;
        }
        self
    }

    pub(crate) const fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// Where the token ends: it is good before this point, not at it.
    pub(crate) fn end(&self) -> Timestamp {
        self.expires_at + self.leeway
    }

    /// How long it is until its end, without any leeway.
    pub(crate) fn left(&self, now: Timestamp) -> Duration {
        self.expires_at.saturating_since(now)
    }

    /// Whether `exp` is after `iat`, and not too long after it.
    pub(crate) fn check_lifetime(&self, longest: Duration) -> Result<(), Fault> {
        let is_possible = self.issued_at <= self.expires_at;
        let lifetime = self.expires_at.saturating_since(self.issued_at);
        if (is_possible && lifetime <= longest) || sabotaged!("jwt.lifetime") {
            Ok(())
        } else {
            Err(Fault::new(Step::Lifetime, reason::LIFETIME))
        }
    }

    /// Whether a token can know of an authentication at that time: it is not later than itself.
    pub(crate) fn allows_authentication(&self, at: Timestamp) -> bool {
        at <= self.issued_at + self.leeway
    }

    /// Whether the token is valid at `now`.
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), Fault> {
        if now >= self.end() && self.is_cut && !sabotaged!("jwt.token_age") {
            return Err(Fault::new(Step::Lifetime, reason::TOKEN_AGE));
        }
        if now >= self.end() && !self.is_cut && !sabotaged!("jwt.exp") {
            return Err(Fault::new(Step::Expiry, reason::EXPIRED));
        }
        let latest_start = now + self.leeway;
        if self.not_before.is_some_and(|start| start > latest_start) && !sabotaged!("jwt.nbf") {
            return Err(Fault::new(Step::NotBefore, reason::NOT_YET_VALID));
        }
        if self.issued_at > latest_start && !sabotaged!("jwt.iat") {
            return Err(Fault::new(Step::IssuedAt, reason::ISSUED_IN_FUTURE));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tells_tokens_from_other_credentials() {
        for text in [
            "eyJhbGciOiJub25lIn0.e30.",
            "eyJ.",
            "ewo.a.b",
            "e30.e30.x",
            "eyJ.a.b.c.d",
        ] {
            assert!(is_jwt_shaped(text), "{text}");
        }
        for text in [
            "",
            "e",
            ".",
            "..",
            "pc_live_id_secret_crc",
            "eyJhbGciOiJub25lIn0",
            "v4.public.abc",
            "ya29.abc",
            "element.abc",
            "{}.{}.x",
        ] {
            assert!(!is_jwt_shaped(text), "{text}");
        }
    }

    fn fault(token: &str) -> Option<Step> {
        Decoded::from_token(token).err().map(|fault| fault.step)
    }

    #[test]
    fn takes_three_segments_of_canonical_base64url() {
        assert_eq!(fault("e30.e30."), None);
        assert_eq!(fault("e30.e30.AAAA"), None);
        let decoded = Decoded::from_token("e30.eyJhIjoxfQ.AQID").unwrap();
        assert_eq!(decoded.header().unwrap(), "{}");
        assert_eq!(decoded.payload().unwrap(), "{\"a\":1}");
        assert_eq!(decoded.signature(), [1, 2, 3]);
        assert_eq!(decoded.signed, b"e30.eyJhIjoxfQ");
        for token in ["", "e30", "e30.e30", "e30.e30.e30.e30", "a.b.c.d.e"] {
            assert_eq!(fault(token), Some(Step::Segments), "{token}");
        }
        for token in [
            "e30=.e30.AAAA",
            "e30.e30.AA==",
            "e30.e30.A",
            "e30.e30.AB",
            "e30.e31.AAAA",
            "e30.e30.AA+/",
            "e30.e30.AA A",
            "e30.e30.AA\n",
            "e30.e30.\u{e4}",
            "{}.{}.AAAA",
        ] {
            assert_eq!(fault(token), Some(Step::Base64), "{token}");
        }
    }

    #[test]
    fn refuses_what_is_not_utf_8() {
        // `0xff`, as header and as payload.
        let decoded = Decoded::from_token("_w._w.").unwrap();
        assert_eq!(decoded.header().unwrap_err().reason, reason::HEADER);
        assert_eq!(decoded.payload().unwrap_err().reason, reason::PAYLOAD);
    }

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn the_edges_are_where_they_are_said_to_be() {
        let window = Window::new(
            Some(seconds(1000)),
            seconds(1000),
            seconds(2000),
            Duration::from_secs(30),
        );
        let reason = |now| window.check(now).err().map(|fault| fault.reason);
        assert_eq!(reason(seconds(969)), Some(reason::NOT_YET_VALID));
        assert_eq!(reason(seconds(970)), None);
        assert_eq!(reason(seconds(2000)), None);
        assert_eq!(reason(Timestamp::from_unix_millis(2_029_999)), None);
        assert_eq!(reason(seconds(2030)), Some(reason::EXPIRED));
        let old = Duration::from_secs(500);
        let cut = window.cut(Some(old));
        let reason_of_cut = |now| cut.check(now).err().map(|fault| fault.reason);
        assert_eq!(reason_of_cut(Timestamp::from_unix_millis(1_529_999)), None);
        assert_eq!(reason_of_cut(seconds(1530)), Some(reason::TOKEN_AGE));
        assert_eq!(cut.end(), seconds(1530));
        assert_eq!(window.cut(None), window);
        assert_eq!(window.cut(Some(Duration::from_secs(1000))), window);
        let without_nbf = Window::new(None, seconds(1000), seconds(2000), Duration::ZERO);
        let reason = |now| without_nbf.check(now).err().map(|fault| fault.reason);
        assert_eq!(reason(seconds(999)), Some(reason::ISSUED_IN_FUTURE));
        assert_eq!(reason(seconds(1000)), None);
        assert_eq!(reason(seconds(2000)), Some(reason::EXPIRED));
    }

    proptest! {
        #[test]
        fn the_window_is_one_interval(
            issued in 0_i64..4_000_000_000_000,
            lifetime in 0_i64..100_000_000,
            delay in 0_i64..100_000_000,
            leeway in 0_u64..60_000,
            now in any::<i64>(),
        ) {
            let millis = Timestamp::from_unix_millis;
            let leeway = Duration::from_millis(leeway);
            let window = Window::new(
                Some(millis(issued + delay)),
                millis(issued),
                millis(issued + lifetime),
                leeway,
            );
            let start = millis(issued + delay) - leeway;
            let end = millis(issued + lifetime) + leeway;
            let now = millis(now);
            prop_assert_eq!(window.check(now).is_ok(), start <= now && now < end);
            for near in [start - Duration::from_millis(1), start, end - Duration::from_millis(1), end] {
                prop_assert_eq!(window.check(near).is_ok(), start <= near && near < end);
            }
        }

        #[test]
        fn any_text_is_decoded_or_refused(text in ".{0,64}") {
            let _ = Decoded::from_token(&text);
            let _ = is_jwt_shaped(&text);
        }
    }
}
