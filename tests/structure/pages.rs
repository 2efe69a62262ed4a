//! Pages that say the same in two places, and what every layer's page has to have.

#![expect(
    clippy::expect_used,
    reason = "a page that is not there fails the test"
)]

use portcullis::Slot;

use crate::{assert_none, tree};

const README: &str = "README.md";
const CRATE_PAGE: &str = "crates/portcullis/src/lib.rs";

/// The documentation of a module: its `//!` lines, without the mark.
fn page(source: &str) -> String {
    let mut page = String::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("//!") {
            page.push_str(text.strip_prefix(' ').unwrap_or(text));
            page.push('\n');
        } else if line.contains("doc = \"```\"") {
            // An example that needs features. The other line says what it is without them.
            page.push_str("```\n");
        }
    }
    page
}

/// What stands between the first fence and the next, without what rustdoc hides.
fn first_example(page: &str) -> Option<String> {
    let mut lines = page.lines().skip_while(|line| !line.starts_with("```"));
    lines.next()?;
    let shown = lines
        .take_while(|line| !line.starts_with("```"))
        .filter(|line| *line != "#" && !line.starts_with("# "));
    Some(shown.collect::<Vec<_>>().join("\n"))
}

/// The paragraphs ahead of the first example, as text that may be broken anywhere.
fn opening(page: &str) -> String {
    let before = page.split("```").next().unwrap_or_default();
    words(before.trim_start_matches("# portcullis"))
}

/// What stands under a heading, in the same way.
fn section(page: &str, heading: &str) -> String {
    let mut lines = page.lines().skip_while(|line| {
        line.trim_start_matches('#').trim() != heading || !line.starts_with('#')
    });
    lines.next();
    words(
        &lines
            .take_while(|line| !line.starts_with('#'))
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Examples that are compiled and run.
fn examples(page: &str) -> usize {
    let mut is_inside = false;
    let mut count = 0;
    for line in page.lines() {
        let Some(info) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        if !is_inside && matches!(info.trim(), "" | "no_run" | "rust") {
            count += 1;
        }
        is_inside = !is_inside;
    }
    count
}

fn read(path: &str) -> String {
    std::fs::read_to_string(tree::root().join(path)).expect("the page is there")
}

#[test]
fn the_readme_begins_as_the_crate_page_does() {
    let (readme, crate_page) = (read(README), page(&read(CRATE_PAGE)));
    assert_eq!(opening(&readme), opening(&crate_page));
    let example = first_example(&readme).unwrap();
    assert!(
        example.lines().count() < 15,
        "the first example is too long"
    );
    assert_eq!(first_example(&crate_page), Some(example));
}

#[test]
fn both_say_the_same_of_what_is_not_there_yet() {
    let not_yet = section(&read(README), "Not yet");
    assert!(!not_yet.is_empty());
    assert_eq!(section(&page(&read(CRATE_PAGE)), "Not yet"), not_yet);
}

#[test]
fn every_layer_has_a_page_with_two_examples_and_a_way_to_it() {
    let crate_page = page(&read(CRATE_PAGE));
    let missing = Slot::ALL.into_iter().flat_map(|slot| {
        let name = slot.name();
        let page = page(&read(&format!("crates/portcullis/src/{name}/mod.rs")));
        let examples = examples(&page);
        let mut missing = Vec::new();
        if examples < 2 {
            missing.push(format!(
                "`{name}` has {examples} examples: the default, and one customised"
            ));
        }
        if !crate_page.contains(&format!("[`{name}`]")) {
            missing.push(format!("the crate page does not lead to `{name}`"));
        }
        missing
    });
    assert_none(&missing.collect::<Vec<_>>());
}

#[test]
fn sees_what_is_hidden_and_what_does_not_run() {
    let source = "//! A title.\n//!\n//! ```\n//! # use hidden;\n//! shown\n//! ```\n//! ```text\n\
                  //! no code\n//! ```\n//! # Not yet\n//!\n//! that,\n//! and that\n//!\n//! # Else\ncode\n";
    let page = page(source);
    assert_eq!(opening(&page), "A title.");
    assert_eq!(first_example(&page).as_deref(), Some("shown"));
    assert_eq!(examples(&page), 1);
    assert_eq!(section(&page, "Not yet"), "that, and that");
}
