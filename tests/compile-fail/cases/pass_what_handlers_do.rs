//! Everything that a handler is meant to do.

use axum::{Router, routing::get};
use portcullis::{ActorView, Denial, Exchange, Permit, Principal};

async fn chat(principal: Principal, exchange: Exchange) -> String {
    format!("{} {}", principal.subject(), exchange.id())
}

async fn health(principal: Option<Principal>, view: ActorView) -> String {
    format!("{} {}", principal.is_some(), view.name())
}

fn tool(parts: &http::request::Parts) -> Option<&str> {
    Some(Exchange::of(&parts.extensions)?.principal()?.subject())
}

struct Transfer {
    cents: u64,
}

fn transfer(permit: Permit<Transfer>) -> String {
    let who = permit.actor().map_or("nobody", ActorView::name).to_owned();
    let Transfer { cents } = permit.spend();
    format!("{cents} for {who}")
}

async fn pay(exchange: Exchange) -> Result<String, Denial> {
    let permit = exchange.authorize("payments.transfer", Transfer { cents: 500 }).await?;
    Ok(transfer(permit))
}

fn main() {
    let router: Router = Router::new().route("/", get(chat)).route("/health", get(health));
    let _ = router.route("/pay", get(pay));
    let _ = tool;
}
