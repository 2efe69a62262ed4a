//! Habits: what must stand in the checkout, and what must not.

use std::fs;
use std::io;
use std::path::Path;

use crate::{assert_none, metadata, tree};

/// Long enough to say it, short enough to be read.
const CONTRIBUTING_LINES: usize = 150;

/// A file as text, with its path below the root.
struct Document {
    path: String,
    text: String,
}

/// Everything that is text, except what cargo writes.
fn documents(root: &Path) -> io::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for file in tree::files(root)? {
        let path = tree::below(root, &file);
        if path == "Cargo.lock" {
            continue;
        }
        if let Ok(text) = String::from_utf8(fs::read(&file)?) {
            documents.push(Document { path, text });
        }
    }
    Ok(documents)
}

/// Paths of somebody's machine. The needles are made, not written: they would find
/// themselves here.
fn machine_paths(document: &Document) -> Vec<String> {
    let folders = ["home", "root", "work"].map(|name| format!("/{name}/"));
    let is_path = |line: &str, needle: &str| {
        line.match_indices(needle).any(|(at, _)| {
            // `example.org/home/` and `src/work/` are no absolute paths.
            let before = line.get(..at).and_then(|head| head.chars().next_back());
            let after = line
                .get(at + needle.len()..)
                .and_then(|tail| tail.chars().next());
            !before.is_some_and(|one| one.is_alphanumeric() || matches!(one, '.' | '}' | '-' | '_'))
                && after.is_some_and(|one| one.is_ascii_alphanumeric())
        })
    };
    numbered(document, |line| {
        folders.iter().any(|needle| is_path(line, needle))
    })
    .map(|at| format!("{at}: a path of one machine"))
    .collect()
}

/// Macros and attributes that mean "not yet".
fn unfinished(document: &Document) -> Vec<String> {
    let needles = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("#[ign", "ore"),
    ];
    numbered(document, |line| {
        needles.iter().any(|needle| line.contains(needle))
    })
    .map(|at| format!("{at}: not finished"))
    .collect()
}

/// A lint that is turned off by an attribute without a reason. The compiler says so
/// too, but only where it looks: not under a `cfg` that is off.
fn unreasoned(document: &Document) -> Vec<String> {
    let mut said = Vec::new();
    for needle in [concat!("#[al", "low("), concat!("#![al", "low(")] {
        for (at, _) in document.text.match_indices(needle) {
            let attribute = document
                .text
                .get(at..)
                .and_then(|rest| rest.split_once(")]"))
                .map_or("", |(attribute, _)| attribute);
            if !attribute.contains("reason") {
                let head = document.text.get(..at).unwrap_or_default();
                let line = head.matches('\n').count() + 1;
                said.push(format!(
                    "{}:{line}: a lint is off without a reason",
                    document.path
                ));
            }
        }
    }
    said
}

/// Lock files that say where a package was found: that is the choice of a machine, and
/// the checksum is what counts. The `.npmrc` beside them leaves it out.
fn found_somewhere(lock: &Document) -> Vec<String> {
    numbered(lock, |line| line.trim_start().starts_with("\"resolved\""))
        .map(|at| format!("{at}: the address of a registry"))
        .collect()
}

fn numbered<'a>(
    document: &'a Document,
    bad: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = String> + 'a {
    let lines = document.text.lines().zip(1..);
    lines
        .filter(move |(line, _)| bad(line))
        .map(|(_, number)| format!("{}:{number}", document.path))
}

/// Folders of examples that their table of contents leaves out.
fn unnamed_examples<'a>(readme: &str, folders: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    folders
        .into_iter()
        .filter(|folder| !readme.contains(&format!("`{folder}`")))
        .map(|folder| format!("examples/README.md does not name `{folder}`"))
        .collect()
}

/// Manifests of members that go without the lints of the workspace.
fn without_lints(manifest: &Document) -> Vec<String> {
    let lines: Vec<&str> = manifest.text.lines().map(str::trim).collect();
    if lines
        .windows(2)
        .any(|pair| pair == ["[lints]", "workspace = true"])
    {
        Vec::new()
    } else {
        vec![format!(
            "{}: take the lints of the workspace",
            manifest.path
        )]
    }
}

fn too_long(document: &Document, most: usize) -> Vec<String> {
    let lines = document.text.lines().count();
    if lines > most {
        vec![format!("{}: {lines} lines, {most} at most", document.path)]
    } else {
        Vec::new()
    }
}

