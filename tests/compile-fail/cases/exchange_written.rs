//! A handler reads the exchange. It writes nothing into it.

use portcullis::Exchange;

fn handler(exchange: &mut Exchange) {
    let _ = Exchange::set_identity; //~ E0624 method `set_identity` is private
    let _ = Exchange::set_arrival; //~ E0624 method `set_arrival` is private
    let _ = Exchange::set_deciding; //~ E0624 method `set_deciding` is private
    let _ = Exchange::record_admission; //~ E0624 method `record_admission` is private
    let _ = Exchange::enter; //~ E0624 method `enter` is private
    exchange.run(|| ()); //~ E0624 method `run` is private
    exchange.0 = panic!(); //~ E0616 field `0` of struct `Exchange` is private
    let _ = exchange;
}

fn main() {
    let _ = handler;
}
