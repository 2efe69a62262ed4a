//! Which key the token is bound to, and who acts for its subject.

use portcullis_core::{Actor, Confirmation, Evidence, ReasonCode, sabotaged};

use super::{Claims, grant::typed};
use crate::{
    fault::{Fault, Step},
    json::{Malformed, Raw, for_each_member},
    reason,
};

/// The longest chain of actors that is taken.
const MAX_ACTORS: usize = 8;

impl Claims<'_> {
    pub(super) fn add_binding(&self, evidence: Evidence) -> Result<Evidence, Fault> {
        let evidence = match self.cnf {
            Some(cnf) if !sabotaged!("jwt.cnf") => evidence.with_confirmation(confirmation(cnf)?),
            _ => evidence,
        };
        let mut evidence = evidence;
        let mut next = self.act;
        let mut depth = 0;
        while let Some(act) = next {
            if depth == MAX_ACTORS {
                if sabotaged!("jwt.act_depth") {
                    break;
                }
                return Err(Fault::new(Step::Claims, reason::ACT_DEPTH));
            }
            let (actor, inner) = actor(act)?;
            evidence = evidence.add_actor(actor);
            next = inner;
            depth += 1;
        }
        Ok(evidence)
    }
}

/// The key of a bound token (RFC 7800 §3.1). Whatever is not known here is kept as something
/// that nothing can meet: a token that is bound in an unknown way is not a bearer token.
fn confirmation(cnf: Raw<'_>) -> Result<Confirmation, Fault> {
    let (mut jkt, mut x5t, mut has_other) = (None, None, false);
    members(cnf, reason::CNF, |name, raw| match name {
        "jkt" => jkt = Some(raw),
        "x5t#S256" => x5t = Some(raw),
        _ => has_other = true,
    })?;
    let mut confirmation = Confirmation::default();
    if let Some(thumbprint) = typed(jkt, Raw::text, reason::CNF)? {
        confirmation = confirmation.with_jwk_thumbprint(thumbprint);
    }
    if let Some(thumbprint) = typed(x5t, Raw::text, reason::CNF)? {
        confirmation = confirmation.with_certificate_thumbprint(thumbprint);
    }
    if has_other || (jkt.is_none() && x5t.is_none()) {
        confirmation = confirmation.with_unsupported_member();
    }
    Ok(confirmation)
}

/// An actor, and the one before it (RFC 8693 §4.1). Only its identity is taken: whatever
/// else is claimed inside `act` grants nothing.
fn actor(act: Raw<'_>) -> Result<(Actor, Option<Raw<'_>>), Fault> {
    let (mut sub, mut iss, mut inner) = (None, None, None);
    members(act, reason::ACT, |name, raw| match name {
        "sub" => sub = Some(raw),
        "iss" => iss = Some(raw),
        "act" => inner = Some(raw),
        _ => {}
    })?;
    let subject =
        typed(sub, Raw::text, reason::ACT)?.ok_or(Fault::new(Step::Claims, reason::ACT))?;
    let actor = Actor::new(subject);
    let actor = match typed(iss, Raw::text, reason::ACT)? {
        Some(issuer) => actor.with_issuer(issuer),
        None => actor,
    };
    Ok((actor, inner))
}

fn members<'a>(
    object: Raw<'a>,
    otherwise: ReasonCode,
    each: impl FnMut(&str, Raw<'a>),
) -> Result<(), Fault> {
    for_each_member(object.as_str(), each).map_err(|problem| {
        let reason = match problem {
            Malformed::Duplicate => reason::DUPLICATE,
            Malformed::Syntax | Malformed::TooManyMembers => otherwise,
        };
        Fault::new(Step::Claims, reason)
    })
}
