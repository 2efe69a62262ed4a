//! Nor is one declared complete.

use portcullis::stack::{Complete, StackBuilder};

fn main() {
    let _ = |builder: StackBuilder<Complete>| builder.build();
    let _: StackBuilder<Complete> = StackBuilder { state: std::marker::PhantomData }; //~ none cannot construct `StackBuilder<_>` with struct literal syntax due to private fields
}
