//! Evidence is no extractor: it proves nothing.

use axum::{Router, routing::get};
use portcullis::{Evidence, Principal};

async fn handler(_: Principal) {}

async fn wrong(_: Evidence) {}

fn main() {
    let router: Router = Router::new();
    let router = router.route("/wrong", get(wrong)); //~ E0277 the trait bound `fn(Evidence) -> impl Future<Output = ()> {wrong}: Handler<_, _>` is not satisfied
    let _ = router.route("/", get(handler));
    let _ = wrong;
}
