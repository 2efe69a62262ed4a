//! Off-switches for single checks, compiled only under `cfg(portcullis_sabotage)`.
//!
//! The attack harness turns one check off at a time and expects an attack to get through;
//! a check whose absence no attack notices proves nothing. The `cfg` is set by a compiler
//! wrapper in `cargo xtask attacks --sabotage`. It is no feature, so no dependency can
//! switch it on by unification.

/// Whether the named check is switched off. Always `false` in an ordinary build.
#[doc(hidden)]
#[macro_export]
macro_rules! sabotaged {
    ($name:literal) => {
        $crate::sabotage::active($name)
    };
}

/// Whether the named check is switched off in this process.
#[cfg(portcullis_sabotage)]
#[must_use]
pub fn active(name: &str) -> bool {
    use std::sync::OnceLock;
    static NAME: OnceLock<Option<String>> = OnceLock::new();
    NAME.get_or_init(|| std::env::var("PORTCULLIS_SABOTAGE").ok())
        .as_deref()
        == Some(name)
}

/// Whether the named check is switched off: never, in this build.
#[cfg(not(portcullis_sabotage))]
#[must_use]
#[inline(always)]
pub const fn active(_name: &str) -> bool {
    false
}
