//! The one function that mints belongs to the `authn` layer.

use std::sync::Arc;

use portcullis::{Evidence, EvidenceKind};

fn main() {
    let evidence = Arc::new(Evidence::new(EvidenceKind::User, "https://idp.example", "admin"));
    let _ = portcullis::Principal::from_evidence(evidence.clone(), "jwt"); //~ E0624 associated function `from_evidence` is private
    let _ = portcullis::Principal::new(evidence.clone()); //~ E0599 no function or associated item named `new` found for struct `Principal` in the current scope
    let _ = evidence;
}
