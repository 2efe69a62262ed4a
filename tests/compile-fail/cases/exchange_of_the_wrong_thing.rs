//! The identity that a layer writes cannot be named.

use portcullis::principal::Identity; //~ E0603 module `principal` is private

fn main() {}
