//! A permit is not put together from its parts.

use portcullis::{ActorView, Permit};

fn forge(actor: Option<ActorView>) {
    let (operation, arguments): (Box<str>, u64) = ("payments.transfer".into(), 500);
    let _ = Permit { operation, actor, arguments }; //~ E0451 fields `operation`, `actor` and `arguments` of struct `Permit` are private
}

fn main() {
    let _ = forge;
}
