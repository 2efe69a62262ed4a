//! The rules against a plain model, which forgets nothing and knows no records.

use portcullis_core::{Evidence, FamilyKey, OwnerKey, SessionKey};
use proptest::prelude::*;

use super::*;
use crate::session::policy::AtExpiry;

const SECOND: Duration = Duration::from_secs(1);
const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

const POLICY: Policy = Policy {
    idle: Duration::from_secs(60),
    absolute: Duration::from_secs(300),
    limit: Some(3),
    max_running: Duration::from_secs(60),
    reopens_by_issue: false,
    max_unconfirmed: None,
    reauthentication: None,
    at_expiry: AtExpiry::CutAtExp,
    grace: Duration::ZERO,
    grace_after_revocation: Duration::ZERO,
    max_streams: None,
};

fn keys(session: u8, kind: EvidenceKind) -> Keys {
    let kinds = [EvidenceKind::User, EvidenceKind::Client];
    let kind = kinds.iter().position(|known| *known == kind).unwrap_or(2) as u128;
    Keys {
        owner: OwnerKey::from_u128(1),
        family: FamilyKey::from_u128(u128::from(session / 2)),
        session: SessionKey::from_u128((kind << 64) | u128::from(session)),
    }
}

/// One whose only time is that.
fn caller(session: u8, kind: EvidenceKind, at: Option<Timestamp>) -> Caller {
    let is_standing = kind == EvidenceKind::Standing;
    Caller {
        keys: keys(session, kind),
        kind,
        authenticated_at: at.filter(|_| !is_standing),
        issued_at: at.filter(|_| is_standing),
        only_joins: false,
    }
}

fn user(authenticated: u32) -> Caller {
    caller(0, EvidenceKind::User, Some(AT + authenticated * SECOND))
}

/// What the layer does with a ruling, without a store.
fn obey(sessions: &mut Sessions, ruling: &Ruling, now: Timestamp) {
    match ruling {
        Ruling::Continue(record) => touch(sessions, record, now),
        Ruling::Update(record) => {
            sessions.apply(vec![Change::Put(record.clone())]);
            touch(sessions, record, now);
        }
        Ruling::Open(record, changes) => {
            sessions.apply(changes.clone());
            touch(sessions, record, now);
        }
        Ruling::Refuse(_) => {}
    }
}

fn touch(sessions: &mut Sessions, record: &SessionRecord, now: Timestamp) {
    sessions.get_mut(record.key).unwrap().touch(record.id, now);
}

fn ask(sessions: &mut Sessions, caller: &Caller, now: Timestamp) -> Ruling {
    let fresh = SessionId::from_u128(u128::from(sessions.revision.as_u64()) + 1);
    let ruling = rule(sessions, caller, &POLICY, at(now), None, fresh);
    obey(sessions, &ruling, now);
    ruling
}

/// A moment of which both clocks say the same.
const fn at(now: Timestamp) -> Moment {
    Moment { now, steady: now }
}

fn end(sessions: &mut Sessions, ended: &Caller, now: Timestamp, reason: EndReason) {
    if let Some(record) = sessions.get_mut(ended.keys.session)
        && record.over(now).is_none()
    {
        record.state = SessionState::Ended(now, reason);
    }
}

#[test]
fn a_caller_is_in_until_idle_and_then_by_a_later_authentication() {
    let mut sessions = Sessions::default();
    assert!(matches!(ask(&mut sessions, &user(0), AT), Ruling::Open(..)));
    let later = AT + 59 * SECOND;
    assert!(matches!(
        ask(&mut sessions, &user(0), later),
        Ruling::Continue(_)
    ));
    let later = later + 60 * SECOND;
    let over = Ruling::Refuse(Bar::Over(EndReason::Idle));
    assert_eq!(ask(&mut sessions, &user(0), later), over);
    assert_eq!(
        ask(&mut sessions, &user(0), later + SECOND),
        over,
        "refusals are no activity"
    );
    let other_session = caller(1, EvidenceKind::User, user(0).authenticated_at);
    assert_eq!(
        ask(&mut sessions, &other_session, later),
        over,
        "another `sid`"
    );
    let undated = caller(0, EvidenceKind::User, None);
    assert_eq!(ask(&mut sessions, &undated, later), over);
    assert!(matches!(
        ask(&mut sessions, &user(1), later),
        Ruling::Open(..)
    ));
    assert_eq!(sessions.records.len(), 1);
}

