//! The evidence behind a principal is lent to be read.

use portcullis::{Evidence, EvidenceKind, Principal};

fn handler(mut principal: Principal) {
    let forged = Evidence::new(EvidenceKind::User, "https://idp.example", "admin");
    *principal.evidence() = forged.clone(); //~ E0594 cannot assign to data in a `&` reference
    let _ = (&mut principal, forged);
}

fn main() {
    let _ = handler;
}
