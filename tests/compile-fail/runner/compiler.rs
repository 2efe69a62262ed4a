//! `rustc`, and the crates that a case may use.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use cargo_metadata::{
    Message,
    diagnostic::{Diagnostic, DiagnosticLevel},
};

use crate::PINNED;

/// The crates that cases name.
const CRATES: [&str; 5] = ["axum", "http", "portcullis", "serde", "tower"];

/// Compiles programs against the crates as they were built for these tests.
pub(crate) struct Compiler {
    rustc: PathBuf,
    externs: BTreeMap<&'static str, PathBuf>,
    scratch: PathBuf,
    /// Whether this is the toolchain whose words are known.
    pub(crate) is_pinned: bool,
}

/// One error of a program.
pub(crate) struct CompileError {
    /// Where it is, in the program itself.
    pub(crate) line: Option<usize>,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Compiler {
    pub(crate) fn new() -> Self {
        let rustc = env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from);
        let version = Command::new(&rustc).arg("--version").output().unwrap();
        let version = String::from_utf8(version.stdout).unwrap();
        let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compile-fail");
        fs::create_dir_all(&scratch).unwrap();
        Self {
            rustc,
            externs: externs(),
            scratch,
            is_pinned: version.split(' ').nth(1) == Some(PINNED),
        }
    }

    /// What is wrong with a program. Nothing, if it compiles.
    pub(crate) fn errors(&self, name: &str, text: &str) -> Vec<CompileError> {
        let source = self.scratch.join(format!("{name}.rs"));
        fs::write(&source, text).unwrap();
        let mut command = Command::new(&self.rustc);
        command
            .args([
                "--edition",
                "2024",
                "--crate-type",
                "bin",
                "--emit",
                "metadata",
            ])
            .args([
                "--error-format",
                "json",
                "--cap-lints",
                "warn",
                "--crate-name",
                name,
            ])
            .arg("--out-dir")
            .arg(&self.scratch)
            .arg(&source);
        for (name, path) in &self.externs {
            command
                .arg("--extern")
                .arg(format!("{name}={}", path.display()));
            // All crates of one build lie beside each other.
            let folder = path.parent().unwrap().display();
            command.arg("-L").arg(format!("dependency={folder}"));
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let errors: Vec<_> = said
            .lines()
            .map(|line| serde_json::from_str::<Diagnostic>(line).unwrap())
            .filter(|diagnostic| diagnostic.level == DiagnosticLevel::Error)
            // The last one only counts the others.
            .filter(|diagnostic| !diagnostic.message.starts_with("aborting due to"))
            .map(|diagnostic| CompileError::new(&diagnostic, &source))
            .collect();
        assert_eq!(errors.is_empty(), output.status.success(), "{name}: {said}");
        errors
    }
}

/// Asks cargo for the crates; it has built them to build this test, or does so now.
fn externs() -> BTreeMap<&'static str, PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--locked", "--lib", "--message-format", "json"])
        .args(["--package", env!("CARGO_PKG_NAME")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "the crates that cases use are not built"
    );
    let mut externs = BTreeMap::new();
    for message in Message::parse_stream(output.stdout.as_slice()) {
        let Message::CompilerArtifact(artifact) = message.unwrap() else {
            continue;
        };
        let Some(name) = CRATES
            .into_iter()
            .find(|name| *name == artifact.target.name)
        else {
            continue;
        };
        let library = artifact
            .filenames
            .iter()
            .find(|path| path.extension() == Some("rlib"));
        if let Some(path) = library {
            let known = externs.insert(name, path.clone().into_std_path_buf());
            assert_eq!(known, None, "`{name}` was built twice");
        }
    }
    let missing: Vec<_> = CRATES
        .iter()
        .filter(|name| !externs.contains_key(*name))
        .collect();
    assert!(missing.is_empty(), "not built: {missing:?}");
    externs
}

impl CompileError {
    fn new(diagnostic: &Diagnostic, source: &std::path::Path) -> Self {
        let line = diagnostic
            .spans
            .iter()
            .find(|span| span.is_primary && std::path::Path::new(&span.file_name) == source)
            .map(|span| span.line_start);
        Self {
            line,
            code: diagnostic
                .code
                .as_ref()
                .map_or("none", |code| &code.code)
                .to_owned(),
            message: diagnostic.message.clone(),
        }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: {} {}",
            self.line.unwrap_or(0),
            self.code,
            self.message
        )
    }
}