#[test]
fn an_old_token_stays_out_while_its_successor_is_in() {
    let mut sessions = Sessions::default();
    ask(&mut sessions, &user(0), AT);
    let later = AT + 61 * SECOND;
    assert!(matches!(
        ask(&mut sessions, &user(60), later),
        Ruling::Open(..)
    ));
    let old = caller(1, EvidenceKind::User, user(0).authenticated_at);
    let refused = ask(&mut sessions, &old, later);
    assert!(
        matches!(refused, Ruling::Refuse(Bar::Over(_))),
        "{refused:?}"
    );
    let parallel = caller(1, EvidenceKind::User, user(1).authenticated_at);
    assert!(matches!(
        ask(&mut sessions, &parallel, later),
        Ruling::Open(..)
    ));
}

#[test]
fn a_session_counts_from_the_authentication() {
    let mut sessions = Sessions::default();
    let now = AT + 299 * SECOND;
    let Ruling::Open(record, _) = ask(&mut sessions, &user(0), now) else {
        panic!("the authentication is not too old");
    };
    assert_eq!(record.ends_at, AT + 300 * SECOND);
    let now = AT + 300 * SECOND;
    let over = Ruling::Refuse(Bar::Over(EndReason::Absolute));
    assert_eq!(ask(&mut Sessions::default(), &user(0), now), over);
    // A clock that runs ahead does not make a session longer.
    let Ruling::Open(record, _) = ask(&mut Sessions::default(), &user(900), now) else {
        panic!("it is good");
    };
    assert_eq!(record.ends_at, now + 300 * SECOND);
}

#[test]
fn a_standing_credential_is_in_again_at_once_unless_it_was_ended() {
    let mut sessions = Sessions::default();
    let key = caller(0, EvidenceKind::Standing, None);
    ask(&mut sessions, &key, AT);
    let later = AT + 1000 * SECOND;
    assert!(matches!(ask(&mut sessions, &key, later), Ruling::Open(..)));
    end(&mut sessions, &key, later, EndReason::Ended);
    let much_later = later + 100_000 * SECOND;
    let over = Ruling::Refuse(Bar::Over(EndReason::Ended));
    assert_eq!(ask(&mut sessions, &key, much_later), over);
}

#[test]
fn a_key_that_is_issued_after_the_end_is_in_and_the_ones_before_it_stay_out() {
    let issued = |session, at| caller(session, EvidenceKind::Standing, Some(at));
    let timeless = caller(0, EvidenceKind::Standing, None);
    let (mut sessions, ended_at) = (Sessions::default(), AT + 9 * SECOND);
    ask(&mut sessions, &issued(0, AT), AT);
    end(&mut sessions, &timeless, ended_at, EndReason::Revoked);
    let mut is_in = |caller: &Caller, now| {
        let ruling = ask(&mut sessions, caller, now);
        !matches!(ruling, Ruling::Refuse(_))
    };
    for session in 0..2 {
        // At the end is not after it.
        assert!(!is_in(&issued(session, ended_at), ended_at + SECOND));
    }
    assert!(is_in(&issued(1, ended_at + SECOND), ended_at + SECOND));
    for (later, idle) in [(2, false), (100, true)] {
        let now = ended_at + later * SECOND;
        for old in [issued(0, AT), issued(1, ended_at), timeless] {
            assert!(!is_in(&old, now), "{old:?}, idle: {idle}");
        }
    }
    let now = ended_at + 100 * SECOND;
    assert!(is_in(&issued(1, ended_at + SECOND), now), "as a new one");
    assert!(!is_in(&issued(1, ended_at), now));
}

