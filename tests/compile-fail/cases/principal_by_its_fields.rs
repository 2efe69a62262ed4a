//! A principal is not put together from its parts.

use std::sync::Arc;

use portcullis::{Evidence, EvidenceKind};

fn main() {
    let evidence = Arc::new(Evidence::new(EvidenceKind::User, "https://idp.example", "admin"));
    let authenticator = "jwt";
    let _ = portcullis::Principal { evidence, authenticator }; //~ E0451 fields `evidence` and `authenticator` of struct `Principal` are private
}
