//! The agent itself: a small deterministic model that answers word by word.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    response::sse::{Event, Sse},
};
use futures_util::{Stream, StreamExt as _, stream};
use portcullis::{ActorView, Clock as _, SystemClock};
use serde::Deserialize;

/// What a client sends.
#[derive(Deserialize)]
pub(crate) struct Prompt {
    message: String,
}

/// Streams an answer as server-sent events, one word each.
///
/// It is given an [`ActorView`], not the principal: nothing that the model makes of a prompt
/// can reach, let alone change, whose request this is.
pub(crate) async fn chat(
    actor: ActorView,
    Json(prompt): Json<Prompt>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let words: Vec<String> = answer(&actor, &prompt.message)
        .split(' ')
        .map(str::to_owned)
        .collect();
    let spoken = stream::iter(words).then(async |word| {
        let clock = SystemClock::new();
        clock
            .sleep_until(clock.instant() + Duration::from_millis(40))
            .await;
        Ok(Event::default().event("token").data(word))
    });
    Sse::new(spoken.chain(stream::iter([Ok(Event::default().event("done").data(""))])))
}

/// The model.
fn answer(actor: &ActorView, message: &str) -> String {
    let count = message.split_whitespace().count();
    let may_read = actor.scopes().contains("notes.read");
    let notes = if may_read {
        "Your notes are open to me."
    } else {
        "I may not read your notes."
    };
    format!("Hello {}, you said {count} words. {notes}", actor.name())
}
