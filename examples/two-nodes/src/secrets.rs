//! What both servers have to know, and nobody else.

use std::fmt::Write as _;

use portcullis::{Secret, entropy};

use crate::Failure;

/// Where a server finds it. In earnest, what keeps the secrets of your servers hands it to them.
pub(crate) const VARIABLE: &str = "TWO_NODES_SECRETS";

/// The keys that servers share: whoever finds what another has kept needs the same ones.
pub(crate) struct Secrets {
    /// Of the hashes of API keys.
    pub(crate) pepper: Secret,
    /// Of the names under which sessions are kept.
    pub(crate) session_key: Secret,
    /// Of those of revocations.
    pub(crate) revocation_key: Secret,
}

impl Secrets {
    /// From 64 bytes in hexadecimal.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let bytes: Result<Vec<u8>, _> = text
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16))
            .collect();
        let bytes = <[u8; 64]>::try_from(bytes?).map_err(|_| "the secrets are not 64 bytes")?;
        let (pepper, rest) = bytes.split_at(32);
        let (session_key, revocation_key) = rest.split_at(16);
        Ok(Self {
            pepper: Secret::new(pepper),
            session_key: Secret::new(session_key),
            revocation_key: Secret::new(revocation_key),
        })
    }
}

/// New ones, in hexadecimal.
pub(crate) fn draw() -> Result<String, Failure> {
    let mut text = String::new();
    for byte in entropy::bytes::<64>()? {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}
