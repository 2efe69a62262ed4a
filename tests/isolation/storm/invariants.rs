//! What holds in every storm.

use std::collections::{BTreeMap, BTreeSet};

use portcullis::audit::{Outcome, RecordKind};
use portcullis_testing::audit::Recorded;

use super::{
    driver::Entry,
    look::Look,
    model::Model,
    plan::{End, Login, Sender},
};

/// A storm, as clients, handlers and records tell of it.
pub(crate) struct History {
    /// Each login's in its order.
    pub(crate) entries: Vec<Entry>,
    /// The id of each request that came to a handler, and the label that it bore.
    pub(crate) reached: Vec<(String, String)>,
    pub(crate) records: Vec<Recorded>,
}

/// Subject and client.
type Identity = (String, Option<String>);

fn identity(login: Login) -> Identity {
    (login.subject(), login.client().map(str::to_owned))
}

/// Checks everything. The error says what does not hold, and of which request.
pub(crate) fn check(history: &History) -> Result<(), String> {
    let mut owners = Owners::default();
    answers_are_of_whoever_asked(history, &mut owners)?;
    notes_are_of_whoever_wrote_them(history)?;
    sessions_stay(history)?;
    strangers_are_shown_nothing(history)?;
    handlers_are_called_once(history)?;
    records_name_whoever_asked(history, &mut owners)
}

/// Who was seen in which session. Nobody is in that of another.
#[derive(Default)]
struct Owners(BTreeMap<String, Identity>);

impl Owners {
    fn see(&mut self, session: &str, identity: &Identity) -> Result<(), String> {
        let owner = self.0.entry(session.to_owned());
        let owner = owner.or_insert_with(|| identity.clone());
        match owner == identity {
            true => Ok(()),
            false => Err(format!("{identity:?} is in session {session} of {owner:?}")),
        }
    }
}

impl Entry {
    /// What its handler has found so far.
    fn looks(&self) -> Result<Vec<Look>, String> {
        let looks = match self.seen.status {
            Some(200) => Look::parse(&self.seen.text),
            _ => Some(Vec::new()),
        };
        looks.ok_or_else(|| format!("something else was answered: {self:?}"))
    }
}

/// Every line of every answer names whoever asked, in one request and in one session that
/// nobody else has; and whoever waits for an answer gets one.
fn answers_are_of_whoever_asked(history: &History, owners: &mut Owners) -> Result<(), String> {
    for entry in sent_by(history, Sender::Owner) {
        let (seen, looks) = (&entry.seen, entry.looks()?);
        if entry.step.end == End::Answered
            && (seen.status != Some(200) || !seen.is_whole || looks.len() != 2)
        {
            return Err(format!("there was no answer: {entry:?}"));
        }
        if seen.status.is_some_and(|status| status != 200) {
            return Err(format!("a good request was refused: {entry:?}"));
        }
        for look in &looks {
            let session = look.session.as_deref().unwrap_or_default();
            let subject = look.subject.clone().unwrap_or_default();
            let found = (subject, look.client.clone());
            if found != identity(entry.login)
                || look.held != look.subject
                || look.request != looks[0].request
                || look.session != looks[0].session
            {
                return Err(format!("somebody else was answered: {entry:?}"));
            }
            owners.see(session, &found)?;
        }
    }
    Ok(())
}

/// Every note that somebody finds is one that this session may have, by what was done in it
/// before.
fn notes_are_of_whoever_wrote_them(history: &History) -> Result<(), String> {
    let mut models: BTreeMap<Login, Model> = BTreeMap::new();
    for entry in sent_by(history, Sender::Owner) {
        let model = models.entry(entry.login).or_default();
        let (act, note) = (entry.step.act, &entry.note);
        let looks = entry.looks()?;
        let before = looks.first().filter(|look| !model.may_find(&look.note));
        // Whoever finds it has been told that it was done.
        match looks.get(1) {
            Some(_) => model.acted(act, note),
            None => model.may_have_acted(act, note),
        }
        let after = looks.get(1).filter(|look| !model.may_find(&look.note));
        if before.or(after).is_some() {
            return Err(format!("a wrong note, with {model:?}: {entry:?}"));
        }
    }
    Ok(())
}

