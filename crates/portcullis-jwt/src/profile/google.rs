//! Google. See [`crate::provider::google`].

use portcullis_core::sabotaged;

use crate::{
    claims::Claims,
    fault::{Fault, Step},
    header::Kind,
    json::Raw,
    reason,
};

/// Only those that a service account got for itself: what Google signs for the login of a person
/// is for the client that the person logged in to.
pub(super) fn check_kind(claims: &Claims<'_>, kind: Kind) -> Result<(), Fault> {
    claims.check_kind(kind)?;
    let (subject, party) = (
        claims.sub.and_then(Raw::text),
        claims.azp.and_then(Raw::text),
    );
    let is_of_itself = subject.is_some() && subject == party;
    if is_of_itself || sabotaged!("jwt.google_kind") {
        Ok(())
    } else {
        Err(Fault::new(Step::Type, reason::GOOGLE_KIND))
    }
}
