//! What everybody does in a storm: the generator.

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    strategy::ValueTree as _,
    test_runner::{Config, RngSeed, TestRunner},
};

/// How many principals there are.
pub(crate) const PRINCIPALS: usize = 1000;

/// Every fourth of them comes by way of a client application as well: the same owner, and
/// another session.
pub(crate) const LOGINS: usize = PRINCIPALS + PRINCIPALS / 4;

/// How many connections of HTTP/2 carry them all.
pub(crate) const LINES: usize = 4;

/// Somebody who has a session.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Login(pub(crate) usize);

impl Login {
    /// Many names begin as others do.
    pub(crate) fn subject(self) -> String {
        format!("caller-{}", self.0 % PRINCIPALS)
    }

    pub(crate) fn client(self) -> Option<&'static str> {
        (self.0 >= PRINCIPALS).then_some("app")
    }

    /// With I/O for every other principal.
    pub(crate) fn token(self) -> String {
        let io = if self.0.is_multiple_of(2) { "io-" } else { "" };
        let by = self.client().map(|client| format!("by-{client}-"));
        // A store that forgets lets nobody in who does not say when he came.
        format!(
            "{io}timed-{}good-{}",
            by.unwrap_or_default(),
            self.subject()
        )
    }
}

/// What a handler does with the note of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Act {
    Forget,
    Read,
    Write,
}

/// How a handler answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum How {
    /// Without waiting for anything but the store.
    AtOnce,
    /// With the exchange and the session in its hands while others run.
    Awaiting,
    /// By a worker that answers for several at once.
    InPool,
    /// In the body, after the head is gone.
    Streaming,
}

/// A place in a handler.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    AfterTheAct,
    BeforeTheAct,
}

/// How a client goes away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leave {
    /// After it has looked so often whether there is an answer.
    AfterPolls(u8),
    /// With a part of the answer.
    AtTheFirstFrame,
    /// As soon as a handler is at work, which goes on.
    OnceReached,
    /// While the handler waits there for something that never comes.
    WhileHeld(Stage),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Answered,
    Left(Leave),
    Panics(Stage),
}

/// Which connection carries a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Line {
    /// One that somebody else is done with.
    Http1,
    /// The one of this number, together with many others.
    Http2(usize),
}

/// Who sends a request of a script.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sender {
    /// Nobody in particular, where that is allowed.
    Anonymous,
    /// Whose script it is.
    Owner,
    /// Somebody with a bad token.
    Rejected,
}

/// One request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Step {
    pub(crate) sender: Sender,
    pub(crate) act: Act,
    pub(crate) how: How,
    pub(crate) end: End,
    pub(crate) line: Line,
}

/// What happens, for each login one after the other, and for all at the same time.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) scripts: Vec<(Login, Vec<Step>)>,
}

impl Plan {
    /// The storm of a seed: always the same.
    pub(crate) fn storm(seed: u64) -> Self {
        let mut runner = TestRunner::new(Config {
            rng_seed: RngSeed::Fixed(seed),
            ..Config::default()
        });
        storm().new_tree(&mut runner).unwrap().current()
    }

    /// What everybody does when the storm is over: look, and write, which looks again.
    pub(crate) fn calm() -> Self {
        let step = |login: usize, act| Step {
            sender: Sender::Owner,
            act,
            how: How::Awaiting,
            end: End::Answered,
            line: match login % 8 {
                0 => Line::Http1,
                n => Line::Http2(n % LINES),
            },
        };
        let script = |n| [Act::Read, Act::Write].map(|act| step(n, act));
        Self {
            scripts: (0..LOGINS).map(|n| (Login(n), script(n).into())).collect(),
        }
    }
}

fn storm() -> impl Strategy<Value = Plan> {
    let order = Just((0..LOGINS).collect::<Vec<_>>()).prop_shuffle();
    let scripts = vec(vec(step(), 1..5), LOGINS);
    (order, scripts).prop_map(|(order, scripts)| Plan {
        scripts: order.into_iter().map(Login).zip(scripts).collect(),
    })
}

fn step() -> impl Strategy<Value = Step> {
    let sender = prop_oneof![
        20 => Just(Sender::Owner),
        1 => select(vec![Sender::Anonymous, Sender::Rejected]),
    ];
    let act = prop_oneof![
        4 => Just(Act::Write),
        4 => Just(Act::Read),
        1 => Just(Act::Forget),
    ];
    let how = select(vec![
        How::AtOnce,
        How::Awaiting,
        How::InPool,
        How::Streaming,
    ]);
    let line = prop_oneof![
        1 => Just(Line::Http1),
        5 => (0..LINES).prop_map(Line::Http2),
    ];
    (sender, act, how, end(), line).prop_map(|(sender, act, how, end, line)| Step {
        sender,
        act,
        how,
        end: match sender {
            Sender::Owner => end,
            Sender::Anonymous | Sender::Rejected => End::Answered,
        },
        line,
    })
}

fn end() -> impl Strategy<Value = End> {
    let stage = || select(vec![Stage::AfterTheAct, Stage::BeforeTheAct]);
    let leave = prop_oneof![
        1 => (0..24_u8).prop_map(Leave::AfterPolls),
        1 => Just(Leave::AtTheFirstFrame),
        2 => Just(Leave::OnceReached),
        2 => stage().prop_map(Leave::WhileHeld),
    ];
    prop_oneof![
        12 => Just(End::Answered),
        5 => leave.prop_map(End::Left),
        2 => stage().prop_map(End::Panics),
    ]
}
