//! Sources that nothing compiles. A test in such a file passes by not existing.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{assert_none, metadata, tree};

/// Where sources may lie.
const FOLDERS: [&str; 4] = ["benches", "crates", "examples", "tests"];

/// Programs that a test compiles itself, to see that they do not compile.
const CASES: [&str; 1] = ["tests/compile-fail/cases/"];

/// The sources below `root` that none of `targets` reaches.
fn orphans(root: &Path, targets: &[PathBuf]) -> io::Result<Vec<String>> {
    let reached = reached(targets)?;
    let mut orphans = Vec::new();
    for folder in FOLDERS.map(|folder| root.join(folder)) {
        if !folder.exists() {
            continue;
        }
        for file in tree::files(&folder)? {
            let path = tree::below(root, &file);
            let is_source = file.extension().is_some_and(|extension| extension == "rs");
            if is_source
                && !reached.contains(&file.canonicalize()?)
                && !CASES.iter().any(|cases| path.starts_with(cases))
            {
                orphans.push(format!("{path} is compiled by no target"));
            }
        }
    }
    Ok(orphans)
}

/// The targets and every module below them.
fn reached(targets: &[PathBuf]) -> io::Result<BTreeSet<PathBuf>> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<Module> = targets.iter().cloned().map(Module::owner).collect();
    while let Some(module) = waiting.pop() {
        // A `#[path]` may lead through `..`.
        if reached.insert(module.file.canonicalize()?) {
            waiting.extend(module.children(&fs::read_to_string(&module.file)?));
        }
    }
    Ok(reached)
}

/// A source file, and where the modules it declares are looked for.
struct Module {
    file: PathBuf,
    children: PathBuf,
}

impl Module {
    /// A file that owns its folder: the root of a target, a `mod.rs`, or one that was
    /// named by `#[path]`.
    fn owner(file: PathBuf) -> Self {
        let children = folder(&file);
        Self { file, children }
    }

    /// A `name.rs`, whose modules lie in `name/`.
    fn leaf(file: PathBuf) -> Self {
        let children = file.with_extension("");
        Self { file, children }
    }

    /// The modules declared by `mod name;` in this file's text. One that is declared
    /// inside a `mod name { .. }` is not found; it shows up as an orphan, loudly.
    fn children(&self, text: &str) -> Vec<Self> {
        let mut found = Vec::new();
        let mut path = None;
        for line in text.lines().map(str::trim) {
            if let Some(named) = quoted_path(line) {
                path = Some(folder(&self.file).join(named));
            } else if let Some(name) = declared(line) {
                let (flat, nested) = (
                    self.children.join(format!("{name}.rs")),
                    self.children.join(name).join("mod.rs"),
                );
                found.push(match path.take() {
                    Some(path) => Self::owner(path),
                    None if nested.exists() => Self::owner(nested),
                    None => Self::leaf(flat),
                });
            } else if !line.starts_with("#[") && !line.starts_with("//") {
                path = None;
            }
        }
        found.retain(|module| module.file.exists());
        found
    }
}

fn folder(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).to_path_buf()
}

/// The path in `#[path = "…"]`.
fn quoted_path(line: &str) -> Option<&str> {
    line.strip_prefix("#[path = \"")?.strip_suffix("\"]")
}

/// The name in `mod name;`, whatever its visibility.
fn declared(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let name = line.strip_prefix("mod ")?.strip_suffix(';')?;
    Some(name.strip_prefix("r#").unwrap_or(name))
}

#[test]
fn every_source_is_compiled_by_some_target() {
    let targets: Vec<PathBuf> = metadata()
        .unwrap()
        .workspace_packages()
        .iter()
        .flat_map(|package| &package.targets)
        .map(|target| target.src_path.clone().into_std_path_buf())
        .collect();
    assert_none(&orphans(&tree::root(), &targets).unwrap());
}

#[test]
fn complains_of_a_source_that_nothing_declares() {
    let root = tree::scratch("orphans").unwrap();
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(folder(&path)).unwrap();
        fs::write(&path, text).unwrap();
    };
    write(
        "crates/one/src/lib.rs",
        "mod flat;\npub(crate) mod nested;\n/// Twins.\n#[cfg(unix)]\n#[path = \"twin/unix.rs\"]\nmod twin;\n// mod forgotten;\n",
    );
    write("crates/one/src/flat.rs", "pub mod below;\n");
    write("crates/one/src/flat/below.rs", "");
    write("crates/one/src/nested/mod.rs", "mod beside;\n");
    write("crates/one/src/nested/beside.rs", "");
    write("crates/one/src/twin/unix.rs", "mod shared;\n");
    write("crates/one/src/twin/shared.rs", "");
    write("crates/one/Cargo.toml", "");
    write("crates/one/target/made.rs", "");
    write("tests/compile-fail/cases/forged.rs", "");
    write(
        "tests/one/main.rs",
        "#[path = \"../shared.rs\"]\nmod shared;\n",
    );
    write("tests/shared.rs", "");
    let targets = ["crates/one/src/lib.rs", "tests/one/main.rs"].map(|path| root.join(path));
    assert_none(&orphans(&root, &targets).unwrap());

    write("crates/one/src/forgotten.rs", "");
    write("crates/one/src/below.rs", "");
    write("tests/order/main.rs", "");
    assert_eq!(
        orphans(&root, &targets).unwrap(),
        [
            "crates/one/src/below.rs is compiled by no target",
            "crates/one/src/forgotten.rs is compiled by no target",
            "tests/order/main.rs is compiled by no target",
        ]
    );
}
