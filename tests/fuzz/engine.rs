//! Runs a target: its corpus as it is, then mutated. What breaks it is shrunk and shown.

use std::{
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use proptest::{
    strategy::Strategy as _,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use crate::{
    corpus::{self, Entry},
    length::{self, Length},
    mutation::Mutated,
};

/// The most tries to make an input smaller that breaks a target.
const MAX_SHRINKS: u32 = 100_000;

/// Something that reads what strangers write.
pub(crate) struct Target {
    /// The folder of its corpus.
    pub(crate) name: &'static str,
    /// Asserts what holds for every input.
    pub(crate) check: fn(&[u8]) -> Answer,
    /// What its language is made of.
    pub(crate) dictionary: &'static [&'static str],
    /// The executions of an ordinary run.
    pub(crate) executions: u64,
}

/// What became of an input. A target that took nothing has proved nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    Refused,
    Taken,
}

impl Answer {
    pub(crate) fn taken_if(is_taken: bool) -> Self {
        if is_taken { Self::Taken } else { Self::Refused }
    }
}

/// A run without a fault.
#[derive(Debug)]
struct Run {
    executions: u64,
    taken: u64,
}

/// An input that breaks a target.
#[derive(Debug)]
struct Found {
    input: Vec<u8>,
    problem: String,
}

/// Runs a target.
///
/// # Panics
///
/// An input breaks it.
#[expect(
    clippy::print_stdout,
    reason = "`cargo xtask fuzz` shows what was done"
)]
pub(crate) fn run(target: &Target) {
    let corpus = corpus::read(target.name);
    replay(target, &corpus);
    let seed = length::seed();
    let name = target.name;
    match explore(target, &corpus, seed, &Length::chosen(target.executions)) {
        Ok(Run { executions, taken }) => {
            println!("fuzz: {name}: {executions} executions, {taken} taken, seed {seed}");
        }
        Err(Found { input, problem }) => panic!(
            "{name}: {problem}\nwith seed {seed}, for {:?}\nmend what is wrong, and keep it as \
             `good-…` or `bad-…`:\nprintf '{}' > tests/fuzz/corpus/{name}/…",
            String::from_utf8_lossy(&input),
            for_printf(&input),
        ),
    }
}

/// The corpus as it is: every file is answered as its name says.
fn replay(target: &Target, corpus: &[Entry]) {
    for entry in corpus {
        let expected = Answer::taken_if(entry.is_good());
        match outcome(target, &entry.bytes) {
            Ok(answer) => assert_eq!(answer, expected, "{}/{}", target.name, entry.name),
            Err(problem) => panic!("{}/{}: {problem}", target.name, entry.name),
        }
    }
    for is_good in [false, true] {
        assert!(
            corpus.iter().any(|entry| entry.is_good() == is_good),
            "the corpus of {} knows one answer only",
            target.name
        );
    }
}

/// The corpus mutated.
fn explore(target: &Target, corpus: &[Entry], seed: u64, length: &Length) -> Result<Run, Found> {
    let mut runner = TestRunner::new_with_rng(
        Config {
            failure_persistence: None,
            max_shrink_iters: MAX_SHRINKS,
            ..Config::default()
        },
        rng(seed),
    );
    let mutated = Mutated::new(corpus, target.dictionary);
    let taken = Cell::new(0);
    let mut executions = 0;
    while !length.is_over(executions) {
        let tree = mutated.new_tree(&mut runner).unwrap();
        let tried = runner.run_one(tree, |input| match outcome(target, &input) {
            Ok(answer) => {
                taken.set(taken.get() + u64::from(answer == Answer::Taken));
                Ok(())
            }
            Err(problem) => Err(TestCaseError::fail(problem)),
        });
        match tried {
            Ok(_) => executions += 1,
            Err(TestError::Fail(reason, input)) => {
                let problem = reason.to_string();
                return Err(Found { input, problem });
            }
            Err(TestError::Abort(reason)) => panic!("{}: {reason}", target.name),
        }
    }
    let taken = taken.get();
    Ok(Run { executions, taken })
}

/// Each seed is another run, and the same one each time.
fn rng(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

thread_local! {
    /// What the last panic of this thread said; `None` while panics are printed as usual.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What the target answers; what it says where it panics. While an input is shrunk it panics
/// thousands of times, so nothing is printed.
fn outcome(target: &Target, input: &[u8]) -> Result<Answer, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let is_kept = SAID.with_borrow_mut(|said| match said {
                Some(said) => {
                    *said = panic.to_string();
                    true
                }
                None => false,
            });
            if !is_kept {
                print(panic);
            }
        }));
    });
    SAID.set(Some(String::new()));
    let answer = panic::catch_unwind(AssertUnwindSafe(|| (target.check)(input)));
    let said = SAID.take().unwrap_or_default();
    answer.map_err(|_| said)
}

/// Bytes as the shell's `printf` writes them.
fn for_printf(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b'%' => "%%".to_owned(),
            b' '..=b'~' if !matches!(byte, b'\'' | b'\\') => char::from(*byte).to_string(),
            _ => format!("\\{byte:03o}"),
        })
        .collect()
}

#[test]
fn a_fault_is_found_and_shrunk_to_what_matters() {
    fn check(input: &[u8]) -> Answer {
        let at = |what: &[u8]| input.windows(what.len()).position(|part| part == what);
        let is_wrong = matches!((at(b"<<"), at(b"end")), (Some(open), Some(end)) if open < end);
        assert!(!is_wrong, "opened before the end");
        Answer::Refused
    }
    let target = Target {
        name: "planted",
        check,
        dictionary: &["<<"],
        executions: 0,
    };
    let corpus = [
        "some text before the end of it",
        "and another one, (longer)",
    ]
    .map(|text| Entry {
        name: "bad-text".to_owned(),
        bytes: text.into(),
    });
    let explore = |seed| explore(&target, &corpus, seed, &Length::Executions(10_000));
    let found = explore(1).unwrap_err();
    assert_eq!(found.input, b"<<end");
    assert!(
        found.problem.contains("opened before the end"),
        "{}",
        found.problem
    );
    assert!(
        found.problem.contains("fuzz/engine.rs"),
        "{}",
        found.problem
    );
}

#[test]
fn a_seed_is_one_run() {
    thread_local! {
        static SEEN: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    }
    let target = Target {
        name: "seen",
        check: |input| {
            SEEN.with_borrow_mut(|seen| seen.push(input.to_vec()));
            Answer::Taken
        },
        dictionary: &["token"],
        executions: 0,
    };
    let corpus = [Entry {
        name: "good-text".to_owned(),
        bytes: b"a text to start from".to_vec(),
    }];
    let seen = |seed| {
        explore(&target, &corpus, seed, &Length::Executions(200)).unwrap();
        SEEN.take()
    };
    let one = seen(7);
    assert_eq!(one, seen(7));
    assert_ne!(one, seen(8));
    let changed = one.iter().filter(|input| **input != corpus[0].bytes);
    assert!(changed.count() > 180);
}

#[test]
fn an_input_is_shown_as_the_shell_reads_it() {
    assert_eq!(
        for_printf(b"a%2e\n'\\\xff b"),
        "a%%2e\\012\\047\\134\\377 b"
    );
}
