//! What a handler keeps in a session.

use std::convert::Infallible;

use http::{Request, Response};
use portcullis::{
    Exchange, RequestBody,
    session::{Session, SessionValue},
};

use crate::people::{World, request};

/// How often somebody came.
struct Visits(u32);

impl SessionValue for Visits {
    const NAME: &'static str = "visits";

    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(u32::from_be_bytes(bytes.try_into().ok()?)))
    }
}

/// More than a session keeps.
struct Hoard;

impl SessionValue for Hoard {
    const NAME: &'static str = "hoard";

    fn to_bytes(&self) -> Vec<u8> {
        vec![0; 20_000]
    }

    fn from_bytes(_: &[u8]) -> Option<Self> {
        Some(Self)
    }
}

fn session(request: &Request<RequestBody<String>>) -> Session {
    let exchange = Exchange::of(request.extensions()).unwrap();
    exchange.session().unwrap().clone()
}

async fn count(request: Request<RequestBody<String>>) -> Result<Response<String>, Infallible> {
    let session = session(&request);
    let visits = session
        .get::<Visits>()
        .await
        .unwrap()
        .map_or(0, |visits| visits.0)
        + 1;
    session.put(&Visits(visits)).await.unwrap();
    assert!(session.put(&Hoard).await.is_err());
    assert!(session.get::<Hoard>().await.unwrap().is_none());
    Ok(Response::builder()
        .header("www-authenticate", visits)
        .body(String::new())
        .unwrap())
}

#[tokio::test]
async fn each_session_has_its_own_and_a_new_one_has_none() {
    let world = World::new();
    let visit = async |token| {
        world
            .ask_with(request(token), tower::service_fn(count))
            .await
            .1
    };
    for expected in ["1", "2", "3"] {
        assert_eq!(visit("alice.user.0.-.1").await, expected);
    }
    assert_eq!(
        visit("alice.user.0.-.2").await,
        "1",
        "another session of the same user"
    );
    assert_eq!(visit("bob.user.0.-.1").await, "1", "another user");
    world.advance(60);
    assert_eq!(visit("alice.user.9.-.1").await, "1", "a new session");
}

#[tokio::test]
async fn what_is_over_keeps_nothing() {
    let world = World::new();
    let handler = tower::service_fn(async |request: Request<RequestBody<String>>| {
        let session = session(&request);
        session.put(&Visits(7)).await.unwrap();
        session.end().await.unwrap();
        assert!(session.put(&Visits(8)).await.is_err());
        assert!(session.remove::<Visits>().await.is_err());
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    assert_eq!(
        world.ask_with(request("alice.user.0"), handler).await.0,
        200
    );
}
