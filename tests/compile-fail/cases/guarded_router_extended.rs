//! No route can be added to a router that is guarded, so none can be added unguarded.

use axum::Router;
use portcullis::stack::GuardedRouter;

fn extend(guarded: GuardedRouter, router: Router) {
    let _ = guarded.clone().route("/late", axum::routing::get(late)); //~ E0599 no method named `route` found for struct `GuardedRouter` in the current scope
    let _ = guarded.clone().merge(router.clone()); //~ E0599 no method named `merge` found for struct `GuardedRouter` in the current scope
    let _ = guarded.clone().fallback(late); //~ E0599 no method named `fallback` found for struct `GuardedRouter` in the current scope
    let _: Router = guarded.clone().into(); //~ E0277 the trait bound `Router: From<GuardedRouter>` is not satisfied
    let _: Router = guarded.router; //~ E0616 field `router` of struct `GuardedRouter` is private
    let _ = router.route("/late", axum::routing::get(late));
}

async fn late() -> &'static str {
    "late"
}

fn main() {
    let _ = extend;
}