#[test]
fn kinds_neither_open_nor_close_for_each_other() {
    let opens = |ruling| matches!(ruling, Ruling::Open(..));
    let (alice, idle) = (user(0), AT + 61 * SECOND);
    for session in 0..2 {
        // An API key of the same name, in a session that alice's own could be, or beside it.
        let key = caller(session, EvidenceKind::Standing, None);
        let mut sessions = Sessions::default();
        ask(&mut sessions, &alice, AT);
        assert!(opens(ask(&mut sessions, &key, idle)));
        let over = Ruling::Refuse(Bar::Over(EndReason::Idle));
        assert_eq!(ask(&mut sessions, &alice, idle + SECOND), over);
        assert_eq!(ask(&mut sessions, &alice, idle + 61 * SECOND), over);
        // And the other way round: alice signs in again, and what was ended stays so.
        end(&mut sessions, &key, idle, EndReason::Ended);
        assert!(opens(ask(&mut sessions, &user(61), idle)));
        let over = Ruling::Refuse(Bar::Over(EndReason::Ended));
        assert_eq!(ask(&mut sessions, &key, idle), over);
    }
}

#[test]
fn a_later_authentication_is_remembered_by_the_session() {
    let mut sessions = Sessions::default();
    ask(&mut sessions, &user(0), AT);
    assert!(matches!(
        ask(&mut sessions, &user(9), AT + SECOND),
        Ruling::Update(_)
    ));
    assert!(matches!(
        ask(&mut sessions, &user(0), AT + SECOND),
        Ruling::Continue(_)
    ));
    end(&mut sessions, &user(9), AT + 2 * SECOND, EndReason::Ended);
    let refused = ask(&mut sessions, &user(9), AT + 3 * SECOND);
    assert_eq!(refused, Ruling::Refuse(Bar::Over(EndReason::Ended)));
}

#[test]
fn what_was_forgotten_keeps_out_whoever_is_as_old() {
    let fresh = SessionId::from_u128(1);
    let asked = |caller: Caller| {
        let forgotten = user(5).authenticated_at;
        rule(
            &Sessions::default(),
            &caller,
            &POLICY,
            at(AT),
            forgotten,
            fresh,
        )
    };
    assert_eq!(asked(user(5)), Ruling::Refuse(Bar::Forgotten));
    assert!(matches!(asked(user(6)), Ruling::Open(..)));
    assert!(matches!(
        asked(caller(0, EvidenceKind::Standing, None)),
        Ruling::Open(..)
    ));
    let undated = caller(0, EvidenceKind::User, None);
    assert_eq!(asked(undated), Ruling::Refuse(Bar::Forgotten));
}

#[test]
fn what_counts_as_authentication_depends_on_the_kind() {
    let by_issue = Policy {
        reopens_by_issue: true,
        ..POLICY
    };
    let counted = |kind, policy: &Policy, has_auth_time: bool| {
        let mut evidence = Evidence::new(kind, "i", "s").with_issued_at(AT);
        if has_auth_time {
            evidence = evidence.with_auth_time(AT - SECOND);
        }
        Caller::new(keys(0, kind), &evidence, policy, AT).authenticated_at
    };
    assert_eq!(
        counted(EvidenceKind::User, &POLICY, true),
        Some(AT - SECOND)
    );
    assert_eq!(counted(EvidenceKind::User, &POLICY, false), None);
    assert_eq!(
        counted(EvidenceKind::User, &by_issue, true),
        Some(AT - SECOND)
    );
    assert_eq!(counted(EvidenceKind::User, &by_issue, false), Some(AT));
    assert_eq!(counted(EvidenceKind::Client, &POLICY, true), Some(AT));
    assert_eq!(counted(EvidenceKind::Standing, &by_issue, true), None);
}

#[test]
fn a_time_that_is_far_ahead_is_none() {
    for (kind, seconds, expected) in [
        (EvidenceKind::User, 60, true),
        (EvidenceKind::User, 61, false),
        (EvidenceKind::User, u32::MAX, false),
        (EvidenceKind::Client, 60, true),
        (EvidenceKind::Client, 61, false),
    ] {
        let ahead = AT + seconds * SECOND;
        let evidence = Evidence::new(kind, "i", "s");
        let evidence = evidence.with_auth_time(ahead).with_issued_at(ahead);
        let found = Caller::new(keys(0, kind), &evidence, &POLICY, AT).authenticated_at;
        assert_eq!(found, expected.then_some(ahead), "{kind:?} {seconds}");
    }
}

