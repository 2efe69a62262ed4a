//! The checksum of API keys, made by itself: what whoever makes up a key can do as well.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The text of a key before its checksum, with the checksum: the CRC-32 of ISO 3309, bit by bit,
/// as six digits of base 62.
#[must_use]
pub fn sealed(body: &str) -> String {
    let mut crc = u32::MAX;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = match crc & 1 {
                1 => crc >> 1 ^ 0xedb8_8320,
                _ => crc >> 1,
            };
        }
    }
    let mut rest = !crc;
    let mut sum = Vec::new();
    for _ in 0..6 {
        sum.extend(DIGITS.get(rest as usize % 62));
        rest /= 62;
    }
    sum.reverse();
    format!("{body}{}", String::from_utf8_lossy(&sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_as_the_documentation_of_the_form_does() {
        let body = "acme_000000000000000_0000000000000000000000000000000000000000000";
        assert_eq!(sealed(body), format!("{body}0LWWfN"));
    }
}
