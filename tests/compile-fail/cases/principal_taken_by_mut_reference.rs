//! An extractor gives a principal away; it does not lend it to be changed.

use axum::{Router, routing::get};
use portcullis::Principal;

async fn handler(_: Principal) {}

async fn promoting(_: &mut Principal) {}

fn main() {
    let router: Router = Router::new();
    let router = router.route("/promoting", get(promoting)); //~ E0277 the trait bound `for<'a> fn(&'a mut Principal) -> impl Future<Output = ()> {promoting}: Handler<_, _>` is not satisfied
    let _ = router.route("/", get(handler));
    let _ = promoting;
}
