//! Whom an event is about (RFC 9493; OpenID Shared Signals Framework 1.0 §3).

use std::{fmt, sync::Arc};

use portcullis_core::{RevocationKey, sabotaged};

use crate::{
    json::{Raw, for_each_member},
    signed_notice::name_of,
};

/// The most subjects that one event names in several ways.
const MAX_ALIASES: usize = 16;

/// How subjects are told.
pub(super) struct SubjectRules {
    /// Whose subjects an event may be about.
    pub(super) issuers: Vec<Box<str>>,
    /// The tenants that are an issuer as a whole.
    pub(super) whole_tenants: Vec<Box<str>>,
    /// Whether tokens carry the session at the issuer.
    pub(super) has_sessions: bool,
    pub(super) has_devices: bool,
    pub(super) has_tenants: bool,
    /// Members of a complex subject without which it must not be understood.
    pub(super) critical: Vec<Box<str>>,
    pub(super) resolver: Option<Arc<Resolver>>,
}

type Resolver = dyn Fn(&SubjectName<'_>) -> Vec<RevocationKey> + Send + Sync;

/// A subject that is named in a way which no credential carries, for
/// [`SharedSignals::with_subjects_by`](super::SharedSignals::with_subjects_by).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SubjectName<'a> {
    /// The `format` (RFC 9493 §3.2): `email`, `phone_number`, `account`, `did`, `uri`.
    pub format: &'a str,
    /// The name in it: the address, the number, the URI.
    pub name: &'a str,
}

/// What an event says of its subject.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct About<'a> {
    /// The one member of a complex subject that it is about.
    pub(super) principal: Option<&'a str>,
    /// Whether it is about a session, so that a name without any more may be the session's.
    pub(super) is_session: bool,
}

/// Why a subject names nothing that can be revoked here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unresolved {
    /// A member is critical, and nothing here knows it.
    Critical,
    /// It is no subject identifier.
    Malformed,
    /// It is of an issuer that the transmitter does not speak for.
    Foreign,
    /// Nothing here carries what it names.
    Unknown,
}

/// What a subject is within an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Application,
    Device,
    Session,
    Tenant,
    User,
}

impl SubjectRules {
    /// What is over if all that the subject stands for is. A complex subject stands for what all of
    /// its members share, so the narrowest of them that can be told here covers it: the user stands
    /// in for a device or a session, but no tenant for a user whom nobody here knows.
    pub(super) fn keys(
        &self,
        subject: Raw<'_>,
        about: About<'_>,
    ) -> Result<Vec<RevocationKey>, Unresolved> {
        let mut format = None;
        let mut members = Vec::new();
        for_each_member(subject.as_str(), |name, raw| match name {
            "format" => format = raw.text(),
            _ => members.push((name.to_owned(), raw)),
        })
        .map_err(|_| Unresolved::Malformed)?;
        match format.as_deref() {
            Some("complex") => self.complex(&members, about.principal),
            // The first example of CAEP 1.0 §3.1: the id is a session's. Others mean the user.
            Some("opaque") if about.is_session => {
                let mut keys = self.simple("opaque", &members, Role::User)?;
                keys.extend(
                    self.simple("opaque", &members, Role::Session)
                        .unwrap_or_default(),
                );
                Ok(keys)
            }
            Some(format) => self.simple(format, &members, Role::User),
            None => Err(Unresolved::Malformed),
        }
    }

    fn complex(
        &self,
        members: &[(String, Raw<'_>)],
        principal: Option<&str>,
    ) -> Result<Vec<RevocationKey>, Unresolved> {
        const KNOWN: [&str; 5] = ["application", "device", "session", "tenant", "user"];
        let is_processed = |name: &str| KNOWN.contains(&name);
        let mut names = members.iter().map(|(name, _)| &**name);
        let is_unprocessable = names.any(|name| {
            !is_processed(name) && self.critical.iter().any(|critical| **critical == *name)
        });
        if is_unprocessable && !sabotaged!("set.critical") {
            return Err(Unresolved::Critical);
        }
        let member = |name: &str| {
            members
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, raw)| *raw)
        };
        let one = |name: &str, role| match member(name) {
            Some(raw) => self.nested(raw, role).map(Some),
            None => Ok(None),
        };
        let session = one("session", Role::Session);
        let device = one("device", Role::Device);
        let user = one("user", Role::User);
        let application = one("application", Role::Application);
        let tenant = one("tenant", Role::Tenant);
        let of_principal = match principal.map(str::to_ascii_lowercase).as_deref() {
            Some("session") => Some(&session),
            Some("device") => Some(&device),
            Some("user") => Some(&user),
            Some("tenant") => Some(&tenant),
            _ => None,
        };
        if let Some(Ok(Some(keys))) = of_principal {
            return Ok(keys.clone());
        }
        let grant = match (&user, &application) {
            (Ok(Some(user)), Ok(Some(application))) => grants(user, application),
            _ => Vec::new(),
        };
        let grant = Ok((!grant.is_empty()).then_some(grant));
        for found in [&session, &device, &grant, &user] {
            if let Ok(Some(keys)) = found {
                return Ok(keys.clone());
            }
        }
        // What is meant is a part of these, so they stand for it only if it is not told apart.
        let mut names = members.iter().map(|(name, _)| &**name);
        let is_narrower = names.any(|name| !is_processed(name)) && !sabotaged!("set.narrower");
        for found in [session, device, user, application, tenant] {
            match found {
                Err(problem) if !sabotaged!("set.narrower") => return Err(problem),
                Ok(Some(keys)) if !is_narrower => return Ok(keys),
                _ => {}
            }
        }
        Err(Unresolved::Unknown)
    }