/// Everything that ever happened, and the rules in the words of the documentation.
#[derive(Default)]
struct Model(Vec<Past>);

struct Past {
    session: u8,
    kind: EvidenceKind,
    opened_at: Timestamp,
    active_at: Timestamp,
    ends_at: Timestamp,
    authenticated_at: Option<Timestamp>,
    ended: Option<Timestamp>,
    /// What was to be outdone in its family when it was opened: the latest end of a key's session.
    keys_ended: Option<Timestamp>,
}

impl Past {
    fn is_over(&self, now: Timestamp) -> bool {
        self.ended.is_some() || now >= self.ends_at || now >= self.active_at + POLICY.idle
    }
}

impl Model {
    fn lets_in(&mut self, caller: &Caller, session: u8, now: Timestamp) -> bool {
        let is_same = |past: &Past| past.session == session && past.kind == caller.kind;
        let living = self
            .0
            .iter_mut()
            .rev()
            .find(|past| is_same(past) && !past.is_over(now));
        let is_standing = caller.kind == EvidenceKind::Standing;
        if let Some(past) = living {
            if is_standing && is_no_later(caller.issued_at, past.keys_ended) {
                return false;
            }
            past.active_at = past.active_at.max(now);
            past.authenticated_at = past.authenticated_at.max(caller.authenticated_at);
            return true;
        }
        let is_barred = self.0.iter().any(|past| {
            let before = past.authenticated_at.unwrap_or(past.opened_at);
            past.session / 2 == session / 2
                && past.kind == caller.kind
                && past.is_over(now)
                && match is_standing {
                    true => is_no_later(caller.issued_at, past.ended),
                    false => is_no_later(caller.authenticated_at, Some(before)),
                }
        });
        let of_family = |past: &&Past| past.session / 2 == session / 2 && past.kind == caller.kind;
        let keys_ended = self
            .0
            .iter()
            .filter(of_family)
            .filter_map(|past| past.ended);
        let keys_ended = keys_ended.max();
        let living = self.0.iter().filter(|past| !past.is_over(now)).count();
        let since = match caller.authenticated_at {
            Some(at) if caller.kind == EvidenceKind::User => at.min(now),
            _ => now,
        };
        let ends_at = since + POLICY.absolute;
        if is_barred || living >= 3 || ends_at <= now {
            return false;
        }
        self.0.push(Past {
            session,
            kind: caller.kind,
            opened_at: now,
            active_at: now,
            ends_at,
            authenticated_at: caller.authenticated_at,
            ended: None,
            keys_ended,
        });
        true
    }
}

fn is_no_later(at: Option<Timestamp>, bar: Option<Timestamp>) -> bool {
    bar.is_some_and(|bar| at.is_none_or(|at| at <= bar))
}

#[derive(Clone, Debug)]
enum Event {
    Ask {
        kind: EvidenceKind,
        session: u8,
        authenticated: Option<u32>,
    },
    End {
        kind: EvidenceKind,
        session: u8,
    },
    Wait(u32),
}

/// Of one kind, or of all.
fn kinds() -> impl Strategy<Value = Vec<EvidenceKind>> {
    use EvidenceKind::{Client, Standing, User};
    prop::sample::select(vec![
        vec![User],
        vec![Client],
        vec![Standing],
        vec![User, Client, Standing],
    ])
}

