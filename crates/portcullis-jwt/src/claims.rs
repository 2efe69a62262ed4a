//! The claims of a token (RFC 7519 §4, RFC 9068 §2.2).

mod binding;
mod grant;

use std::{borrow::Cow, time::Duration};

use portcullis_core::{Evidence, EvidenceKind, sabotaged};

use crate::{
    fault::{Fault, Step},
    header::Kind,
    json::{Malformed, Raw, for_each_member},
    profile::Provided,
    reason,
    token::Window,
};

/// The most entries of `aud` that are looked at.
pub(crate) const MAX_AUDIENCES: usize = 64;

/// What every token of this authenticator is held against.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) audiences: Vec<Box<str>>,
    pub(crate) leeway: Duration,
    pub(crate) max_lifetime: Duration,
    /// How old a token may be, whatever it says itself.
    pub(crate) max_age: Option<Duration>,
}

/// What the tokens of one issuer are held against.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'t, 'a> {
    pub(crate) issuer: &'t str,
    pub(crate) clients: Option<&'t [Box<str>]>,
    /// What the token says in the way of its provider.
    pub(crate) provided: Option<&'t Provided<'a>>,
    pub(crate) role_prefix: Option<&'t str>,
}

/// The claims, each as it came.
#[derive(Default)]
pub(crate) struct Claims<'a> {
    pub(crate) iss: Option<Raw<'a>>,
    pub(crate) aud: Option<Raw<'a>>,
    pub(crate) exp: Option<Raw<'a>>,
    pub(crate) nbf: Option<Raw<'a>>,
    pub(crate) iat: Option<Raw<'a>>,
    pub(crate) sub: Option<Raw<'a>>,
    pub(crate) client_id: Option<Raw<'a>>,
    pub(crate) azp: Option<Raw<'a>>,
    jti: Option<Raw<'a>>,
    pub(crate) sid: Option<Raw<'a>>,
    pub(crate) scope: Option<Raw<'a>>,
    pub(crate) scp: Option<Raw<'a>>,
    acr: Option<Raw<'a>>,
    amr: Option<Raw<'a>>,
    pub(crate) auth_time: Option<Raw<'a>>,
    pub(crate) cnf: Option<Raw<'a>>,
    act: Option<Raw<'a>>,
    pub(crate) is_of_another_kind: bool,
}

impl<'a> Claims<'a> {
    pub(crate) fn parse(json: &'a str) -> Result<Self, Fault> {
        let mut claims = Self::default();
        for_each_member(json, |name, raw| {
            let claim = match name {
                "iss" => &mut claims.iss,
                "aud" => &mut claims.aud,
                "exp" => &mut claims.exp,
                "nbf" => &mut claims.nbf,
                "iat" => &mut claims.iat,
                "sub" => &mut claims.sub,
                "client_id" => &mut claims.client_id,
                "azp" => &mut claims.azp,
                "jti" => &mut claims.jti,
                "sid" => &mut claims.sid,
                "scope" => &mut claims.scope,
                "scp" => &mut claims.scp,
                "acr" => &mut claims.acr,
                "amr" => &mut claims.amr,
                "auth_time" => &mut claims.auth_time,
                "cnf" => &mut claims.cnf,
                "act" => &mut claims.act,
                "nonce" | "at_hash" | "c_hash" | "events" => {
                    claims.is_of_another_kind = true;
                    return;
                }
                _ => return,
            };
            *claim = Some(raw);
        })
        .map_err(|problem| {
            let reason = match problem {
                Malformed::Syntax => reason::PAYLOAD,
                Malformed::Duplicate => reason::DUPLICATE,
                Malformed::TooManyMembers => reason::MEMBERS,
            };
            Fault::new(Step::Payload, reason)
        })?;
        Ok(claims)
    }

    /// Where `typ` is `JWT`, the claims have to tell an access token from the others: an ID
    /// token is for the client, and must not open anything at a resource server.
    pub(crate) fn check_kind(&self, kind: Kind) -> Result<(), Fault> {
        if kind == Kind::Unspecific
            && self.is_of_another_kind
            && !sabotaged!("jwt.legacy_confusion")
        {
            return Err(Fault::new(Step::Type, reason::NOT_ACCESS_TOKEN));
        }
        Ok(())
    }

