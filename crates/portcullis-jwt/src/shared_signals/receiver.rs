//! The receiver.

use std::{
    collections::BTreeMap,
    fmt,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join;
use portcullis_core::{
    AcceptedNotices, NotReady, Notice, NoticeDelivery, NoticeDesk, NoticeReceipt, NoticeReceiver,
    ReasonCode, ReceiverDescription, RefusedNotices, Secret, Timestamp, sabotaged,
};
use siphasher::sip128::SipHasher13;
use tokio::sync::Notify;

use super::{
    NAME, Reaction, SecurityEvent,
    claims::{self, Meaning, Read, Wrong},
    poll::Poll,
    subject::{About, SubjectRules, Unresolved},
    watch::{Watch, WatchRules},
};
use crate::{
    once::hash_of,
    reason,
    signed_notice::{Flaw, Kind, Signers},
};

const KIND: Kind = Kind {
    typ: "secevent+jwt",
    may_be_unspecific: false,
};

/// Receives shared signals. Made from a [`SharedSignals`](super::SharedSignals).
#[derive(Debug)]
pub struct SignalsReceiver(Arc<Inner>);

pub(super) struct Inner {
    pub(super) path: Option<Box<str>>,
    pub(super) poll: Option<Poll>,
    pub(super) audiences: Vec<Box<str>>,
    pub(super) token: Option<Secret>,
    pub(super) leeway: Duration,
    pub(super) kept_for: Duration,
    pub(super) reactions: BTreeMap<SecurityEvent, Reaction>,
    pub(super) subjects: SubjectRules,
    pub(super) state: Option<Secret>,
    pub(super) watch: Mutex<Watch>,
    /// Told when what is known of the stream has changed.
    pub(super) changed: Notify,
    pub(super) watch_rules: WatchRules,
    /// What was carried out lately. It may forget: then it is carried out again.
    pub(super) recent: quick_cache::sync::Cache<u128, ()>,
    pub(super) hash: SipHasher13,
    pub(super) signers: Signers,
}

/// What is to be done about one token.
#[derive(Debug)]
pub(super) struct Considered {
    pub(super) id: String,
    pub(super) notices: Vec<Notice>,
    pub(super) reason: ReasonCode,
    pub(super) mark: u128,
}

/// Why nothing is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Declined {
    /// It is not a good token.
    Wrong(Wrong),
    /// Nobody can say now.
    Unavailable(Duration),
}

impl SignalsReceiver {
    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

impl Inner {
    /// What one token means, whichever way it came.
    pub(super) async fn consider(&self, token: &str) -> Result<Considered, Declined> {
        let opened = self.signers.open(token, KIND).await;
        let opened = opened.map_err(|flaw| {
            let wrong = |error, reason| Declined::Wrong(Wrong { error, reason });
            match flaw {
                Flaw::Algorithm => wrong("invalid_key", reason::SET_ALG),
                Flaw::Issuer => wrong("invalid_issuer", reason::SET_ISSUER),
                Flaw::Key => wrong("invalid_key", reason::SET_KEY),
                Flaw::Malformed => wrong("invalid_request", reason::SET_MALFORMED),
                Flaw::Signature => wrong("invalid_key", reason::SET_SIGNATURE),
                Flaw::Typ => wrong("invalid_request", reason::SET_TYP),
                Flaw::Unavailable(delay) => Declined::Unavailable(delay),
            }
        })?;
        let now = self.signers.clock.now();
        let read = claims::read(&opened.payload, &self.audiences, self.leeway, now)
            .map_err(Declined::Wrong)?;
        // By all that it says: no event is lost to another that was given its id.
        let mark = hash_of(&self.hash, b'k', &opened.issuer, opened.payload.as_bytes());
        let (notices, reason) = match self.recent.get(&mark) {
            Some(()) => (Vec::new(), reason::SET_REPEATED),
            None => self.mean(&read).map_err(Declined::Wrong)?,
        };
        let instant = self.signers.clock.instant();
        lock(&self.watch).hear_token(read.issued_at, (now, instant));
        self.changed.notify_one();
        Ok(Considered {
            id: read.id,
            notices,
            reason,
            mark,
        })
    }

    /// It was carried out.
    pub(super) fn remember(&self, considered: &Considered) {
        self.recent.insert(considered.mark, ());
    }

