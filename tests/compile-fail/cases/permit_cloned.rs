//! One permit is for one time.

use portcullis::Permit;

fn wants<T: Clone>(_: &T) {}

fn tool(permit: Permit<u64>) -> u64 {
    wants(&500);
    wants(&permit); //~ E0277 the trait bound `Permit<u64>: Clone` is not satisfied
    let _ = permit.clone().spend(); //~ E0599 no method named `clone` found for struct `Permit<T>` in the current scope
    permit.spend()
}

fn main() {
    let _ = tool;
}
