//! Evidence is no principal, and nothing makes it one.

use portcullis::{Evidence, EvidenceKind, Principal};

fn wants(_: Principal) {}

fn main() {
    let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", "admin");
    wants(evidence.clone().into()); //~ E0277 the trait bound `Principal: From<Evidence>` is not satisfied
    let _ = (wants, evidence);
}
