//! One of the two servers: all that it keeps is in Redis.

use std::{convert::Infallible, env};

use axum::{
    Router,
    http::StatusCode,
    response::sse::{Event, Sse},
    routing::{get, post},
};
use futures_util::{Stream, StreamExt as _, stream};
use portcullis::{
    Session, Stack,
    api_keys::{ApiKeys, KeyRegistry},
    session::SessionLayer,
};
use portcullis_store_redis::Redis;
use tokio::net::TcpListener;

use crate::{
    Failure,
    secrets::{self, Secrets},
};

/// What a node says when it can be asked, before its address.
pub(crate) const READY: &str = "listening at ";

pub(crate) async fn run(redis: &str) -> Result<(), Failure> {
    let secrets = Secrets::parse(&env::var(secrets::VARIABLE)?)?;
    let redis = Redis::connect(redis).await?;
    let keys = KeyRegistry::new("demo", &secrets.pepper, redis.api_keys());

    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let session = SessionLayer::builder()
        .with_store(redis.sessions())
        .with_key(secrets.session_key);
    let (gate, handle) = Stack::builder()
        .with_resource(format!("http://{address}/"))
        .add_authenticator(ApiKeys::from_registry(keys))
        .with_session(session)
        .with_revocations(redis.revocations())
        .with_revocation_key(secrets.revocation_key)
        // What is ended at one of the servers ends at the other: at once with this, otherwise
        // within 15 seconds.
        .with_signals(redis.signals())
        .build()?;
    handle.ready().await?;
    println!("{READY}{address}");
    axum::serve(listener, gate.guard(agent())).await?;
    Ok(())
}

fn agent() -> Router {
    Router::new()
        .route("/stream", get(async || Sse::new(events())))
        .route("/logout", post(logout))
}

/// One event, and then none: an agent that thinks.
fn events() -> impl Stream<Item = Result<Event, Infallible>> {
    stream::iter([Ok(Event::default().data("thinking"))]).chain(stream::pending())
}

async fn logout(session: Session) -> StatusCode {
    match session.end().await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