/// A session that somebody was answered in is the one that this login is in from then on.
fn sessions_stay(history: &History) -> Result<(), String> {
    let mut sessions: BTreeMap<Login, String> = BTreeMap::new();
    for entry in sent_by(history, Sender::Owner) {
        for session in entry.looks()?.into_iter().filter_map(|look| look.session) {
            let known = sessions.entry(entry.login).or_insert(session.clone());
            if *known != session {
                return Err(format!("{known} was left: {entry:?}"));
            }
        }
    }
    Ok(())
}

/// Whoever is nobody has no session and finds nothing, and whoever is refused is told nothing.
fn strangers_are_shown_nothing(history: &History) -> Result<(), String> {
    for entry in sent_by(history, Sender::Anonymous) {
        let looks = entry.looks()?;
        let nothing = Look {
            request: looks
                .first()
                .map_or_else(String::new, |look| look.request.clone()),
            ..Look::default()
        };
        if looks != [nothing] || !entry.seen.is_whole {
            return Err(format!("an anonymous caller was answered: {entry:?}"));
        }
    }
    for entry in sent_by(history, Sender::Rejected) {
        let Entry { seen, .. } = entry;
        if seen.status != Some(401) || !seen.is_whole || seen.text.contains("caller") {
            return Err(format!("a bad token was answered: {entry:?}"));
        }
    }
    Ok(())
}

/// One request is one call of a handler, under one id, and what was answered under that id was
/// answered to it.
fn handlers_are_called_once(history: &History) -> Result<(), String> {
    let labels: BTreeMap<_, _> = history.reached.iter().cloned().collect();
    let distinct: BTreeSet<_> = labels.values().collect();
    if labels.len() != history.reached.len() || distinct.len() != labels.len() {
        return Err("a handler was called twice for one request".to_owned());
    }
    for entry in &history.entries {
        for look in entry.looks()? {
            if labels.get(&look.request) != Some(&entry.label) {
                return Err(format!("the answer to another request: {entry:?}"));
            }
        }
        if entry.step.sender == Sender::Rejected && distinct.contains(&entry.label) {
            return Err(format!("a handler was called: {entry:?}"));
        }
    }
    Ok(())
}

/// Each request that came to a handler has one decision and one end, and all its records name
/// whoever sent it. No record of any request, also of those that never came so far, names a
/// session with somebody who is not its owner.
fn records_name_whoever_asked(history: &History, owners: &mut Owners) -> Result<(), String> {
    let by_label: BTreeMap<_, _> = history
        .entries
        .iter()
        .map(|entry| (&entry.label, entry))
        .collect();
    let mut senders = BTreeMap::new();
    for (request, label) in &history.reached {
        let sender = by_label.get(label).ok_or("a request that nobody sent")?;
        senders.insert(request.clone(), (*sender, [0, 0]));
    }
    let mut decided = BTreeSet::new();
    for record in &history.records {
        let subject = record.subject().map(str::to_owned);
        let client = record
            .principal
            .as_ref()
            .and_then(|principal| principal.client());
        let named = subject.map(|subject| (subject, client.map(str::to_owned)));
        if let Some(session) = record.session {
            let named = named
                .as_ref()
                .ok_or_else(|| format!("nobody's session: {record}"))?;
            owners.see(&session.to_string(), named)?;
        }
        let is_decision = record.kind == RecordKind::Decision;
        if is_decision && !decided.insert(record.request_id) {
            return Err(format!("decided twice: {record}"));
        }
        let Some((entry, counts)) = senders.get_mut(&record.request_id.to_string()) else {
            // Who went away before it was let in. It may have come so far that it is known.
            continue;
        };
        let expected = match entry.step.sender {
            Sender::Owner => Some(identity(entry.login)),
            Sender::Anonymous | Sender::Rejected => None,
        };
        if named != expected || record.session.is_some() != expected.is_some() {
            return Err(format!("another one's name for {entry:?}: {record}"));
        }
        match record.kind {
            RecordKind::Decision if record.outcome == Outcome::Admitted => counts[0] += 1,
            RecordKind::End => counts[1] += 1,
            RecordKind::SessionStart => {}
            _ => return Err(format!("it was not let in and answered: {record}")),
        }
    }
    match senders.iter().find(|(_, (_, counts))| *counts != [1, 1]) {
        None => Ok(()),
        Some((request, (entry, counts))) => Err(format!(
            "request {request} has {counts:?} decisions and ends: {entry:?}"
        )),
    }
}

fn sent_by(history: &History, sender: Sender) -> impl Iterator<Item = &Entry> {
    let entries = history.entries.iter();
    entries.filter(move |entry| entry.step.sender == sender)
}
