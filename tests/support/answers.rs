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

/// The status that the page has for each reason of a receiver, if it is an answer.
static RECEIVERS: LazyLock<BTreeMap<&'static str, Option<u16>>> = LazyLock::new(|| {
    let list = PAGE.split("receivers of notices").nth(1);
    let list = list.and_then(|rest| rest.split("These are no answers").next());
    let items = list.unwrap_or_default().split("//! - ").skip(1);
    let codes = items.flat_map(|item| {
        let (status, codes) = item.split_once(':').unwrap_or_default();
        let status = status.parse().ok();
        let codes = codes.split('`').skip(1).step_by(2);
        codes.map(move |code| (code, status))
    });
    codes.collect()
});

/// Whether the page has the answer of a layer, or of a receiver of notices. Authenticators have
/// codes of their own, which are not on it.
#[must_use]
pub fn is_documented(code: &str, status: u16) -> bool {
    if ["logout_", "set_"]
        .iter()
        .any(|prefix| code.starts_with(prefix))
    {
        return RECEIVERS.get(code) == Some(&Some(status));
    }
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

    #[test]
    fn every_reason_of_a_receiver_is_on_the_page_and_nothing_else() {
        let source = include_str!("../../crates/portcullis-jwt/src/reason.rs");
        let codes = source.lines().filter_map(|line| {
            let (code, _) = line.split_once(" = \"")?.1.split_once('"')?;
            ["logout_", "set_"]
                .iter()
                .any(|prefix| code.starts_with(prefix))
                .then_some(code)
        });
        let mut codes: Vec<_> = codes.collect();
        codes.sort_unstable();
        assert_eq!(RECEIVERS.keys().copied().collect::<Vec<_>>(), codes);
        assert!(codes.len() > 40);
        assert!(is_documented("set_audience", 400));
        assert!(!is_documented("set_audience", 202));
        assert!(!is_documented("set_silent", 200));
    }
}
