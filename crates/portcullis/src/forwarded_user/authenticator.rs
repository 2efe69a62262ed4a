//! The authenticator.

use http::HeaderName;
use portcullis_core::{
    Authenticator, Check, Description, Evidence, EvidenceKind, ReasonCode, Rejection, RequestView,
    Scopes, Verdict, sabotaged,
};

use super::ForwardedUser;

/// The name in records.
const NAME: &str = "forwarded_user";
const REPEATED: ReasonCode = ReasonCode::new("forwarded_user_repeated");
const MALFORMED: ReasonCode = ReasonCode::new("forwarded_user_malformed");
/// The longest name.
const MAX_NAME: usize = 256;
/// The most groups that are taken.
const MAX_GROUPS: usize = 512;
/// In what else such proxies speak of the user.
const OTHERS: [&str; 9] = [
    "x-auth-request-access-token",
    "x-auth-request-email",
    "x-auth-request-groups",
    "x-auth-request-preferred-username",
    "x-auth-request-user",
    "x-forwarded-access-token",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
];

/// Accepts users that a proxy names. Made from a [`ForwardedUser`]; see the [module](super).
#[derive(Clone, Debug)]
pub struct ForwardedUserAuthenticator {
    settings: ForwardedUser,
}

impl ForwardedUserAuthenticator {
    pub(super) const fn new(settings: ForwardedUser) -> Self {
        Self { settings }
    }

    fn judge(&self, request: &RequestView<'_>) -> Verdict {
        let settings = &self.settings;
        if !request.headers().contains_key(&settings.user) {
            return Verdict::Absent;
        }
        if !settings.hop.carries(request) {
            return Verdict::NotMine;
        }
        let user = match the_one(request, &settings.user) {
            Ok(user) => user,
            Err(reason) => return Verdict::Reject(Rejection::invalid_request(reason)),
        };
        let mut evidence =
            Evidence::new(EvidenceKind::User, settings.issuer.clone(), user).asserted_per_request();
        if let Some((header, prefix)) = &settings.groups {
            match groups(request, header, prefix) {
                Ok(scopes) => evidence = evidence.with_scopes(scopes),
                Err(reason) => return Verdict::Reject(Rejection::invalid_request(reason)),
            }
        }
        match evidence.validate() {
            Ok(()) => Verdict::accept(evidence),
            Err(_) => Verdict::Reject(Rejection::invalid_request(MALFORMED)),
        }
    }
}

/// The text of a header that is there once.
fn the_one<'a>(request: &RequestView<'a>, name: &HeaderName) -> Result<&'a str, ReasonCode> {
    let value = match request.single_header(name) {
        Some(value) => value,
        None if sabotaged!("forwarded_user.single") => {
            request.headers().get(name).ok_or(REPEATED)?
        }
        None => return Err(REPEATED),
    };
    let text = value.to_str().map_err(|_| MALFORMED)?;
    let is_name = !text.is_empty() && text.len() <= MAX_NAME && text.trim() == text;
    is_name.then_some(text).ok_or(MALFORMED)
}

/// The groups in a header, each with the prefix. No header, no groups.
fn groups(
    request: &RequestView<'_>,
    name: &HeaderName,
    prefix: &str,
) -> Result<Scopes, ReasonCode> {
    if !request.headers().contains_key(name) {
        return Ok(Scopes::default());
    }
    let value = request.single_header(name).ok_or(REPEATED)?;
    let text = value.to_str().map_err(|_| MALFORMED)?;
    let named: Vec<String> = text
        .split(',')
        .map(|group| format!("{prefix}{}", group.trim_ascii()))
        .filter(|scope| scope.len() > prefix.len() && Scopes::collect([&**scope]).is_ok())
        .collect();
    if named.len() > MAX_GROUPS {
        return Err(MALFORMED);
    }
    Scopes::collect(named.iter().map(|scope| &**scope)).map_err(|_| MALFORMED)
}

impl Authenticator for ForwardedUserAuthenticator {
    fn describe(&self) -> Description {
        let settings = &self.settings;
        let mut description = Description::header(NAME, settings.user.clone());
        let own = settings.groups.iter().map(|(header, _)| header);
        for header in own.chain(settings.hop.header()) {
            description = description.add_header(header.clone());
        }
        for other in OTHERS.map(HeaderName::from_static) {
            if !description.headers().contains(&other) {
                description = description.add_header(other);
            }
        }
        description.add_issuer(settings.issuer.clone())
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        Check::Done(self.judge(request))
    }
}

#[cfg(test)]
mod tests;
