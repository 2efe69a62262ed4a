//! A principal is no tuple struct that could be called.

use portcullis::{Evidence, EvidenceKind};

fn main() {
    let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", "admin");
    let _ = portcullis::Principal(evidence); //~ E0423 expected function, tuple struct or tuple variant, found struct `portcullis::Principal`
}
