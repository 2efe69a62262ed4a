//! The function that opens an exchange belongs to the layers.

fn main() {
    let _ = portcullis::Exchange::of;
    let _ = portcullis::Exchange::open; //~ E0624 associated function `open` is private
    let _ = portcullis::Exchange::find; //~ E0624 associated function `find` is private
}
