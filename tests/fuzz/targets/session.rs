//! Sessions as bytes: what a store hands back may be cut, damaged, or of another program.

use portcullis::session::{SessionRecord, Sessions};

use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "session",
    check,
    dictionary: &[
        "\u{0}",
        "\u{1}",
        "\u{2}",
        "\u{3}",
        "\u{7}",
        "\u{8}",
        "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
        "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{1}",
        "\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}",
        "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{1}a",
        "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{1}b",
        "cart",
    ],
    executions: 40_000,
};

/// One session is written in one way only, so what can be read is what was written.
fn check(input: &[u8]) -> Answer {
    let record = SessionRecord::from_bytes(input);
    if let Ok(record) = &record {
        assert_eq!(record.to_bytes(), input, "a record has two forms");
        assert_eq!(
            SessionRecord::from_bytes(&record.to_bytes()).as_ref(),
            Ok(record)
        );
    }
    let sessions = Sessions::from_bytes(input);
    if let Ok(sessions) = &sessions {
        assert_eq!(sessions.to_bytes(), input, "sessions have two forms");
        for record in &sessions.records {
            assert_eq!(
                SessionRecord::from_bytes(&record.to_bytes()).as_ref(),
                Ok(record)
            );
        }
    }
    for problem in [record.as_ref().err(), sessions.as_ref().err()] {
        let said = problem.map(ToString::to_string).unwrap_or_default();
        assert!(said.len() < 100 && said.is_ascii(), "{said:?}");
    }
    if record.is_err() && sessions.is_err() {
        return Answer::Refused;
    }
    // Neither cut nor longer.
    if let Some((_, cut)) = input.split_last() {
        assert!(record.is_err() || SessionRecord::from_bytes(cut).is_err());
        assert!(sessions.is_err() || Sessions::from_bytes(cut).is_err());
    }
    let longer = [input, b"\0"].concat();
    assert!(record.is_err() || SessionRecord::from_bytes(&longer).is_err());
    assert!(sessions.is_err() || Sessions::from_bytes(&longer).is_err());
    Answer::Taken
}
