//! A gate comes from `build` alone.

use portcullis::stack::Gate;

fn main() {
    let _ = Gate::new; //~ E0624 associated function `new` is private
    let _ = |gate: Gate| gate.endpoints();
}
