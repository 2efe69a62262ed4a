//! Compiles each case with `rustc`, and compares what it says with what the case expects.
//!
//! The error codes have to be the same with every toolchain; the words only with the one that
//! this repository pins.
#![expect(
    clippy::unwrap_used,
    reason = "a machine on which these fail cannot run the cases"
)]

mod case;
mod compiler;

use std::{fs, path::Path};

use crate::{case::Case, compiler::Compiler};

/// The toolchain whose words are compared as well.
const PINNED: &str = "1.95.0";

#[test]
fn every_case_is_refused_for_its_own_reason() {
    let compiler = Compiler::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut complaints = Vec::new();
    let (mut refused, mut passed) = (0, 0);
    for path in &paths {
        let name = path.file_stem().unwrap().to_string_lossy();
        let case = Case::new(&name, &fs::read_to_string(path).unwrap());
        match case.marks.is_empty() {
            true => passed += 1,
            false => refused += 1,
        }
        complaints.extend(complaints_about(&compiler, &case));
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
    assert!(
        refused >= 20 && passed >= 1,
        "{refused} refused, {passed} passed"
    );
}

/// What is wrong with a case: an error that was not expected, one that did not come, words
/// that have changed, or a program that is wrong without its marked lines too.
fn complaints_about(compiler: &Compiler, case: &Case) -> Vec<String> {
    let name = &case.name;
    let mut complaints = Vec::new();
    let mut errors = compiler.errors(name, &case.text);
    for mark in &case.marks {
        let found = errors
            .iter()
            .position(|error| error.line == Some(mark.line) && error.code == mark.code);
        match found.map(|index| errors.swap_remove(index)) {
            None => complaints.push(format!("{name}:{}: no {}", mark.line, mark.code)),
            Some(error) if compiler.is_pinned && error.message != mark.message => {
                complaints.push(format!(
                    "{name}:{}: says `{}` instead of `{}`",
                    mark.line, error.message, mark.message
                ));
            }
            Some(_) => {}
        }
    }
    complaints.extend(errors.iter().map(|error| format!("{name}: {error}")));
    if !case.marks.is_empty() {
        let twin = compiler.errors(&format!("{name}_twin"), &case.without_marked_lines());
        complaints.extend(
            twin.iter()
                .map(|error| format!("{name}, without its marks: {error}")),
        );
    }
    complaints
}

/// The judgement itself has to be able to fall either way.
#[test]
fn a_case_that_proves_nothing_is_complained_of() {
    let compiler = Compiler::new();
    let complaints = |name: &str, text: &str| complaints_about(&compiler, &Case::new(name, text));
    let clean = Vec::<String>::new();

    let good = "fn main() {}\n";
    assert_eq!(complaints("good", good), clean);
    let refused =
        "fn main() {\n    gone(); //~ E0425 cannot find function `gone` in this scope\n}\n";
    assert_eq!(complaints("refused", refused), clean);

    let said = complaints("unmarked", "fn main() {\n    gone();\n}\n");
    assert!(
        matches!(said.as_slice(), [one] if one.contains("E0425")),
        "{said:?}"
    );
    let said = complaints("harmless", "fn main() {\n    let _ = 1; //~ E0425 x\n}\n");
    assert_eq!(said, ["harmless:2: no E0425"]);
    let said = complaints("wrong_code", &refused.replace("//~ E0425", "//~ E0603"));
    assert_eq!(said.len(), 2, "{said:?}");
    let said = complaints(
        "other_error",
        &format!("{refused}fn other() {{ away(); }}\n"),
    );
    assert_eq!(said.len(), 2, "with its marks and without: {said:?}");
    let said = complaints("other_words", &refused.replace("find function", "see"));
    assert_eq!(said.len(), usize::from(compiler.is_pinned), "{said:?}");
}
