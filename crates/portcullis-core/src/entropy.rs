//! Where randomness comes from.

/// Random bytes from the operating system.
///
/// # Errors
///
/// The operating system could give none. Nothing may be decided without them, so callers
/// pass the error on: at build time as a [`ConfigError`](crate::ConfigError).
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that takes randomness"
)]
pub fn bytes<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn draws_differ() {
        let a: [u8; 32] = super::bytes().unwrap();
        let b: [u8; 32] = super::bytes().unwrap();
        assert_ne!(a, b);
    }
}
