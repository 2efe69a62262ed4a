//! What is in the exchange is lent to be read.

use portcullis::{Exchange, Principal};

fn promote(_: &mut Principal) {}

fn handler(exchange: &mut Exchange) {
    promote(exchange.principal().unwrap()); //~ E0308 mismatched types
    let _ = exchange.principal_mut(); //~ E0599 no method named `principal_mut` found for mutable reference `&mut Exchange` in the current scope
    let _ = exchange.principal();
}

fn main() {
    let _ = (promote, handler);
}
