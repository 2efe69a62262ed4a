//! A decision of one's own cannot be slipped into the gate.

use portcullis::authn::AnyAuthenticator; //~ E0603 trait `AnyAuthenticator` is private
use portcullis::frame::Step; //~ E0603 module `frame` is private

fn main() {}
