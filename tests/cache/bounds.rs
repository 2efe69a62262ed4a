//! For how long somebody is in who is out, where servers do not hear each other.

use std::time::Duration;

use crate::{
    changes::{ENDS, end},
    world::{Node, ROUND_TRIP, SECOND, Two},
};

const STEP: Duration = Duration::from_millis(100);

/// For how long alice is still let in from now on. Another one keeps the bus busy.
async fn is_in_for(two: &Two, node: &Node) -> Duration {
    let (mut last, mut refused) = (Duration::ZERO, 0);
    for step in 0..400 {
        match node.ask("alice.0").await.status {
            200 => (last, refused) = (STEP * (step + 1), 0),
            401 => refused += 1,
            status => panic!("{status}"),
        }
        // Once out, always out.
        if refused == 20 {
            break;
        }
        node.ask("bob.0").await;
        two.pass(STEP).await;
    }
    last
}

fn broken(node: &Node, is_silent: bool, is_broken: bool) {
    match is_silent {
        true => node.signals.set_silent(is_broken),
        false => node.signals.set_failing(is_broken),
    }
}

/// The bus is down, or says nothing at all, where he comes.
#[tokio::test]
async fn a_bus_that_is_not_heard_vouches_for_nobody() {
    for how in ENDS {
        for is_silent in [false, true] {
            let two = Two::new();
            two.know("alice.0").await;
            two.know("bob.0").await;
            broken(&two.there, is_silent, true);
            end(&two.here, how).await;
            assert_eq!(two.here.ask("alice.0").await.status, 401, "{how}");
            let time = is_in_for(&two, &two.there).await;
            assert!(time <= 2 * SECOND + STEP, "{how}: {time:?}");
            // Others are in, by the store.
            let answer = two.there.ask("bob.0").await;
            assert_eq!((answer.status, answer.asked), (200, 2), "{how}");
            broken(&two.there, is_silent, false);
            for _ in 0..4 {
                assert_eq!(two.there.ask("alice.0").await.status, 401, "{how}");
                two.pass(SECOND).await;
                assert_eq!(two.there.ask("bob.0").await.status, 200, "{how}");
            }
            let answer = two.there.ask("bob.0").await;
            assert_eq!(answer.asked, 0, "{how}: all is well again");
        }
    }
}

/// What was missed while the bus was away for less than the bound is made good with the gap.
#[tokio::test]
async fn a_gap_counts_for_everybody() {
    for how in ENDS {
        let two = Two::new();
        two.know("alice.0").await;
        two.know("bob.0").await;
        two.there.signals.set_failing(true);
        end(&two.here, how).await;
        two.there.signals.set_failing(false);
        two.pass(SECOND).await;
        // Somebody comes, and the bus is asked.
        two.there.ask("bob.0").await;
        assert_eq!(two.there.ask("alice.0").await.status, 401, "{how}");
        assert!(two.there.ask("bob.0").await.asked > 0, "{how}");
        assert_eq!(two.there.ask("bob.0").await.asked, 0, "{how}");
    }
}

/// The one who would have to tell cannot, and nobody knows that anything is missing.
#[tokio::test]
async fn what_nobody_could_tell_of_is_known_when_answers_get_old() {
    for how in ENDS {
        for is_silent in [false, true] {
            // One that waits for its bus for ever would not return.
            if is_silent && how != "token" {
                continue;
            }
            let two = Two::new();
            two.know("alice.0").await;
            two.know("bob.0").await;
            broken(&two.here, is_silent, true);
            match is_silent {
                false => end(&two.here, how).await,
                true => {
                    let handle = two.here.handle.clone();
                    let revocation = portcullis::revocation::Revocation::token(
                        crate::world::ISSUER,
                        "id-alice.0",
                    );
                    tokio::spawn(async move { handle.revoke(revocation).await });
                    for _ in 0..4 {
                        two.pass(ROUND_TRIP).await;
                    }
                }
            }
            // Where it was done, nobody has to be told.
            assert_eq!(two.here.ask("alice.0").await.status, 401, "{how}");
            let time = is_in_for(&two, &two.there).await;
            assert!(time <= 15 * SECOND + STEP, "{how}: {time:?}");
            assert!(time > 2 * SECOND, "{how}: otherwise nothing is kept");
            broken(&two.here, is_silent, false);
        }
    }
}

/// Between servers that do not hear each other for a while, all is as it should be when they do again.
#[tokio::test]
async fn a_partition_heals() {
    let two = Two::new();
    two.know("alice.0").await;
    two.know("bob.0").await;
    two.here.signals.set_silent(true);
    two.there.signals.set_silent(true);
    // Longer than what was said last counts, and shorter than the answers do.
    for _ in 0..5 {
        two.pass(SECOND).await;
        for node in [&two.here, &two.there] {
            assert_eq!(node.ask("bob.0").await.status, 200);
        }
    }
    let handle = two.there.handle.clone();
    let ending =
        tokio::spawn(async move { handle.end_sessions(crate::world::ISSUER, "alice").await });
    two.pass(SECOND).await;
    for node in [&two.here, &two.there] {
        assert_eq!(node.ask("alice.0").await.status, 401, "the store is asked");
    }
    two.here.signals.set_silent(false);
    two.there.signals.set_silent(false);
    two.pass(SECOND).await;
    assert_eq!(ending.await.unwrap().unwrap(), 1);
    for node in [&two.here, &two.there] {
        for _ in 0..3 {
            assert_eq!(node.ask("alice.0").await.status, 401);
            assert_eq!(node.ask("bob.0").await.status, 200);
            two.pass(SECOND / 2).await;
        }
        assert_eq!(node.ask("bob.0").await.asked, 0);
    }
}

/// A strict bound holds whatever fails, and one that was set is kept.
#[tokio::test]
async fn a_bound_that_was_set_is_kept() {
    let strict = 6 * SECOND;
    for (is_here, bound) in [(false, 2 * SECOND), (true, strict)] {
        let two = Two::with(
            |session| session.with_max_unconfirmed(strict),
            |stack| stack.with_cache(100),
        );
        two.know("alice.0").await;
        two.know("bob.0").await;
        broken(if is_here { &two.here } else { &two.there }, false, true);
        end(&two.here, "token").await;
        let time = is_in_for(&two, &two.there).await;
        assert!(time <= bound + STEP, "{is_here}: {time:?}");
    }
    for millis in [200, 1000, 5000] {
        let bound = Duration::from_millis(millis);
        let two = Two::with(
            |session| session,
            |stack| stack.with_cache(100).with_max_unheard(bound),
        );
        two.know("alice.0").await;
        two.know("bob.0").await;
        two.there.signals.set_failing(true);
        end(&two.here, "subject").await;
        let time = is_in_for(&two, &two.there).await;
        assert!(time <= bound + STEP, "{bound:?}: {time:?}");
        assert!(time + 3 * STEP + bound / 2 >= bound, "{bound:?}: {time:?}");
    }
}
