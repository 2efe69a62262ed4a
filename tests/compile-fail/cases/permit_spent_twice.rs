//! What is spent is gone.

use portcullis::Permit;

fn transfer(cents: u64) {
    let _ = cents;
}

fn tool(permit: Permit<u64>) {
    transfer(permit.spend());
    transfer(permit.spend()); //~ E0382 use of moved value: `permit`
}

fn borrowed(permit: &Permit<u64>) {
    transfer(permit.spend()); //~ E0507 cannot move out of `*permit` which is behind a shared reference
    let _ = permit.operation();
}

fn main() {
    let _ = (tool, borrowed);
}
