//! What a stranger may send in a header.

use http::HeaderValue;

/// Values for any header that an authenticator reads: the same ones in every run.
pub(super) fn garbage() -> Vec<HeaderValue> {
    let mut values = handwritten();
    values.extend(combined());
    values.extend(random(2000));
    // A `HeaderValue` cannot hold NUL, CR or LF; what it refuses cannot arrive.
    values
        .iter()
        .filter_map(|value| HeaderValue::from_bytes(value).ok())
        .collect()
}

/// Well-formed credentials of other owners.
pub(super) fn foreign() -> Vec<HeaderValue> {
    [
        // An opaque token, an API key of another maker, the example of RFC 6750 §2.1.
        "Bearer 2YotnFZFEjr1zCsicMWpAA",
        "Bearer sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "Bearer mF_9.B5f-4.1JqM",
        // {"alg":"ES256","typ":"at+jwt","kid":"1"}.{"iss":"https://other.example","sub":"root"}
        concat!(
            "Bearer eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IjEifQ",
            ".eyJpc3MiOiJodHRwczovL290aGVyLmV4YW1wbGUiLCJzdWIiOiJyb290In0",
            ".AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ),
        // The example of RFC 7519 §3.1, HS256.
        concat!(
            "Bearer eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        // {"alg":"none"}
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.",
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "DPoP Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
        "Digest username=\"Mufasa\", realm=\"x\", nonce=\"y\", uri=\"/\", response=\"z\"",
        "Negotiate YIIJvwYGKwYBBQUC",
    ]
    .map(HeaderValue::from_static)
    .to_vec()
}

fn handwritten() -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = [
        &b""[..],
        b" ",
        b"\t",
        b"Bearer",
        b"Bearer ",
        b"Bearer  x",
        b"Bearer\tx",
        b"Bearer x ",
        b" Bearer x",
        b"bearer x",
        b"Bearer x y",
        b"Bearer x, Bearer y",
        b"Bearer x,",
        b"Bearer Bearer x",
        b"Bearer =",
        b"Bearer ==x",
        b"Bearer \"x\"",
        b"Bearer null",
        b"Bearer undefined",
        b"Bearer .",
        b"Bearer ..",
        b"Bearer ...",
        b"Bearer a.b",
        b"Bearer a.b.c",
        b"Bearer a.b.c.d",
        b"Bearer a.b.c.d.e",
        b"Bearer .a.b.c",
        b"Bearer a.b.c.",
        b"Bearer a.b.c=",
        b"Bearer a+/.b+/.c+/",
        // {}.{}.{} and []..
        b"Bearer e30.e30.e30",
        b"Bearer W10..",
        // {"alg":null}, {"alg":7}, {"alg":["none"]}, each with {}
        b"Bearer eyJhbGciOm51bGx9.e30.",
        b"Bearer eyJhbGciOjd9.e30.",
        b"Bearer eyJhbGciOlsibm9uZSJdfQ.e30.",
        b"Bearer \xff\xfe\xfd",
        b"Bearer \xc3\xa4\xc3\xb6",
        b"\x80",
        b"Bearer {\"payload\":\"e30\",\"signatures\":[]}",
        b"Basic",
        b"Basic !",
        b"Basic Og==",
        b"Basic OjpA",
        b"DPoP x",
        b"\"",
        b"\"\"",
        b"\\",
        b",",
        b";",
        b"=",
        b":::",
        b"%00%0a",
        b"../../etc/passwd",
        b"' OR '1'='1",
        b"{}",
        b"[]",
        b"null",
        b"0",
        b"-1",
        b"18446744073709551616",
        b"Hash=;Subject=\"\"",
        b"By=spiffe://x;Hash=zz",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    let long = 64 * 1024;
    for part in [
        &b"a"[..],
        b".",
        b"=",
        b" ",
        b",",
        b"\xff",
        b"e30.",
        b"[",
        b"eyJ",
        b"\"",
        b";",
        b"%",
    ] {
        let run = part.repeat(long / part.len());
        values.push([b"Bearer ", &*run].concat());
        values.push(run);
    }
    // JSON that is nested deeper than a stack is: 49,152 times `[`, as a header.
    values.push([b"Bearer ", &*b"W1tb".repeat(long / 4), b".e30.e30"].concat());
    values
}

/// Schemes with credentials of all lengths that decoders trip over.
fn combined() -> impl Iterator<Item = Vec<u8>> {
    let schemes = ["", "Bearer ", "bEaReR ", "DPoP ", "Basic ", "Bearer\u{a0}"];
    schemes.into_iter().flat_map(|scheme| {
        (0..70).flat_map(move |length| {
            ["A", "_", "=", "."].map(|part| format!("{scheme}{}", part.repeat(length)).into_bytes())
        })
    })
}

/// Random lines in the alphabets that parsers look for.
fn random(count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut random = SplitMix(0x706f_7274_6375_6c6c);
    (0..count).map(move |_| {
        let prefix: &[u8] = match random.below(3) {
            0 => b"",
            1 => b"Bearer ",
            _ => b"Bearer eyJhbGciOiJFUzI1NiJ9.",
        };
        let alphabet: &[u8] = match random.below(4) {
            0 => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.",
            1 => b"ab.=~+/-_ ,;\"\\\t",
            2 => b"\x20\x21\x22\x5c\x7e\x80\x9f\xa0\xc0\xc3\xe2\xed\xf0\xff",
            _ => b"{}[]\":,0123456789truefalsnu\\.",
        };
        let length = random.below(200);
        let mut value = prefix.to_vec();
        value.extend((0..length).filter_map(|_| alphabet.get(random.below(alphabet.len()))));
        value
    })
}

/// `SplitMix64`: small, and the same everywhere. Nothing here has to be unpredictable.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_is_wide_and_always_the_same() {
        let values = garbage();
        assert!(values.len() > 3000, "{}", values.len());
        assert_eq!(values, garbage());
        assert!(values.iter().any(HeaderValue::is_empty));
        assert!(values.iter().any(|value| value.to_str().is_err()));
        assert!(values.iter().any(|value| value.len() >= 64 * 1024));
    }
}