    fn nested(&self, subject: Raw<'_>, role: Role) -> Result<Vec<RevocationKey>, Unresolved> {
        let mut format = None;
        let mut members = Vec::new();
        for_each_member(subject.as_str(), |name, raw| match name {
            "format" => format = raw.text(),
            _ => members.push((name.to_owned(), raw)),
        })
        .map_err(|_| Unresolved::Malformed)?;
        let format = format.ok_or(Unresolved::Malformed)?;
        self.simple(&format, &members, role)
    }

    fn simple(
        &self,
        format: &str,
        members: &[(String, Raw<'_>)],
        role: Role,
    ) -> Result<Vec<RevocationKey>, Unresolved> {
        let member = |name: &str| {
            let found = members.iter().find(|(known, _)| known == name);
            found.and_then(|(_, raw)| name_of(*raw))
        };
        let needed = |name: &str| member(name).ok_or(Unresolved::Malformed);
        match format {
            "iss_sub" => {
                let (issuer, subject) = (needed("iss")?, needed("sub")?);
                self.in_role(&issuer, subject, role).map(|key| vec![key])
            }
            "opaque" => {
                let id = needed("id")?;
                let issuer = self.issuers.first().ok_or(Unresolved::Unknown)?;
                self.in_role(issuer, id, role).map(|key| vec![key])
            }
            "jwt_id" => {
                let (issuer, id) = (needed("iss")?, needed("jti")?);
                self.check_issuer(&issuer)?;
                Ok(vec![RevocationKey::Token(issuer.into(), id.into())])
            }
            "aliases" => self.aliases(members, role),
            "account" | "did" | "email" | "phone_number" | "uri" => {
                let name = needed(match format {
                    "did" => "url",
                    "account" => "uri",
                    other => other,
                })?;
                let resolver = self.resolver.as_ref().ok_or(Unresolved::Unknown)?;
                let keys = resolver(&SubjectName {
                    format,
                    name: &name,
                });
                match keys.is_empty() {
                    true => Err(Unresolved::Unknown),
                    false => Ok(keys),
                }
            }
            _ => Err(Unresolved::Unknown),
        }
    }

    /// Several names of one subject: whichever of them is known here counts.
    fn aliases(
        &self,
        members: &[(String, Raw<'_>)],
        role: Role,
    ) -> Result<Vec<RevocationKey>, Unresolved> {
        let found = members.iter().find(|(name, _)| name == "identifiers");
        let items = found.and_then(|(_, raw)| raw.items(MAX_ALIASES));
        let items = items.ok_or(Unresolved::Malformed)?;
        let (mut keys, mut problem) = (Vec::new(), Unresolved::Unknown);
        for item in items {
            // Aliases do not nest (RFC 9493 §3.2.8).
            let mut is_nested = false;
            let _ = for_each_member(item.as_str(), |name, raw| {
                is_nested |= name == "format" && raw.text().as_deref() == Some("aliases");
            });
            match self.nested(item, role) {
                _ if is_nested => return Err(Unresolved::Malformed),
                Ok(found) => keys.extend(found),
                Err(Unresolved::Unknown) => {}
                Err(other) => problem = other,
            }
        }
        match keys.is_empty() {
            true => Err(problem),
            false => Ok(keys),
        }
    }

    fn in_role(&self, issuer: &str, id: String, role: Role) -> Result<RevocationKey, Unresolved> {
        self.check_issuer(issuer)?;
        let (issuer, id): (Box<str>, Box<str>) = (issuer.into(), id.into());
        Ok(match role {
            Role::User => RevocationKey::Subject(issuer, id),
            Role::Session if self.has_sessions => RevocationKey::Session(issuer, id),
            Role::Application => RevocationKey::Client(issuer, id),
            Role::Device if self.has_devices => RevocationKey::Device(issuer, id),
            Role::Tenant if self.whole_tenants.contains(&id) => RevocationKey::Issuer(issuer),
            Role::Tenant if self.has_tenants => RevocationKey::Tenant(issuer, id),
            Role::Device | Role::Session | Role::Tenant => return Err(Unresolved::Unknown),
        })
    }

    fn check_issuer(&self, issuer: &str) -> Result<(), Unresolved> {
        let is_spoken_for = self.issuers.iter().any(|own| **own == *issuer);
        match is_spoken_for || sabotaged!("set.foreign") {
            true => Ok(()),
            false => Err(Unresolved::Foreign),
        }
    }
}

/// What one user holds by one application.
fn grants(users: &[RevocationKey], applications: &[RevocationKey]) -> Vec<RevocationKey> {
    let pairs = users.iter().flat_map(|user| {
        applications
            .iter()
            .map(move |application| (user, application))
    });
    pairs
        .filter_map(|pair| match pair {
            (RevocationKey::Subject(issuer, subject), RevocationKey::Client(other, client))
                if issuer == other =>
            {
                let (subject, client) = (subject.clone(), client.clone());
                Some(RevocationKey::Grant(issuer.clone(), subject, client))
            }
            _ => None,
        })
        .collect()
}

impl fmt::Debug for SubjectRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectRules")
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use RevocationKey::{Client, Device, Grant, Issuer, Session, Subject, Tenant, Token};

    use super::*;

    fn rules() -> SubjectRules {
        SubjectRules {
            issuers: vec!["i".into(), "j".into()],
            whole_tenants: vec!["acme".into()],
            has_sessions: true,
            has_devices: true,
            has_tenants: true,
            critical: vec!["group".into(), "user".into()],
            resolver: Some(Arc::new(|name: &SubjectName<'_>| match name.name {
                "a@b.example" => vec![Subject("i".into(), "alice".into())],
                _ => Vec::new(),
            })),
        }
    }

    fn keys(rules: &SubjectRules, subject: &str) -> Result<Vec<RevocationKey>, Unresolved> {
        rules.keys(Raw::parse(subject).unwrap(), About::default())
    }

    const ALICE: &str = r#"{"format":"iss_sub","iss":"i","sub":"alice"}"#;

    #[test]
    fn each_format_names_what_is_over() {
        let alice = || Subject("i".into(), "alice".into());
        let opaque = |id: &str| format!(r#"{{"format":"opaque","id":"{id}"}}"#);
        let complex = |members: &str| format!(r#"{{"format":"complex",{members}}}"#);
        for (subject, expected) in [
            (ALICE.to_owned(), vec![alice()]),
            (opaque("alice"), vec![alice()]),
            (
                r#"{"format":"jwt_id","iss":"j","jti":"7"}"#.into(),
                vec![Token("j".into(), "7".into())],
            ),
            (
                r#"{"format":"email","email":"a@b.example"}"#.into(),
                vec![alice()],
            ),
            (
                format!(
                    r#"{{"format":"aliases","identifiers":[{ALICE},{{"format":"email","email":"x"}}]}}"#
                ),
                vec![alice()],
            ),
            (complex(&format!(r#""user":{ALICE}"#)), vec![alice()]),
            (
                complex(&format!(r#""user":{ALICE},"session":{}"#, opaque("s"))),
                vec![Session("i".into(), "s".into())],
            ),
            (
                complex(&format!(r#""user":{ALICE},"device":{}"#, opaque("d"))),
                vec![Device("i".into(), "d".into())],
            ),
            (
                complex(&format!(r#""user":{ALICE},"application":{}"#, opaque("c"))),
                vec![Grant("i".into(), "alice".into(), "c".into())],
            ),
            (
                complex(&format!(r#""application":{}"#, opaque("c"))),
                vec![Client("i".into(), "c".into())],
            ),
            (
                complex(&format!(r#""tenant":{}"#, opaque("acme"))),
                vec![Issuer("i".into())],
            ),
            (
                complex(&format!(r#""tenant":{}"#, opaque("t"))),
                vec![Tenant("i".into(), "t".into())],
            ),
            (
                complex(&format!(
                    r#""tenant":{},"user":{ALICE},"org_unit":{}"#,
                    opaque("t"),
                    opaque("o")
                )),
                vec![alice()],
            ),
        ] {
            assert_eq!(keys(&rules(), &subject), Ok(expected), "{subject}");
        }
    }

    #[test]
    fn what_names_nothing_here_says_why() {
        for (subject, expected) in [
            (r#"{"format":"email","email":"x"}"#, Unresolved::Unknown),
            (
                r#"{"format":"saml_assertion_id","issuer":"i","assertion_id":"1"}"#,
                Unresolved::Unknown,
            ),
            (
                r#"{"format":"iss_sub","iss":"evil","sub":"alice"}"#,
                Unresolved::Foreign,
            ),
            (
                r#"{"format":"jwt_id","iss":"evil","jti":"1"}"#,
                Unresolved::Foreign,
            ),
            (r#"{"format":"iss_sub","iss":"i"}"#, Unresolved::Malformed),
            (
                r#"{"format":"iss_sub","iss":"i","sub":7}"#,
                Unresolved::Malformed,
            ),
            (
                r#"{"format":"iss_sub","iss":"i","sub":"a\nb"}"#,
                Unresolved::Malformed,
            ),
            (r#"{"iss":"i","sub":"alice"}"#, Unresolved::Malformed),
            (
                r#"{"format":"opaque","id":"a","id":"b"}"#,
                Unresolved::Malformed,
            ),
            (r#""alice""#, Unresolved::Malformed),
            (r#"{"format":"complex"}"#, Unresolved::Unknown),
            (
                r#"{"format":"complex","group":{"format":"opaque","id":"g"},"user":{"format":"opaque","id":"u"}}"#,
                Unresolved::Critical,
            ),
            (
                r#"{"format":"complex","tenant":{"format":"opaque","id":"acme"},"user":{"format":"email","email":"x"}}"#,
                Unresolved::Unknown,
            ),
            (
                r#"{"format":"complex","tenant":{"format":"opaque","id":"acme"},"user":{"format":"iss_sub","iss":"evil","sub":"x"}}"#,
                Unresolved::Foreign,
            ),
            (
                r#"{"format":"complex","tenant":{"format":"opaque","id":"acme"},"org_unit":{"format":"opaque","id":"o"}}"#,
                Unresolved::Unknown,
            ),
            (
                r#"{"format":"aliases","identifiers":[{"format":"aliases","identifiers":[]}]}"#,
                Unresolved::Malformed,
            ),
        ] {
            assert_eq!(keys(&rules(), subject), Err(expected), "{subject}");
        }
    }

    #[test]
    fn what_no_evidence_carries_is_covered_by_what_it_does() {
        let rules = SubjectRules {
            has_sessions: false,
            has_devices: false,
            has_tenants: false,
            ..rules()
        };
        for member in ["device", "session"] {
            let narrower = format!(
                r#"{{"format":"complex","user":{ALICE},"{member}":{{"format":"opaque","id":"d"}}}}"#
            );
            assert_eq!(
                keys(&rules, &narrower),
                Ok(vec![Subject("i".into(), "alice".into())])
            );
        }
        for member in ["device", "session", "tenant"] {
            let alone =
                format!(r#"{{"format":"complex","{member}":{{"format":"opaque","id":"d"}}}}"#);
            assert_eq!(keys(&rules, &alone), Err(Unresolved::Unknown));
        }
    }

    #[test]
    fn an_event_may_be_about_one_member() {
        let subject = format!(
            r#"{{"format":"complex","user":{ALICE},"device":{{"format":"opaque","id":"d"}}}}"#
        );
        for (principal, expected) in [
            ("USER", Subject("i".into(), "alice".into())),
            ("DEVICE", Device("i".into(), "d".into())),
            ("SESSION", Device("i".into(), "d".into())),
        ] {
            let about = About {
                principal: Some(principal),
                is_session: false,
            };
            let found = rules().keys(Raw::parse(&subject).unwrap(), about);
            assert_eq!(found, Ok(vec![expected]));
        }
    }

    #[test]
    fn a_session_may_be_named_by_its_id_alone() {
        let about = About {
            principal: None,
            is_session: true,
        };
        let subject = r#"{"format":"opaque","id":"s"}"#;
        let keys = |rules: SubjectRules| rules.keys(Raw::parse(subject).unwrap(), about);
        let user = || Subject("i".into(), "s".into());
        assert_eq!(
            keys(rules()),
            Ok(vec![user(), Session("i".into(), "s".into())])
        );
        let without = SubjectRules {
            has_sessions: false,
            ..rules()
        };
        assert_eq!(keys(without), Ok(vec![user()]));
    }
}
