//! Whether an issuer has taken back what it vouched for.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// By which an authenticator takes back a credential that it has accepted: what was let in with it
/// ends, unless a later credential of the same session covers it. Clones are the same.
///
/// It is for authenticators that go on asking about a credential, as one that introspects tokens
/// does. Those that learn of it otherwise revoke.
///
/// # Example
///
/// ```
/// use portcullis_core::{Evidence, EvidenceKind, Withdrawal};
///
/// let withdrawal = Withdrawal::new();
/// let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", "alice")
///     .with_withdrawal(withdrawal.clone());
/// assert!(withdrawal.is_awaited());
/// withdrawal.withdraw();
/// assert!(evidence.is_withdrawn());
/// ```
#[derive(Clone, Default)]
pub struct Withdrawal(Arc<AtomicBool>);

impl Withdrawal {
    /// Of a credential that counts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the credential back. It does not count again.
    pub fn withdraw(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the credential has been taken back.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Whether anybody else has a clone of it: evidence that somebody keeps, such as a request that
    /// runs. Where nobody has, nobody needs to be asked about the credential.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

/// Whether both are the same.
impl PartialEq for Withdrawal {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Withdrawal {}

impl fmt::Debug for Withdrawal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Withdrawal")
            .field(&self.is_withdrawn())
            .finish()
    }
}
