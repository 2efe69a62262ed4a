//! What a layer makes of a body's type is sealed.

use portcullis::frame::request_body::RequestBodies; //~ E0603 module `frame` is private

fn main() {}
