//! The arguments of a permit come out by spending it, and in no other way.

use portcullis::{Authorize, Permit};

fn tool(mut permit: Permit<u64>, mut call: Authorize<u64>) {
    let _ = permit.arguments; //~ E0616 field `arguments` of struct `Permit` is private
    permit.arguments = 1_000_000; //~ E0616 field `arguments` of struct `Permit` is private
    let _ = call.held; //~ E0616 field `held` of struct `Authorize` is private
    let _ = (&mut permit, &mut call);
}

fn main() {
    let _ = tool;
}
