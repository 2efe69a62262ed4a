//! One of the two servers: all that it keeps is in what both share.

use std::{convert::Infallible, env};

use axum::{
    Router,
    http::StatusCode,
    response::sse::{Event, Sse},
    routing::{get, post},
    serve::ListenerExt as _,
};
use futures_util::{Stream, StreamExt as _, stream};
use portcullis::Session;
use tokio::net::TcpListener;

use crate::{
    Failure,
    secrets::{self, Secrets},
    stores::Store,
};

/// What a node says when it can be asked, before its address.
pub(crate) const READY: &str = "listening at ";

pub(crate) async fn run(store: Store, at: &str) -> Result<(), Failure> {
    let secrets = Secrets::parse(&env::var(secrets::VARIABLE)?)?;
    let shared = store.connect(at).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let (gate, handle) = shared
        .stack(secrets)
        .with_resource(format!("http://{address}/"))
        .build()?;
    handle.ready().await?;
    println!("{READY}{address}");
    // The end of a stream is a few bytes behind a few others: they are not to wait for an answer.
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
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
