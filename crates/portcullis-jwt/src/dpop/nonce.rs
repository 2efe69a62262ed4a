//! Nonces of the server (RFC 9449 §8 and §9).
//!
//! A nonce is a keyed hash of the number of a span of time. Nothing is remembered of those that
//! were given away, every server with the same key knows all of them, and whoever sees one learns
//! neither the key nor the next.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderValue;
use portcullis_core::{Timestamp, sabotaged};
use sha2::Sha256;

/// 128 bits.
const LENGTH: usize = 16;

pub(super) struct Nonces {
    mac: Hmac<Sha256>,
    /// In seconds.
    span: i64,
}

/// When a nonce was given away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Given {
    Now,
    /// In the span before this one: it is good, and the client is to have another.
    Before,
}

impl Nonces {
    /// Nonces that are good for one `span`, and for the rest of the one in which they are given
    /// away.
    pub(super) fn new(key: &[u8; 32], span: Duration) -> Self {
        Self {
            mac: mac(key),
            span: i64::try_from(span.as_secs()).unwrap_or(i64::MAX).max(1),
        }
    }

    /// The nonce of this span.
    pub(super) fn fresh(&self, now: Timestamp) -> Option<HeaderValue> {
        let digest = self.of(self.number(now)).finalize().into_bytes();
        let text = URL_SAFE_NO_PAD.encode(digest.get(..LENGTH)?);
        HeaderValue::try_from(text).ok()
    }

    /// When a nonce was given away, if it is one of ours and still good.
    pub(super) fn check(&self, nonce: &str, now: Timestamp) -> Option<Given> {
        let Some(nonce) = URL_SAFE_NO_PAD
            .decode(nonce)
            .ok()
            .filter(|n| n.len() == LENGTH)
        else {
            return sabotaged!("dpop.nonce").then_some(Given::Now);
        };
        let number = self.number(now);
        for (number, given) in [(number, Given::Now), (number - 1, Given::Before)] {
            // In constant time.
            if self.of(number).verify_truncated_left(&nonce).is_ok() {
                return Some(given);
            }
        }
        sabotaged!("dpop.nonce").then_some(Given::Now)
    }

    /// Until when a nonce that is good now is good.
    pub(super) fn end(&self, now: Timestamp, given: Given) -> Timestamp {
        let spans = match given {
            Given::Now => 2,
            Given::Before => 1,
        };
        let last = self.number(now).saturating_add(spans);
        let seconds = last.saturating_mul(self.span);
        Timestamp::from_unix_seconds(seconds)
    }

    fn number(&self, now: Timestamp) -> i64 {
        now.unix_seconds().div_euclid(self.span)
    }

    fn of(&self, number: i64) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(&number.to_be_bytes());
        mac
    }
}

/// HMAC-SHA-256 (RFC 2104) with a key that is shorter than a block, of which zeros are the rest.
pub(super) fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    let (start, _) = block.split_at_mut(key.len());
    start.copy_from_slice(key);
    Hmac::new(&block.into())
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces")
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(300);
    const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

    fn given(nonces: &Nonces, at: Timestamp) -> String {
        nonces.fresh(at).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_nonce_is_good_for_its_span_and_the_next() {
        let nonces = Nonces::new(&[1; 32], SPAN);
        let nonce = given(&nonces, AT);
        let after = |seconds| AT + Duration::from_secs(seconds);
        assert_eq!(nonces.check(&nonce, AT), Some(Given::Now));
        assert_eq!(nonces.check(&nonce, after(299)), Some(Given::Now));
        assert_eq!(nonces.check(&nonce, after(300)), Some(Given::Before));
        assert_eq!(nonces.check(&nonce, after(599)), Some(Given::Before));
        assert_eq!(nonces.check(&nonce, after(600)), None);
        // Nor before it was given away, after a clock was set back.
        assert_eq!(nonces.check(&given(&nonces, after(300)), AT), None);
        assert_eq!(nonces.end(AT, Given::Now), after(600));
        assert_eq!(nonces.end(after(299), Given::Now), after(600));
        assert_eq!(nonces.end(after(300), Given::Before), after(600));
    }

    #[test]
    fn only_who_has_the_key_makes_one() {
        let nonces = Nonces::new(&[1; 32], SPAN);
        let nonce = given(&nonces, AT);
        assert_eq!(
            Nonces::new(&[1; 32], SPAN).check(&nonce, AT),
            Some(Given::Now)
        );
        assert_eq!(Nonces::new(&[2; 32], SPAN).check(&nonce, AT), None);
        for forged in [
            "",
            "a",
            &nonce[1..],
            &format!("{nonce}A"),
            &nonce.to_uppercase(),
        ] {
            assert_eq!(nonces.check(forged, AT), None, "{forged}");
        }
    }

    #[test]
    fn says_nothing_of_the_time() {
        let nonces = Nonces::new(&[1; 32], SPAN);
        let (one, next) = (given(&nonces, AT), given(&nonces, AT + SPAN));
        assert_eq!((one.len(), next.len()), (22, 22));
        let same = one
            .bytes()
            .zip(next.bytes())
            .filter(|(a, b)| a == b)
            .count();
        assert!(same < 8, "{one} {next}");
    }

    #[test]
    fn the_mac_is_the_one_of_rfc_2104() {
        use hmac::Mac as _;

        let digest = |mac: Hmac<Sha256>| mac.chain_update("data").finalize().into_bytes();
        let expected = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
        assert_eq!(digest(mac(&[7; 32])), digest(expected));
    }

    #[test]
    fn any_time_has_one() {
        for seconds in [i64::MIN / 1000, -1, 0, i64::MAX / 1000] {
            let at = Timestamp::from_unix_seconds(seconds);
            let nonces = Nonces::new(&[1; 32], Duration::MAX);
            assert_eq!(nonces.check(&given(&nonces, at), at), Some(Given::Now));
            let _ = nonces.end(at, Given::Now);
        }
    }
}
