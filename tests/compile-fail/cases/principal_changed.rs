//! A principal of one's own is still not one's own to change.

use portcullis::{Evidence, EvidenceKind, Principal};

fn handler(mut principal: Principal) {
    let forged = Evidence::new(EvidenceKind::User, "https://idp.example", "admin");
    principal.evidence = forged.clone().into(); //~ E0616 field `evidence` of struct `Principal` is private
    let _ = principal.evidence_mut(); //~ E0599 no method named `evidence_mut` found for struct `Principal` in the current scope
    let _ = (&mut principal, forged);
}

fn main() {
    let _ = handler;
}
