//! The agent itself: a loop of a model and its tools, whose answer streams.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    response::sse::{Event, Sse},
};
use futures_util::{Stream, stream};
use http::StatusCode;
use portcullis::{ActorView, Clock, Denial, Exchange, session::Session};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::{
    model::{Move, plan},
    tools::{SEARCH, TRANSFER, Tools},
};

/// What the agent works with.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) clock: Arc<dyn Clock>,
    /// Between two words.
    pub(crate) pause: Duration,
    pub(crate) tools: Tools,
}

/// What a client sends.
#[derive(Deserialize)]
pub(crate) struct Prompt {
    message: String,
}

/// Streams an answer as server-sent events.
///
/// The loop runs in a task of its own, inside [`Session::run`]: when the session is over, so is
/// the loop, and with it everything that its tools would still have done. The model is told a
/// name from the [`ActorView`]; nothing that it makes of a prompt can reach, let alone change,
/// whose request this is.
pub(crate) async fn chat(
    State(agent): State<Agent>,
    exchange: Exchange,
    session: Session,
    actor: ActorView,
    prompt: Result<Json<Prompt>, JsonRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, (StatusCode, &'static str)> {
    // The error of the parser would repeat parts of what it was given.
    let Json(prompt) =
        prompt.map_err(|rejection| (rejection.status(), "the body is no message\n"))?;
    let (events, answer) = mpsc::channel(16);
    let moves = plan(actor.name(), &prompt.message);
    tokio::spawn(async move {
        let answering = agent.answer(exchange, moves, &events);
        // The client is told by the stream's own last event.
        let _: Result<(), _> = session.run(answering).await;
    });
    Ok(Sse::new(stream::unfold(answer, async |mut answer| {
        let event = answer.recv().await?;
        Some((Ok(event), answer))
    })))
}

impl Agent {
    async fn answer(&self, exchange: Exchange, moves: Vec<Move>, events: &mpsc::Sender<Event>) {
        for next in moves {
            let said = match next {
                Move::Say(words) => Ok(Event::default().event("token").data(words)),
                Move::Search(search) => exchange
                    .authorize(SEARCH, search)
                    .await
                    .map(|permit| used(&self.tools.search(permit))),
                Move::Transfer(transfer) => exchange
                    .authorize(TRANSFER, transfer)
                    .await
                    .map(|permit| used(&self.tools.transfer(permit))),
                Move::Watch(search) => loop {
                    let permit = match exchange.authorize(SEARCH, search.clone()).await {
                        Ok(permit) => permit,
                        Err(denial) => break Err(denial),
                    };
                    let event = used(&self.tools.search(permit));
                    if events.send(event).await.is_err() {
                        return;
                    }
                    self.wait(Duration::from_secs(1)).await;
                },
            };
            let event = said.unwrap_or_else(|denial| denied(&denial));
            if events.send(event).await.is_err() {
                // The client has gone away.
                return;
            }
            self.wait(self.pause).await;
        }
        let _ = events.send(Event::default().event("done").data("")).await;
    }

    async fn wait(&self, pause: Duration) {
        if !pause.is_zero() {
            self.clock.sleep_until(self.clock.instant() + pause).await;
        }
    }
}

fn used(result: &str) -> Event {
    Event::default().event("tool").data(result)
}

/// The client is told what it has to bring, and why: it is the one who can get it.
fn denied(denial: &Denial) -> Event {
    Event::default().event("denial").data(denial.for_client())
}
