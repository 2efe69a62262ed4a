//! Where a session came from, as a store keeps it.

use std::num::{NonZeroU32, NonZeroU64};

use crate::Timestamp;

/// Where a session came from, as the `binding` layer of `portcullis` has seen it: plain data,
/// in 32 bytes.
///
/// Keyed hashes, and none that is alike in two sessions: neither an address nor a header can
/// be read out of them. What is `None` has not been seen yet.
///
/// # Example
///
/// ```
/// use std::num::NonZeroU32;
/// use portcullis_core::BindingReference;
///
/// let mut reference = BindingReference::default();
/// assert!(reference.is_empty());
/// reference.ipv4 = NonZeroU32::new(7);
/// assert!(!reference.is_empty());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct BindingReference {
    /// The network, where the session came by IPv4.
    pub ipv4: Option<NonZeroU32>,
    /// The network, where it came by IPv6.
    pub ipv6: Option<NonZeroU32>,
    /// The `User-Agent`.
    pub user_agent: Option<NonZeroU64>,
    /// The device id that the client sends.
    pub device: Option<NonZeroU64>,
    /// When the user had authenticated who set all this, by the issuer's clock: a user who
    /// authenticated later sets it anew.
    pub authenticated_at: Timestamp,
}

impl BindingReference {
    /// Whether nothing has been seen yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(
            self,
            Self {
                ipv4: None,
                ipv6: None,
                user_agent: None,
                device: None,
                ..
            }
        )
    }
}

impl Default for BindingReference {
    /// Nothing has been seen yet.
    fn default() -> Self {
        Self {
            ipv4: None,
            ipv6: None,
            user_agent: None,
            device: None,
            authenticated_at: Timestamp::UNIX_EPOCH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_pays_32_bytes_for_it() {
        assert_eq!(size_of::<BindingReference>(), 32);
    }

    #[test]
    fn each_attribute_alone_is_something() {
        let empty = BindingReference::default();
        assert!(empty.is_empty());
        let (half, whole) = (Some(NonZeroU32::MIN), Some(NonZeroU64::MIN));
        let of = |change: fn(&mut BindingReference, Option<NonZeroU32>, Option<NonZeroU64>)| {
            let mut reference = empty;
            change(&mut reference, half, whole);
            reference
        };
        for reference in [
            of(|reference, half, _| reference.ipv4 = half),
            of(|reference, half, _| reference.ipv6 = half),
            of(|reference, _, whole| reference.user_agent = whole),
            of(|reference, _, whole| reference.device = whole),
        ] {
            assert!(!reference.is_empty(), "{reference:?}");
        }
    }
}