fn events(kinds: Vec<EvidenceKind>) -> impl Strategy<Value = Vec<Event>> {
    let kind = prop::sample::select(kinds);
    let event = prop_oneof![
        6 => (kind.clone(), 0..6_u8, prop::option::weighted(0.9, 0..600_u32))
            .prop_map(|(kind, session, authenticated)| Event::Ask { kind, session, authenticated }),
        1 => (kind, 0..6_u8).prop_map(|(kind, session)| Event::End { kind, session }),
        3 => (1..90_u32).prop_map(Event::Wait),
    ];
    prop::collection::vec(event, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_rules_are_those_of_the_model(events in kinds().prop_flat_map(events)) {
        let (mut sessions, mut model, mut now) = (Sessions::default(), Model::default(), AT);
        for event in events {
            match event {
                Event::Wait(seconds) => now = now + seconds * SECOND,
                Event::End { kind, session } => {
                    end(&mut sessions, &caller(session, kind, None), now, EndReason::Revoked);
                    for past in &mut model.0 {
                        let is_it = past.session == session && past.kind == kind;
                        if is_it && !past.is_over(now) {
                            past.ended = Some(now);
                        }
                    }
                }
                Event::Ask { kind, session, authenticated } => {
                    let authenticated = authenticated.map(|seconds| AT + seconds * SECOND);
                    let caller = caller(session, kind, authenticated);
                    let ruling = ask(&mut sessions, &caller, now);
                    let is_in = !matches!(ruling, Ruling::Refuse(_));
                    prop_assert_eq!(is_in, model.lets_in(&caller, session, now), "{:?}", ruling);
                    let living = sessions.records.iter().filter(|r| r.over(now).is_none());
                    prop_assert!(living.count() <= 3);
                }
            }
        }
    }
}

/// Who somebody else vouches for with each request can never come with something later: that a session
/// of theirs ended keeps nobody out, however it did.
#[test]
fn who_is_asserted_with_each_request_is_not_shut_out() {
    let alice = Evidence::new(EvidenceKind::User, "https://sso.example", "alice");
    let (asserted, own) = (alice.clone().asserted_per_request(), alice);
    for reason in [EndReason::Idle, EndReason::Absolute, EndReason::Ended] {
        for (evidence, is_in) in [(&asserted, true), (&own, false)] {
            let caller = Caller::new(keys(0, EvidenceKind::User), evidence, &POLICY, AT);
            let mut sessions = Sessions::default();
            let opened = ask(&mut sessions, &caller, AT);
            let Ruling::Open(mut record, _) = opened else {
                panic!("{opened:?}");
            };
            record.state = SessionState::Ended(AT + SECOND, reason);
            sessions.apply(vec![Change::Put(record)]);
            let again = ask(&mut sessions, &caller, AT + 2 * SECOND);
            assert_eq!(
                matches!(again, Ruling::Open(..)),
                is_in,
                "{reason:?} {again:?}"
            );
        }
    }
}

#[test]
fn a_user_who_authenticated_too_long_ago_is_neither_in_nor_opens_anything() {
    let policy = Policy {
        reauthentication: Some(30 * SECOND),
        ..POLICY
    };
    let ask = |sessions: &Sessions, caller: &Caller, at: u32| {
        let now = AT + at * SECOND;
        let moment = Moment { now, steady: now };
        rule(
            sessions,
            caller,
            &policy,
            moment,
            None,
            SessionId::from_u128(7),
        )
    };
    let too_old = Ruling::Refuse(Bar::Over(EndReason::Reauthentication));
    let nobody = Sessions::default();
    assert_eq!(ask(&nobody, &user(0), 30), too_old);
    let silent = caller(0, EvidenceKind::User, None);
    assert_eq!(ask(&nobody, &silent, 0), too_old, "nobody says when");
    for kind in [EvidenceKind::Client, EvidenceKind::Standing] {
        let other = caller(0, kind, Some(AT));
        assert!(
            matches!(ask(&nobody, &other, 30), Ruling::Open(..)),
            "{kind:?}"
        );
    }
    let Ruling::Open(record, changes) = ask(&nobody, &user(0), 29) else {
        panic!("a recent one opens a session");
    };
    let mut sessions = Sessions::default();
    sessions.apply(changes);
    assert!(matches!(ask(&sessions, &user(0), 29), Ruling::Continue(_)));
    assert!(
        matches!(ask(&sessions, &silent, 29), Ruling::Continue(_)),
        "the session has seen one"
    );
    for stale in [user(0), silent] {
        assert_eq!(ask(&sessions, &stale, 30), too_old);
    }
    let Ruling::Update(later) = ask(&sessions, &user(20), 30) else {
        panic!("a later one is in");
    };
    assert_eq!(later.id, record.id, "the same session goes on");
    sessions.apply(vec![Change::Put(later)]);
    assert!(matches!(ask(&sessions, &user(0), 49), Ruling::Continue(_)));
    assert_eq!(ask(&sessions, &user(0), 50), too_old);
}
