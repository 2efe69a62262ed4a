//! A permit comes out of a decision, or it is none.

use portcullis::{ActorView, Permit};

fn tool(permit: Permit<u64>) -> u64 {
    permit.spend()
}

fn forge(actor: Option<ActorView>) {
    let _ = tool(Permit::new("payments.transfer".into(), actor.clone(), 500)); //~ E0624 associated function `new` is private
    let _ = tool(Permit::default()); //~ E0599 no function or associated item named `default` found for struct `Permit<T>` in the current scope
    let _ = tool(500.into()); //~ E0277 the trait bound `Permit<u64>: From<{integer}>` is not satisfied
    let _ = actor;
}

fn main() {
    let _ = (tool, forge);
}
