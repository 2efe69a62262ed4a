//! Processes whose clocks differ.

use portcullis_core::Taken;
use portcullis_tests::stores::{
    Place as _, START,
    kept::{SECOND, take},
    postgres::PostgresServer,
};

/// A clock that is ahead by less than an hour throws nothing away that counts by another.
#[tokio::test]
async fn what_was_used_stays_so_where_an_owner_has_taken_his_share_by_a_clock_that_is_ahead() {
    let server = PostgresServer::start().await;
    let client = || server.builder().with_replays_per_owner(3).connect();
    let (right, ahead) = (client().await.unwrap(), client().await.unwrap());
    for number in 1..=3 {
        assert_eq!(take(&right, number, START).await, Ok(Taken::Fresh));
    }
    assert_eq!(take(&right, 4, START).await, Ok(Taken::Full));
    let later = START + 1800 * SECOND;
    for number in 4..=6 {
        assert_eq!(take(&ahead, number, later).await, Ok(Taken::Fresh));
    }
    assert_eq!(take(&ahead, 7, later).await, Ok(Taken::Full));
    let now = START + 200 * SECOND;
    for number in 1..=6 {
        assert_eq!(take(&right, number, now).await, Ok(Taken::Seen), "{number}");
    }
    // And is thrown away in the end.
    let much_later = later + 8000 * SECOND;
    for number in 10..=12 {
        assert_eq!(take(&right, number, much_later).await, Ok(Taken::Fresh));
    }
    assert_eq!(server.say("SELECT count(*) FROM taken").await, "3");
}
