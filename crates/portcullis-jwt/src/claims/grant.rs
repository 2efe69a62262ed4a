//! What was granted, and how the user was authenticated.

use portcullis_core::{Evidence, ReasonCode, Scopes, sabotaged};

use super::{Claims, Terms};
use crate::{
    fault::{Fault, Step},
    header::Kind,
    json::Raw,
    profile::Provided,
    reason,
    token::Window,
};

/// The most entries of `amr` that are taken.
const MAX_METHODS: usize = 32;
/// The most entries of a list of scopes.
const MAX_SCOPES: usize = 512;

impl<'a> Claims<'a> {
    pub(super) fn add_grant(
        &self,
        evidence: Evidence,
        terms: &Terms<'_, 'a>,
        kind: Kind,
        window: &Window,
    ) -> Result<Evidence, Fault> {
        let scopes = self.scopes(terms, kind)?;
        let scopes = match (terms.provided, terms.role_prefix) {
            (Some(provided), Some(prefix)) => Some(provided.with_roles(scopes, prefix)?),
            _ => scopes,
        };
        let mut evidence = match scopes {
            Some(scopes) => evidence.with_scopes(scopes),
            None => evidence,
        };
        // A claim that is there but not of its type is an error, not an absence: otherwise
        // the issuer and this server would not speak of the same token.
        let id = self
            .jti
            .or_else(|| terms.provided.and_then(Provided::token_id));
        if let Some(id) = typed(id, Raw::text, reason::CLAIM)? {
            evidence = evidence.with_token_id(id);
        }
        if let Some(id) = typed(self.sid, Raw::text, reason::CLAIM)? {
            evidence = evidence.with_session_id(id);
        }
        if let Some(class) = typed(self.acr, Raw::text, reason::CLAIM)? {
            evidence = evidence.with_acr(class);
        }
        let methods = typed(self.amr, |raw| raw.texts(MAX_METHODS), reason::CLAIM)?;
        for method in methods.into_iter().flatten() {
            evidence = evidence.add_amr(method);
        }
        if let Some(time) = typed(self.auth_time, Raw::time, reason::CLAIM)? {
            // One that is far ahead would be later than every end and every cut-off.
            if !window.allows_authentication(time) && !sabotaged!("jwt.auth_time") {
                return Err(Fault::new(Step::Claims, reason::AUTH_TIME));
            }
            evidence = evidence.with_auth_time(time);
        }
        Ok(evidence)
    }

    /// `scope`, or the `scp` of older issuers, which may also be a list.
    fn scopes(&self, terms: &Terms<'_, 'a>, kind: Kind) -> Result<Option<Scopes>, Fault> {
        let invalid = Fault::new(Step::Claims, reason::SCOPE);
        let (scope, scp) = match terms.provided {
            Some(provided) => provided.scope_claims(self),
            None => (self.scope, self.scp.filter(|_| kind == Kind::Unspecific)),
        };
        if let Some(raw) = scope {
            let list = raw.text().ok_or(invalid)?;
            return Scopes::parse(&list).map(Some).map_err(|_| invalid);
        }
        let Some(raw) = scp else {
            return Ok(None);
        };
        let scopes = match raw.text() {
            Some(list) => Scopes::parse(&list),
            None => {
                let scopes = raw.texts(MAX_SCOPES).ok_or(invalid)?;
                Scopes::collect(scopes.iter().map(|scope| &**scope))
            }
        };
        scopes.map(Some).map_err(|_| invalid)
    }
}

/// The value of a claim, if it is there; an error, if it is there and not of its type.
pub(super) fn typed<'a, T>(
    claim: Option<Raw<'a>>,
    read: impl FnOnce(Raw<'a>) -> Option<T>,
    reason: ReasonCode,
) -> Result<Option<T>, Fault> {
    claim
        .map(|raw| read(raw).ok_or(Fault::new(Step::Claims, reason)))
        .transpose()
}