    /// When the token is valid. A time of the wrong type is not an absent one.
    pub(crate) fn window(&self, rules: &Rules) -> Result<Window, Fault> {
        let time = |claim: Option<Raw<'_>>| claim.and_then(Raw::time);
        let expires_at = time(self.exp).ok_or(Fault::new(Step::Times, reason::EXP))?;
        let not_before = time(self.nbf);
        if self.nbf.is_some() && not_before.is_none() {
            return Err(Fault::new(Step::Times, reason::NBF));
        }
        let issued_at = time(self.iat).ok_or(Fault::new(Step::Times, reason::IAT))?;
        Ok(Window::new(not_before, issued_at, expires_at, rules.leeway))
    }

    /// Whether one entry of `aud` is this resource, byte for byte.
    pub(crate) fn check_audience(&self, rules: &Rules) -> Result<(), Fault> {
        let is_ours = |text: &str| rules.audiences.iter().any(|ours| **ours == *text);
        let is_for_us = self.aud.is_some_and(|raw| match raw.text() {
            Some(text) => is_ours(&text),
            None => raw
                .texts(MAX_AUDIENCES)
                .is_some_and(|texts| texts.iter().any(|text| is_ours(text))),
        });
        if is_for_us || sabotaged!("jwt.audience") {
            Ok(())
        } else {
            Err(Fault::new(Step::Audience, reason::AUDIENCE))
        }
    }

    /// What the claims say of the caller.
    pub(crate) fn evidence(
        &self,
        terms: &Terms<'_, 'a>,
        kind: Kind,
        window: &Window,
    ) -> Result<Evidence, Fault> {
        let subject = match terms.provided {
            Some(provided) => provided.subject(self),
            None => self.sub,
        };
        let subject = subject
            .and_then(Raw::text)
            .filter(|subject| !subject.is_empty())
            .ok_or(Fault::new(Step::Subject, reason::SUB))?;
        let client = match terms.provided {
            Some(provided) => provided.client(self),
            None => self.client(kind),
        };
        let without_client = Fault::new(Step::Client, reason::CLIENT_ID);
        let omits_client = terms.provided.is_some_and(Provided::omits_client);
        if client.is_none() && !omits_client && !sabotaged!("jwt.client_id") {
            return Err(without_client);
        }
        if !terms.takes(client.as_deref()) && !sabotaged!("jwt.client_list") {
            return Err(Fault::new(Step::Client, reason::CLIENT));
        }
        let evidence_kind = match terms.provided {
            Some(provided) => provided.evidence_kind(self, client.as_deref()),
            // RFC 9068 §2.2: without a resource owner, the subject is the client.
            None if client.as_deref() == Some(&*subject) => EvidenceKind::Client,
            None => EvidenceKind::User,
        };
        let mut evidence = Evidence::new(evidence_kind, terms.issuer, subject)
            .with_issued_at(window.issued_at())
            .with_not_after(window.end());
        if let Some(client) = client {
            evidence = evidence.with_client(client);
        }
        if terms.provided.is_some_and(Provided::is_of_a_proxy) {
            evidence = evidence.asserted_per_request();
        }
        self.complete(evidence, terms, kind, window)
    }

    /// Adds what was granted, to whom it is bound and who acts, to what is known of the caller.
    pub(crate) fn complete(
        &self,
        evidence: Evidence,
        terms: &Terms<'_, 'a>,
        kind: Kind,
        window: &Window,
    ) -> Result<Evidence, Fault> {
        let evidence = self.add_binding(self.add_grant(evidence, terms, kind, window)?)?;
        evidence
            .validate()
            .map_err(|_| Fault::new(Step::Claims, reason::CLAIM_TEXT))?;
        Ok(evidence)
    }

    /// The client that the token was given to.
    fn client(&self, kind: Kind) -> Option<Cow<'a, str>> {
        match (self.client_id, kind) {
            (None, Kind::Unspecific) => self.azp,
            (claim, _) => claim,
        }
        .and_then(Raw::text)
    }
}

impl Terms<'_, '_> {
    /// Whether the tokens of this client are accepted.
    fn takes(&self, client: Option<&str>) -> bool {
        self.clients
            .is_none_or(|ours| client.is_some_and(|client| ours.iter().any(|our| **our == *client)))
    }
}

#[cfg(test)]
mod tests;
