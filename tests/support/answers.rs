//! The page of the guide that says what is answered, as a table to be held against.

use std::{collections::BTreeMap, sync::LazyLock};

use portcullis::reason;

const PAGE: &str = include_str!("../../crates/portcullis/src/guide/answers.rs");

/// The statuses that the page has for each reason.
static TABLE: LazyLock<BTreeMap<&'static str, Vec<u16>>> = LazyLock::new(|| {
    let rows = PAGE.lines().filter_map(|line| {
        let (reason, rest) = line.strip_prefix("//! | `")?.split_once("` | ")?;
        let (statuses, _) = rest.split_once(" |")?;
        let statuses = statuses.split(' ').filter_map(|status| status.parse().ok());
        Some((reason, statuses.collect()))
    });
    rows.collect()
});

/// Whether the page has the answer of a layer. Authenticators have codes of their own, which are
/// not on it.
#[must_use]
pub fn is_documented(code: &str, status: u16) -> bool {
    let is_own = reason::ALL.iter().any(|known| known.as_str() == code);
    let statuses = TABLE.get(code);
    !is_own || statuses.is_some_and(|statuses| statuses.contains(&status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_on_the_page_and_nothing_else() {
        let in_prose = |code: &str| {
            let prose = PAGE.split("These are no answers").nth(1);
            prose.is_some_and(|prose| prose.contains(&format!("`{code}`")))
        };
        for code in reason::ALL.iter().map(|code| code.as_str()) {
            let places = usize::from(TABLE.contains_key(code)) + usize::from(in_prose(code));
            assert_eq!(
                places, 1,
                "`{code}` has to be in the table or in the list below it"
            );
        }
        for code in TABLE.keys() {
            let is_known = reason::ALL.iter().any(|known| known.as_str() == *code);
            assert!(is_known, "`{code}` is no reason");
        }
    }
}
