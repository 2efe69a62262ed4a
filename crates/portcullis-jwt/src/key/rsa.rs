//! RSA public keys that are not good enough.

/// In bits. Longer keys cost a verifier more than they bring anybody.
const SIZES: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The primes of the test for ROCA, up to 167.
const PRIMES: [u16; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Why a key with this modulus and exponent, both without leading zeros, is refused.
pub(super) fn weakness(n: &[u8], e: &[u8]) -> Option<&'static str> {
    // The backends refuse other sizes as well, but only when a token comes.
    if !SIZES.contains(&bits(n)) {
        return Some("its RSA modulus is shorter than 2048 bits or longer than 8192");
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !is_odd(n) {
        return Some("its RSA modulus is even");
    }
    let is_small = bits(e) < 17;
    if (is_small || !is_odd(e)) && !portcullis_core::sabotaged!("jwk.rsa_exponent") {
        return Some("its RSA exponent is even or smaller than 65537");
    }
    if has_roca_fingerprint(n) && !portcullis_core::sabotaged!("jwk.roca") {
        return Some("its RSA modulus bears the fingerprint of ROCA (CVE-2017-15361)");
    }
    None
}

fn bits(number: &[u8]) -> usize {
    match number {
        [] => 0,
        [first, rest @ ..] => rest.len() * 8 + 8 - first.leading_zeros() as usize,
    }
}

/// Whether the modulus looks as if it came from the faulty generator of CVE-2017-15361.
///
/// Both primes of such a modulus are powers of 65537 modulo every small prime, so the modulus
/// is one, too. That holds for one random modulus in about 2²⁸.
fn has_roca_fingerprint(n: &[u8]) -> bool {
    PRIMES.iter().all(|&prime| {
        let prime = u32::from(prime);
        let residue = n
            .iter()
            .fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % prime);
        let generator = 65537 % prime;
        let mut power = 1;
        loop {
            if power == residue {
                return true;
            }
            power = power * generator % prime;
            if power == 1 {
                return false;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const E: &[u8] = &[1, 0, 1];

    fn modulus(bits: usize) -> Vec<u8> {
        let mut n = vec![0xb7; bits / 8];
        n[0] = 0x80;
        n
    }

    #[test]
    fn refuses_sizes_exponents_and_parity() {
        assert_eq!(weakness(&modulus(2048), E), None);
        assert_eq!(weakness(&modulus(8192), E), None);
        assert_eq!(weakness(&modulus(2048), &[1, 0, 3]), None);
        let mut short = modulus(2048);
        short[0] = 0x7f;
        let mut even = modulus(2048);
        even[255] = 0xb6;
        for n in [&[], &[1][..], &modulus(1024), &short, &modulus(8200), &even] {
            assert!(weakness(n, E).is_some());
        }
        for e in [&[][..], &[1], &[3], &[17], &[0xff, 0xff], &[1, 0, 2]] {
            assert!(weakness(&modulus(2048), e).is_some(), "{e:?}");
        }
    }

    #[test]
    fn knows_the_fingerprint_of_roca() {
        // Not a real key: a multiple of the product of the primes, plus a power of 65537.
        let n = hex(concat!(
            "824fd038364c8a6a98002ae7a26c15c45a73c009ea72c98c176c025212432d0e",
            "fbf1923dba033cac5467ac00da21aaf322b6c441d00e115c5ab12de6a33524cb",
            "91de4cf4d0abf8674f712c8e5c6899d3e4f2cc83735aa90901dabf95e6b7f7ca",
            "ef2f40876cb29647b5444925ab1e452e2a18577d6777f4dfb7bc10cbcff193de",
            "1c21d0a9cf2ad58e76f073886fdeb27126fb294d3c9c0fa21d11f5ab5525d8ad",
            "e96c82e2a4e3aee07baf01c25e9fd453ba0304f16049edd8016718d94bb318eb",
            "d25db489f09c78102347f64a1f506e86090dd4d8cf818e5558b4af53b439bc8a",
            "b01bc4e824f8803618e26afe876f7a0160140ca4d0c6ffcd7daec000e499dd95",
        ));
        assert!(weakness(&n, E).is_some_and(|problem| problem.contains("ROCA")));
        let mut neighbour = n;
        neighbour[255] ^= 2;
        assert_eq!(weakness(&neighbour, E), None);
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }
}
