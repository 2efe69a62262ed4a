use std::time::Duration;

use super::*;

const OPENED: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
const SECOND: Duration = Duration::from_secs(1);

const NOTES: Reactions = all(Reaction::Note);
const ASKS: Reactions = all(Reaction::Ask);

const fn all(reaction: Reaction) -> Reactions {
    Reactions {
        network: Some(reaction),
        user_agent: Some(reaction),
        device: Some(reaction),
    }
}

fn v4(n: u32) -> Option<Network> {
    NonZeroU32::new(n).map(Network::V4)
}

fn v6(n: u32) -> Option<Network> {
    NonZeroU32::new(n).map(Network::V6)
}

/// What somebody shows who authenticated when the session was opened; zero is nothing.
fn seen(network: Option<Network>, user_agent: u64, device: u64) -> Seen {
    Seen {
        network,
        user_agent: NonZeroU64::new(user_agent),
        device: NonZeroU64::new(device),
        authenticated_at: Some(OPENED),
        opened_at: OPENED + 9 * SECOND,
    }
}

fn anew(seen: Seen) -> Seen {
    Seen {
        authenticated_at: Some(OPENED + SECOND),
        ..seen
    }
}

fn codes(comparison: &Comparison) -> Vec<&'static str> {
    let drift = comparison.drift.iter().flatten();
    drift.map(|(code, _)| code.as_str()).collect()
}

/// What a session keeps once these requests were let in, one after the other.
#[track_caller]
fn kept(requests: &[Seen], reactions: &Reactions) -> BindingReference {
    requests
        .iter()
        .fold(BindingReference::default(), |reference, seen| {
            let comparison = compare(&reference, seen, reactions);
            assert_eq!(codes(&comparison), [""; 0]);
            comparison.next.unwrap_or(reference)
        })
}

#[test]
fn the_first_request_sets_what_it_shows() {
    let reference = kept(&[seen(v4(1), 2, 3)], &ASKS);
    assert_eq!(reference.ipv4, NonZeroU32::new(1));
    assert_eq!(reference.ipv6, None);
    assert_eq!(reference.user_agent, NonZeroU64::new(2));
    assert_eq!(reference.device, NonZeroU64::new(3));
    assert_eq!(reference.authenticated_at, OPENED);
    let again = compare(&reference, &seen(v4(1), 2, 3), &ASKS);
    assert_eq!((again.drift, again.next), ([None; 3], None));
    // Where nobody says when a user authenticated, it was before the session was opened.
    let silent = Seen {
        authenticated_at: None,
        ..seen(v4(1), 2, 3)
    };
    let reference = kept(&[silent], &ASKS);
    assert_eq!(reference.authenticated_at, silent.opened_at);
    // And somebody who shows nothing sets nothing.
    assert_eq!(
        kept(&[seen(None, 0, 0)], &ASKS),
        BindingReference::default()
    );
}

#[test]
fn each_attribute_differs_for_its_own() {
    let reference = kept(&[seen(v4(1), 2, 3), seen(v6(1), 2, 3)], &NOTES);
    for (seen, codes_of) in [
        (seen(v4(9), 2, 3), vec!["drift_network"]),
        (seen(v6(9), 2, 3), vec!["drift_network"]),
        (seen(v4(1), 9, 3), vec!["drift_user_agent"]),
        (seen(v4(1), 0, 3), vec!["drift_user_agent"]),
        (seen(v4(1), 2, 9), vec!["drift_device"]),
        (seen(v4(1), 2, 0), vec!["drift_device"]),
        (
            seen(v4(9), 0, 9),
            vec!["drift_device", "drift_network", "drift_user_agent"],
        ),
        // Nobody knows where it comes from: there is no perimeter.
        (seen(None, 2, 3), vec![]),
    ] {
        let comparison = compare(&reference, &seen, &NOTES);
        assert_eq!(codes(&comparison), codes_of, "{seen:?}");
        assert_eq!((comparison.asked(), comparison.next), (None, None));
        let comparison = compare(&reference, &seen, &ASKS);
        let asked = comparison.asked().map(|code| code.as_str());
        assert_eq!(asked, codes_of.first().copied());
    }
}

#[test]
fn what_is_not_compared_is_not_kept() {
    let none = Reactions {
        network: None,
        user_agent: None,
        device: None,
    };
    assert_eq!(
        kept(&[seen(v4(1), 2, 3)], &none),
        BindingReference::default()
    );
    // Nor is a difference in it one, where it was kept under other settings.
    let reference = kept(&[seen(v4(1), 2, 3)], &ASKS);
    let comparison = compare(&reference, &seen(v4(9), 9, 0), &none);
    assert_eq!((comparison.drift, comparison.next), ([None; 3], None));
}

#[test]
fn what_is_missing_is_set_later_by_somebody_who_differs_in_nothing() {
    let reference = kept(&[seen(v4(1), 2, 0)], &NOTES);
    let thief = compare(&reference, &seen(v6(9), 9, 9), &NOTES);
    assert_eq!(codes(&thief), ["drift_user_agent"]);
    assert_eq!(thief.next, None);
    let reference = kept(&[seen(v4(1), 2, 0), seen(v6(5), 2, 3)], &NOTES);
    assert_eq!(reference.ipv4, NonZeroU32::new(1));
    assert_eq!(reference.ipv6, NonZeroU32::new(5));
    assert_eq!(reference.device, NonZeroU64::new(3));
    assert_eq!(reference.authenticated_at, OPENED);
}

#[test]
fn a_user_who_authenticates_anew_sets_anew() {
    let reference = kept(&[seen(v4(1), 2, 3), seen(v6(1), 2, 3)], &ASKS);
    let moved = compare(&reference, &anew(seen(v4(7), 8, 9)), &ASKS);
    assert_eq!(codes(&moved), [""; 0]);
    let next = moved.next.unwrap();
    assert_eq!((next.ipv4, next.ipv6), (NonZeroU32::new(7), None));
    assert_eq!(next.user_agent, NonZeroU64::new(8));
    assert_eq!(next.device, NonZeroU64::new(9));
    assert_eq!(next.authenticated_at, OPENED + SECOND);
    // That login has had its say: another request of it is compared, and so is the old one.
    assert_eq!(
        codes(&compare(&next, &anew(seen(v4(1), 8, 9)), &ASKS)),
        ["drift_network"]
    );
    assert_eq!(
        codes(&compare(&next, &seen(v4(7), 8, 3), &ASKS)),
        ["drift_device"]
    );
    // Also where nothing has changed, or a thief could set anew in the user's stead.
    let same = compare(&reference, &anew(seen(v4(1), 2, 3)), &ASKS);
    assert_eq!(same.next.unwrap().authenticated_at, OPENED + SECOND);
}

#[test]
fn nothing_becomes_unbound() {
    let reference = kept(&[seen(v4(1), 2, 3)], &ASKS);
    // Not even by a user who authenticates anew.
    let asked = compare(&reference, &anew(seen(v4(7), 0, 0)), &ASKS);
    assert_eq!(codes(&asked), ["drift_device", "drift_user_agent"]);
    assert_eq!(asked.next, None, "what is refused sets nothing");
    let noted = compare(&reference, &anew(seen(v4(7), 8, 0)), &NOTES);
    assert_eq!(codes(&noted), ["drift_device"]);
    let next = noted.next.unwrap();
    assert_eq!(next.device, reference.device);
    assert_eq!(next.ipv4, NonZeroU32::new(7));
    let unknown = compare(&reference, &anew(seen(None, 8, 9)), &NOTES);
    assert_eq!(unknown.next.unwrap().ipv4, reference.ipv4);
}
