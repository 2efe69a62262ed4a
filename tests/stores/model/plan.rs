//! What may happen to a few people and their clients: the generator.

use proptest::{collection::vec, prelude::*};

/// How many people there are, and how many clients each of them has: more than he may have
/// sessions at once.
pub(super) const PEOPLE: u8 = 2;
pub(super) const CLIENTS: u8 = 5;

/// Somebody with a client, and when he has authenticated there: so many seconds before now, or a
/// little after, as by an issuer whose clock is ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) person: u8,
    pub(super) client: u8,
    pub(super) ago: i64,
}

/// How a request ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// It is answered.
    Active,
    /// It is answered, and is no activity.
    Passive,
    /// Its client goes away while the handler works.
    Dropped,
    /// The handler ends the session.
    Logout,
}

/// One thing that happens, at one of two servers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Ask(usize, Caller, Way),
    /// Time goes by, in milliseconds.
    Wait(u64),
    /// An operator ends all sessions of somebody.
    EndAll(usize, u8),
    /// Whoever authenticated until now is out.
    RevokePerson(usize, u8),
    /// Whatever a client got until now is over.
    RevokeClient(usize, u8),
    /// The wall clock is an hour behind from now on, or right again.
    SetBack(bool),
    /// The wall clock is ahead by an hour for the time of one request.
    Leap(usize, Caller),
    /// All servers are stopped and started, and what they keep with them.
    Restart,
}

pub(super) fn ops() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 10..60)
}

fn op() -> impl Strategy<Value = Op> {
    let node = || 0..2_usize;
    let person = || 0..PEOPLE;
    prop_oneof![
        12 => (node(), caller(), way()).prop_map(|(node, caller, way)| Op::Ask(node, caller, way)),
        4 => wait().prop_map(Op::Wait),
        1 => (node(), person()).prop_map(|(node, person)| Op::EndAll(node, person)),
        1 => (node(), person()).prop_map(|(node, person)| Op::RevokePerson(node, person)),
        1 => (node(), 0..CLIENTS).prop_map(|(node, client)| Op::RevokeClient(node, client)),
        1 => any::<bool>().prop_map(Op::SetBack),
        1 => (node(), caller()).prop_map(|(node, caller)| Op::Leap(node, caller)),
        1 => Just(Op::Restart),
    ]
}

fn caller() -> impl Strategy<Value = Caller> {
    let ago = prop_oneof![6 => 0..20_i64, 3 => 20..700_i64, 1 => -30..0_i64];
    (0..PEOPLE, 0..CLIENTS, ago).prop_map(|(person, client, ago)| Caller {
        person,
        client,
        ago,
    })
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        8 => Just(Way::Active),
        3 => Just(Way::Passive),
        2 => Just(Way::Dropped),
        1 => Just(Way::Logout),
    ]
}

/// Often around the times at which something ends.
fn wait() -> impl Strategy<Value = u64> {
    prop_oneof![
        5 => 0..20_000_u64,
        3 => 45_000..75_000_u64,
        1 => 200_000..700_000_u64,
    ]
}
