//! A handler asks. What it has to meet is not for it to say.

use portcullis::Exchange;

fn handler(exchange: &Exchange) {
    let _ = exchange.authorize("payments.transfer", 500);
    let _ = Exchange::add_requirements; //~ E0624 method `add_requirements` is private
    let _ = Exchange::record_call; //~ E0624 method `record_call` is private
    let _ = portcullis::Denial::new; //~ E0624 associated function `new` is private
}

fn main() {
    let _ = handler;
}
