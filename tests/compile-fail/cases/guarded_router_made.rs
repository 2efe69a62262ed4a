//! A router is guarded by a gate, or it is not called so.

use axum::Router;
use portcullis::stack::GuardedRouter;

fn main() {
    let router = Router::new();
    let _ = GuardedRouter { router: router.clone() }; //~ E0451 field `router` of struct `GuardedRouter` is private
    let _: (Router, Option<GuardedRouter>) = (router, None);
}
