//! API keys as bytes: what a store hands back may be cut, damaged, or of another program.

use portcullis::{
    Secret, Timestamp,
    api_keys::{KeyRing, StoredKey},
};

use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "api_key_record",
    check,
    dictionary: &[
        "\u{0}",
        "\u{1}",
        "\u{2}",
        "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
        "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{1}",
        "\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}",
        "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{5}alice",
        "application:",
        "notes.read",
        " ",
    ],
    executions: 40_000,
};

/// One key is written in one way only, so what can be read is what was written; and whatever it
/// says, whoever takes it in says yes or no.
fn check(input: &[u8]) -> Answer {
    let key = match StoredKey::from_bytes(input) {
        Ok(key) => key,
        Err(problem) => {
            let said = problem.to_string();
            assert!(said.len() < 100 && said.is_ascii(), "{said:?}");
            return Answer::Refused;
        }
    };
    assert_eq!(key.to_bytes(), input, "a key has two forms");
    // Neither cut nor longer.
    if let Some((_, cut)) = input.split_last() {
        assert!(StoredKey::from_bytes(cut).is_err());
    }
    assert!(StoredKey::from_bytes(&[input, b"\0"].concat()).is_err());

    let ring = KeyRing::new("acme", &Secret::new([7; 32]));
    let text = "acme_000000000000000_00000000000000000000000000000000000000000000LWWfN";
    if let Err(problem) = ring.insert(key.clone()) {
        assert!(problem.to_string().len() < 500, "{problem}");
    } else {
        let found = ring.find(key.id()).expect("it has been taken in");
        assert_eq!(found.to_bytes(), input);
        // Nobody has the text that belongs to its hash.
        for now in [Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            assert!(!ring.explain(text, now).is_accepted());
        }
    }
    Answer::Taken
}
