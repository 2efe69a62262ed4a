//! The invariants notice what they are there for: histories in which one thing is not as it was.

use portcullis::{Evidence, EvidenceKind, audit::RecordKind};

use super::{
    driver::drive,
    invariants::{History, check},
    plan::{Login, Plan, Sender},
    server::World,
    told,
};

/// Two requests of each of eight callers.
async fn small() -> History {
    let world = World::new(false).await;
    let scripts = Plan::calm().scripts.into_iter().take(8).collect();
    let mut plan = Plan { scripts };
    let (_, steps) = &mut plan.scripts[7];
    steps[0].sender = Sender::Anonymous;
    steps[1].sender = Sender::Rejected;
    let (entries, _) = drive(&world, &plan, "calm").await;
    told(&world, entries).await
}

/// The entry of a request.
fn index(history: &History, login: usize, step: usize) -> usize {
    let label = format!("calm.{login}.{step}");
    let mut entries = history.entries.iter();
    entries.position(|entry| entry.label == label).unwrap()
}

/// What one caller was answered is what another was.
fn swap(history: &mut History, one: (usize, usize), other: (usize, usize)) {
    let (one, other) = (
        index(history, one.0, one.1),
        index(history, other.0, other.1),
    );
    let text = history.entries[one].seen.text.clone();
    history.entries[one].seen.text = std::mem::replace(&mut history.entries[other].seen.text, text);
}

fn replace(history: &mut History, (login, step): (usize, usize), old: &str, new: &str) {
    let index = index(history, login, step);
    let seen = &mut history.entries[index].seen;
    assert!(seen.text.contains(old), "{old}: {}", seen.text);
    seen.text = seen.text.replace(old, new);
}

/// The session of a caller, as text.
fn session(history: &History, login: usize) -> String {
    let subject = Login(login).subject();
    let mut records = history.records.iter();
    let record =
        records.find(|record| record.subject() == Some(&subject) && record.session.is_some());
    record.unwrap().session.unwrap().to_string()
}

#[tokio::test]
async fn what_is_not_as_it_was_is_noticed() {
    type Tamper = fn(&mut History);
    let cases: [(&str, Tamper, &str); 14] = [
        (
            "two answers",
            |h| swap(h, (1, 0), (2, 0)),
            "somebody else was answered",
        ),
        (
            "two answers to one caller",
            |h| swap(h, (1, 0), (1, 1)),
            "a wrong note",
        ),
        (
            "a name that begins alike",
            |h| replace(h, (1, 1), "caller-1\",", "caller-11\","),
            "somebody else was answered",
        ),
        (
            "a session",
            |h| {
                let (own, other) = (session(h, 1), session(h, 2));
                replace(h, (1, 1), &own, &other);
            },
            "is in session",
        ),
        (
            "a session of nobody",
            |h| {
                let own = session(h, 1);
                replace(h, (1, 1), &own, "another");
            },
            "was left",
        ),
        (
            "a note of another",
            |h| replace(h, (1, 1), "of caller-1", "of caller-2"),
            "a wrong note",
        ),
        (
            "no note",
            |h| {
                let index = index(h, 1, 1);
                h.entries[index].note = "another".to_owned();
            },
            "a wrong note",
        ),
        (
            "an answer cut short",
            |h| {
                let index = index(h, 1, 1);
                h.entries[index].seen.is_whole = false;
            },
            "there was no answer",
        ),
        (
            "a name for nobody",
            |h| replace(h, (7, 0), "null", "\"caller-7\""),
            "an anonymous caller",
        ),
        (
            "a bad token let in",
            |h| {
                let index = index(h, 7, 1);
                h.entries[index].seen.status = Some(200);
            },
            "a bad token was answered",
        ),
        (
            "a handler called again",
            |h| {
                let (_, label) = h.reached[0].clone();
                h.reached.push(("another".to_owned(), label));
            },
            "called twice",
        ),
        (
            "a record too few",
            |h| {
                let end = h
                    .records
                    .iter()
                    .position(|record| record.kind == RecordKind::End);
                let _ = h.records.remove(end.unwrap());
            },
            "decisions and ends",
        ),
        (
            "a record too many",
            |h| {
                let first = h
                    .records
                    .iter()
                    .find(|record| record.kind == RecordKind::Decision);
                h.records.extend(first.cloned());
            },
            "decided twice",
        ),
        (
            "a record of another",
            |h| {
                let end = h.records.iter_mut().find(|record| {
                    record.kind == RecordKind::End && record.subject() == Some("caller-3")
                });
                let mallory = Evidence::new(EvidenceKind::User, "https://idp.example", "mallory");
                end.unwrap().principal = Some(mallory);
            },
            "is in session",
        ),
    ];
    check(&small().await).unwrap();
    for (what, tamper, complaint) in cases {
        let mut history = small().await;
        tamper(&mut history);
        let problem = check(&history).expect_err(what);
        assert!(problem.contains(complaint), "{what}: {problem}");
    }
}
