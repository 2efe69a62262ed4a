//! What the sessions of a few people have to be: told in the plainest way there is, with the time
//! as milliseconds.

use std::collections::{BTreeMap, BTreeSet};

pub(super) const IDLE: u64 = 60_000;
pub(super) const ABSOLUTE: u64 = 600_000;
pub(super) const LIMIT: usize = 3;
/// For how long a session counts in which nobody has answered yet.
const PROVISIONAL: u64 = 300_000;
/// A store that has to be asked may not have been told of activity for so long.
const UNTOLD: u64 = IDLE / 8;

/// Of whom a session is.
pub(super) type Who = (u8, u8);

#[derive(Debug)]
struct Session {
    id: String,
    /// The latest authentication that it has seen.
    authenticated: u64,
    /// What a later one has to be later than, beside that.
    barred: Option<u64>,
    opened: u64,
    /// The last activity that was written down: between these.
    active: (u64, u64),
    ends: u64,
    is_ended: bool,
    /// Perhaps nobody has answered in it.
    may_be_provisional: bool,
}

impl Session {
    /// Whether it is over, where that can be told.
    fn is_over(&self, now: u64) -> Option<bool> {
        if self.is_ended || now >= self.ends || now >= self.active.1 + IDLE {
            Some(true)
        } else if now < self.active.0 + IDLE {
            Some(false)
        } else {
            None
        }
    }

    /// What whoever opens one after it has to be later than: one of these.
    fn bars(&self, now: u64) -> Vec<Option<u64>> {
        let bar = Some(self.authenticated).max(self.barred);
        // As if it had never been, if nobody ended it.
        let may_be_abandoned =
            self.may_be_provisional && !self.is_ended && now >= self.opened + PROVISIONAL;
        match may_be_abandoned {
            true => vec![bar, self.barred],
            false => vec![bar],
        }
    }
}

/// Everything that has to be known.
#[derive(Debug, Default)]
pub(super) struct Reference {
    sessions: BTreeMap<Who, Session>,
    revoked_people: BTreeMap<u8, u64>,
    revoked_clients: BTreeMap<u8, u64>,
    /// Sessions that there were. None of them is there again.
    ids: BTreeSet<String>,
}

impl Reference {
    /// What may be answered to somebody who authenticated at a time.
    pub(super) fn answers(&self, who: Who, at: u64, now: u64) -> BTreeSet<u16> {
        let (person, client) = who;
        let cut_offs = [
            self.revoked_people.get(&person),
            self.revoked_clients.get(&client),
        ];
        if cut_offs.iter().flatten().any(|cut_off| at <= **cut_off) {
            return BTreeSet::from([401]);
        }
        let mut answers = BTreeSet::new();
        let own = self.sessions.get(&who);
        if own.is_some_and(|own| own.is_over(now) != Some(true)) {
            answers.insert(200);
        }
        if own.is_none_or(|own| own.is_over(now) != Some(false)) {
            for bar in own.map_or(vec![None], |own| own.bars(now)) {
                answers.extend(self.answers_to_new(who, at, now, bar));
            }
        }
        answers
    }

    fn answers_to_new(&self, who: Who, at: u64, now: u64, bar: Option<u64>) -> Vec<u16> {
        if bar.is_some_and(|bar| at <= bar) || at.min(now) + ABSOLUTE <= now {
            return vec![401];
        }
        let others = || {
            let all = self.sessions.iter();
            all.filter(|((person, client), _)| *person == who.0 && *client != who.1)
        };
        let fewest = others().filter(|(_, other)| other.is_over(now) == Some(false));
        let most = others().filter(|(_, other)| other.is_over(now) != Some(true));
        match (fewest.count() >= LIMIT, most.count() >= LIMIT) {
            (true, _) => vec![429],
            (false, true) => vec![200, 429],
            (false, false) => vec![200],
        }
    }

    /// He was let in, into the session of this name.
    ///
    /// # Errors
    ///
    /// It cannot be that one.
    pub(super) fn let_in(
        &mut self,
        who: Who,
        at: u64,
        now: u64,
        id: String,
        (is_activity, is_answered): (bool, bool),
    ) -> Result<(), String> {
        let before = self.sessions.get_mut(&who);
        if let Some(session) = before
            && session.id == id
        {
            if session.is_over(now) == Some(true) {
                return Err(format!("it was over: {session:?}"));
            }
            session.authenticated = session.authenticated.max(at);
            // It lived, so it has been active since.
            session.active.0 = session.active.0.max((now + 1).saturating_sub(IDLE));
            if is_activity {
                session.active.1 = now;
            }
            if is_activity && is_answered {
                session.active.0 = session.active.0.max(now.saturating_sub(UNTOLD));
            }
            session.may_be_provisional &= !is_answered;
            return Ok(());
        }
        let before = self.sessions.get(&who);
        if before.is_some_and(|before| before.is_over(now) == Some(false)) {
            return Err(format!("he had another: {before:?}"));
        }
        if !self.ids.insert(id.clone()) {
            return Err(format!("it was there before: {id}"));
        }
        let bars = before.map(|before| before.bars(now)).unwrap_or_default();
        let session = Session {
            id,
            authenticated: at,
            barred: bars.into_iter().flatten().filter(|bar| *bar < at).max(),
            opened: now,
            active: (now, now),
            ends: at.min(now) + ABSOLUTE,
            is_ended: false,
            may_be_provisional: !is_answered,
        };
        self.sessions.insert(who, session);
        Ok(())
    }

    /// He was kept out.
    pub(super) fn kept_out(&mut self, who: Who, now: u64) {
        // If nobody could tell before: it was over.
        let own = self.sessions.get_mut(&who);
        if let Some(own) = own.filter(|own| own.is_over(now).is_none()) {
            own.active.1 = now - IDLE;
        }
    }

    /// His session was ended.
    pub(super) fn ended(&mut self, who: Who) {
        if let Some(session) = self.sessions.get_mut(&who) {
            session.is_ended = true;
        }
    }

    /// All sessions of somebody were ended: so many.
    ///
    /// # Errors
    ///
    /// There were not so many.
    pub(super) fn all_ended(&mut self, person: u8, now: u64, many: usize) -> Result<(), String> {
        let (mut fewest, mut most) = (0, 0);
        for ((of, _), session) in &mut self.sessions {
            if *of == person && session.is_over(now) != Some(true) {
                fewest += usize::from(session.is_over(now) == Some(false));
                most += 1;
                session.is_ended = true;
            }
        }
        match (fewest..=most).contains(&many) {
            true => Ok(()),
            false => Err(format!("{many} were ended, of {fewest} to {most}")),
        }
    }

    pub(super) fn person_revoked(&mut self, person: u8, now: u64) {
        self.revoked_people.insert(person, now);
        for ((of, _), session) in &mut self.sessions {
            let is_meant = *of == person && session.authenticated <= now;
            session.is_ended |= is_meant && session.is_over(now) != Some(true);
        }
    }

    pub(super) fn client_revoked(&mut self, client: u8, now: u64) {
        self.revoked_clients.insert(client, now);
    }

    /// All that was known is lost.
    pub(super) fn lost(&mut self) {
        self.sessions.clear();
        self.revoked_people.clear();
        self.revoked_clients.clear();
    }
}
