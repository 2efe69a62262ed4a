//! What a model is shown leads to no principal.

use portcullis::{ActorView, Principal};

fn tool(view: ActorView) {
    let _: Principal = view.clone().into(); //~ E0277 the trait bound `Principal: From<ActorView>` is not satisfied
    let _ = Principal::from(view.clone()); //~ E0308 mismatched types
    let _ = view;
}

fn main() {
    let _ = (tool, size_of::<Principal>());
}