    /// Whoever is asked has answered.
    pub(super) fn hear(&self) {
        let now = self.signers.clock.instant();
        lock(&self.watch).hear(now);
        self.changed.notify_one();
    }

    fn mean(&self, read: &Read<'_>) -> Result<(Vec<Notice>, ReasonCode), Wrong> {
        let nothing = |reason| Ok((Vec::new(), reason));
        match &read.meaning {
            Meaning::Event {
                event,
                subject,
                principal,
                at,
            } => {
                let reaction = self.reactions.get(event).copied();
                if reaction.unwrap_or(Reaction::Revoke) == Reaction::Note {
                    return nothing(reason::SET_NOTED);
                }
                let about = About {
                    principal: principal.as_deref(),
                    is_session: *event == SecurityEvent::SessionRevoked,
                };
                let keys = match self.subjects.keys(*subject, about) {
                    Ok(keys) => keys,
                    Err(unresolved) => return self.without_subject(unresolved, *event),
                };
                let at = match sabotaged!("set.event_time") {
                    true => Timestamp::MAX,
                    false => *at,
                };
                let notice = |key| Notice::new(key).with_time(at).with_kept_for(self.kept_for);
                let notices = keys.into_iter().map(notice).collect();
                Ok((notices, reason::SET_CARRIED_OUT))
            }
            Meaning::Nothing => nothing(reason::SET_NOTED),
            Meaning::Stream(status) => {
                lock(&self.watch).say(*status, read.issued_at);
                nothing(reason::SET_STREAM_UPDATED)
            }
            Meaning::Unknown => nothing(reason::SET_UNKNOWN_EVENT),
            Meaning::Verification(state) => {
                let is_ours = match (&self.state, state) {
                    (Some(ours), Some(state)) => ours.matches(state.as_bytes()),
                    // Without one, the transmitter sends it by itself (SSF 1.0 §8.1.4).
                    (_, None) | (None, _) => true,
                };
                match is_ours || sabotaged!("set.state") {
                    true => nothing(reason::SET_VERIFIED),
                    false => Err(Wrong {
                        error: "invalid_state",
                        reason: reason::SET_STATE,
                    }),
                }
            }
        }
    }

    fn without_subject(
        &self,
        unresolved: Unresolved,
        event: SecurityEvent,
    ) -> Result<(Vec<Notice>, ReasonCode), Wrong> {
        let code = match unresolved {
            Unresolved::Critical => reason::SET_CRITICAL,
            Unresolved::Foreign => reason::SET_SUBJECT_FOREIGN,
            Unresolved::Malformed => return Err(Wrong::request(reason::SET_SUBJECT)),
            Unresolved::Unknown => reason::SET_SUBJECT_UNKNOWN,
        };
        tracing::warn!(
            reason = %code,
            ?event,
            "a shared signal has no effect, because its subject cannot be told here"
        );
        Ok((Vec::new(), code))
    }
}

impl NoticeReceiver for SignalsReceiver {
    fn describe(&self) -> ReceiverDescription {
        let description = ReceiverDescription::new(NAME).with_max_body(32 * 1024);
        match &self.0.path {
            Some(path) => description.with_path(path.clone()),
            None => description,
        }
    }

    async fn receive(&self, delivery: &NoticeDelivery<'_>) -> NoticeReceipt {
        self.0.hear_push(delivery).await
    }

    async fn confirm(
        &self,
        accepted: &AcceptedNotices,
        _: Timestamp,
    ) -> Result<(), RefusedNotices> {
        if let Some(mark) = accepted.mark() {
            self.0.recent.insert(mark.key.as_u128(), ());
        }
        Ok(())
    }

    async fn attend(&self, desk: &dyn NoticeDesk) {
        let polling = async {
            match &self.0.poll {
                Some(poll) => poll.run(&self.0, desk).await,
                None => pending().await,
            }
        };
        join(polling, self.0.look_after(desk)).await;
    }

    async fn ready(&self) -> Result<(), NotReady> {
        self.0.signers.ready().await
    }

    async fn shutdown(&self) {
        self.0.signers.shutdown().await;
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it protects is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("path", &self.path)
            .field("subjects", &self.subjects)
            .field("signers", &self.signers)
            .finish_non_exhaustive()
    }
}
