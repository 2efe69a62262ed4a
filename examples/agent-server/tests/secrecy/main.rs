//! The agent is sent secrets in every place where one can stand, at the highest log level, and
//! shows none: neither what it prints and logs, nor its audit log, nor an answer holds twelve
//! bytes of any in a row, in any form.
//!
//! It is the program as it is built, started as a child. What it prints on purpose, the key to try
//! it out with, is left out once, in the one line where it stands.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what cannot be set up fails the test"
)]

mod agent;
mod providers;
mod requests;
mod settings;

use portcullis_tests::canaries::Canaries;

use crate::agent::Agent;

/// So many requests go to one agent: the next ones find a budget of refusals that is not spent.
const AT_ONCE: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_the_agent_is_sent_or_told_is_shown() {
    let mut canaries = Canaries::new();
    let statuses = requests::play(&mut canaries).await;
    // What is refused at the door proves nothing about what lies behind it.
    for status in [200, 400, 401, 403, 422] {
        assert!(
            statuses.contains(&status),
            "{status} is none of {statuses:?}"
        );
    }
    assert!(!statuses.contains(&429), "the budget of refusals is spent");
    settings::play(&mut canaries);
    providers::play(&mut canaries).await;
    let problems: Vec<String> = canaries
        .leaks()
        .iter()
        .map(|leak| format!("{leak:#?}"))
        .collect();
    assert!(problems.is_empty(), "{canaries}\n{}", problems.join("\n"));
    println!("{canaries}");
}

/// A leak of each kind is found: the agent prints its key, on purpose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_that_is_printed_would_be_found() {
    let Ok(agent) = Agent::start(&[]) else {
        panic!("the agent does not start");
    };
    let mut canaries = Canaries::new();
    let key = agent.key().to_owned();
    canaries.add("a key that is printed", agent::secret_of(&key));
    let left = agent.end();
    assert_eq!(canaries.search("stdout", &left.stdout), 1);
    assert_eq!(
        canaries.search("stdout", &agent::without_key(&left.stdout, &key)),
        0
    );
}
