//! Where the keys of one issuer come from.

mod cache_control;
mod discovery;
mod remote;
mod retrieval;
mod schedule;

use std::{sync::Arc, time::Instant};

use arc_swap::{ArcSwapOption, Guard};

pub(crate) use self::{
    discovery::{Place, Sought},
    remote::{Obtained, RemoteKeys},
    retrieval::Retrieval,
    schedule::{Limits, Need},
};
use crate::{
    Algorithm,
    key::{Choice, KeySet},
};

/// Where the keys of one issuer come from.
#[derive(Debug)]
pub(crate) enum KeySource {
    /// They are given and stay.
    Fixed(ArcSwapOption<Snapshot>),
    /// They are retrieved when they are needed.
    Remote(RemoteKeys),
}

impl KeySource {
    pub(crate) fn fixed(keys: KeySet) -> Self {
        let snapshot = Snapshot {
            keys,
            refresh_at: None,
        };
        Self::Fixed(ArcSwapOption::from_pointee(snapshot))
    }

    /// The keys that may be used at `now`, or what has to be retrieved first.
    ///
    /// With `has_waited`, nothing better is to be had: the last good keys have to do for as
    /// long as they may.
    pub(crate) fn keys(&self, now: Instant, has_waited: bool) -> Result<Held, Lack> {
        match self {
            Self::Fixed(snapshot) => Ok(Held {
                snapshot: snapshot.load(),
                ended: 0,
            }),
            Self::Remote(remote) => remote.keys(now, has_waited),
        }
    }
}

/// Keys, and when they are to be replaced.
#[derive(Debug)]
pub(crate) struct Snapshot {
    keys: KeySet,
    refresh_at: Option<Instant>,
}

/// Keys that may be used, for the time of one decision.
pub(crate) struct Held {
    snapshot: Guard<Option<Arc<Snapshot>>>,
    ended: u64,
}

impl Held {
    /// The keys. (There are some: whoever makes this has looked.)
    pub(crate) fn set(&self) -> Option<&KeySet> {
        self.snapshot.as_ref().map(|snapshot| &snapshot.keys)
    }

    /// The lack of one key in these.
    pub(crate) fn lack_of_key(&self) -> Lack {
        Lack {
            need: Need::Key,
            ended: self.ended,
        }
    }
}

/// The key that a token wants: its `kid`, if it has one, and its `alg`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) id: Option<Arc<str>>,
    pub(crate) algorithm: Algorithm,
}

impl Wanted {
    fn is_absent_from(&self, keys: &KeySet) -> bool {
        let choice = keys.choose(self.id.as_deref(), self.algorithm);
        matches!(choice, Choice::Unknown)
    }
}

/// Keys that have to be retrieved before a token can be judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lack {
    pub(crate) need: Need,
    /// How many retrievals had ended before this was found out.
    pub(crate) ended: u64,
}
