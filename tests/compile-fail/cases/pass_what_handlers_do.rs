//! Everything that a handler is meant to do.

use axum::{Router, routing::get};
use portcullis::{ActorView, Exchange, Principal};

async fn chat(principal: Principal, exchange: Exchange) -> String {
    format!("{} {}", principal.subject(), exchange.id())
}

async fn health(principal: Option<Principal>, view: ActorView) -> String {
    format!("{} {}", principal.is_some(), view.name())
}

fn tool(parts: &http::request::Parts) -> Option<&str> {
    Some(Exchange::of(&parts.extensions)?.principal()?.subject())
}

fn main() {
    let _: Router = Router::new().route("/", get(chat)).route("/health", get(health));
    let _ = tool;
}