fn read(path: &str) -> Result<Document, String> {
    let text = fs::read_to_string(tree::root().join(path));
    Ok(Document {
        path: path.to_owned(),
        text: text.map_err(|error| format!("{path}: {error}"))?,
    })
}

#[test]
fn the_checkout_keeps_its_habits() {
    let documents = documents(&tree::root()).unwrap();
    let sources = || {
        documents
            .iter()
            .filter(|document| document.path.ends_with(".rs"))
    };
    assert!(sources().count() > 0, "no source was read");
    let mut said: Vec<String> = documents.iter().flat_map(machine_paths).collect();
    let locks = documents
        .iter()
        .filter(|document| document.path.ends_with("package-lock.json"));
    said.extend(locks.flat_map(found_somewhere));
    said.extend(sources().flat_map(unfinished));
    said.extend(sources().flat_map(unreasoned));
    assert_none(&said);
}

#[test]
fn the_licences_and_the_way_to_contribute_are_there() {
    for (path, contains) in [
        ("LICENSE-APACHE", "Apache License"),
        ("LICENSE-MIT", "The portcullis authors"),
    ] {
        assert!(read(path).unwrap().text.contains(contains), "{path}");
    }
    assert_none(&too_long(
        &read("CONTRIBUTING.md").unwrap(),
        CONTRIBUTING_LINES,
    ));
}

#[test]
fn the_examples_are_all_named() {
    let mut folders = Vec::new();
    for entry in fs::read_dir(tree::root().join("examples")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            folders.push(entry.file_name().into_string().unwrap());
        }
    }
    assert!(!folders.is_empty(), "there is no example");
    let readme = read("examples/README.md").unwrap();
    assert_none(&unnamed_examples(
        &readme.text,
        folders.iter().map(String::as_str),
    ));
}

#[test]
fn every_member_takes_the_lints_of_the_workspace() {
    let root = tree::root();
    let mut said = Vec::new();
    for package in metadata().unwrap().workspace_packages() {
        let path = tree::below(&root, package.manifest_path.as_std_path());
        said.extend(without_lints(&read(&path).unwrap()));
    }
    assert_none(&said);
}

/// A document to complain of.
fn bad(text: &str) -> Document {
    Document {
        path: "bad".to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn complains_of_the_path_of_a_machine_but_not_of_a_path_in_a_url() {
    let home = concat!("/ho", "me/me/project");
    let said = machine_paths(&bad(&format!("fine\nsee {home}\n(\"{home}\")\n")));
    assert_eq!(
        said,
        [
            "bad:2: a path of one machine",
            "bad:3: a path of one machine"
        ]
    );
    assert_none(&machine_paths(&bad(&format!(
        "https://example.org{home} src{home} and /homes/"
    ))));
}

#[test]
fn complains_of_a_lock_file_that_names_a_registry() {
    let lock =
        "{\n  \"version\": \"1.0.0\",\n  \"resolved\": \"https://registry.example/one.tgz\"\n}\n";
    assert_eq!(
        found_somewhere(&bad(lock)),
        ["bad:3: the address of a registry"]
    );
}

#[test]
fn complains_of_what_is_not_finished() {
    let text = concat!(
        "fn one() { to",
        "do!() }\n\n#[ign",
        "ore = \"slow\"]\nfn two() {}\n"
    );
    assert_eq!(
        unfinished(&bad(text)),
        ["bad:1: not finished", "bad:3: not finished"]
    );
}

#[test]
fn complains_of_a_lint_that_is_off_without_a_reason() {
    let text = concat!(
        "#[al",
        "low(dead_code, reason = \"twin\")]\nfn one() {}\n#![al",
        "low(\n    dead_code,\n)]\n"
    );
    assert_eq!(
        unreasoned(&bad(text)),
        ["bad:3: a lint is off without a reason"]
    );
}

#[test]
fn complains_of_an_example_that_is_not_named_and_of_a_manifest_without_lints() {
    assert_eq!(
        unnamed_examples("- `one`: the first", ["one", "two"]),
        ["examples/README.md does not name `two`"]
    );
    assert_none(&without_lints(&bad(
        "[package]\n\n[lints]\nworkspace = true\n",
    )));
    assert_eq!(
        without_lints(&bad("[lints]\n\n[lib]\nworkspace = true\n")).len(),
        1
    );
}

#[test]
fn complains_of_a_document_that_is_too_long() {
    assert_none(&too_long(&bad("one\ntwo\n"), 2));
    assert_eq!(
        too_long(&bad("one\ntwo\nthree\n"), 2),
        ["bad: 3 lines, 2 at most"]
    );
}
