//! What an issuer says of a token, and what that is worth (RFC 7662 §2.2).

use std::{borrow::Cow, sync::Arc, time::Duration};

use portcullis_core::{Confirmation, Evidence, EvidenceKind, ReasonCode, Timestamp, sabotaged};

use crate::{
    claims::{self, Claims, Terms},
    header::Kind,
    json::{Raw, for_each_member},
    reason,
    token::Window,
};

/// What every answer is held against.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) issuer: Box<str>,
    pub(super) checks: claims::Rules,
    pub(super) clients: Option<Box<[Box<str>]>>,
    pub(super) allows_missing_audience: bool,
    pub(super) allows_missing_token_type: bool,
}

/// The checks, in the order in which they are made.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Step {
    Form,
    Size,
    Answer,
    Active,
    Kind,
    Issuer,
    Expiry,
    NotBefore,
    IssuedAt,
    Audience,
    Client,
    Claims,
}

impl Step {
    pub(super) const ALL: [Self; 12] = [
        Self::Form,
        Self::Size,
        Self::Answer,
        Self::Active,
        Self::Kind,
        Self::Issuer,
        Self::Expiry,
        Self::NotBefore,
        Self::IssuedAt,
        Self::Audience,
        Self::Client,
        Self::Claims,
    ];

    /// What is checked, for people.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Form => "is a token to ask about",
            Self::Size => "size",
            Self::Answer => "the issuer answers",
            Self::Active => "active",
            Self::Kind => "is an access token",
            Self::Issuer => "issuer",
            Self::Expiry => "not expired",
            Self::NotBefore => "already valid",
            Self::IssuedAt => "issued in the past",
            Self::Audience => "audience",
            Self::Client => "client",
            Self::Claims => "other claims",
        }
    }
}

/// What is wrong, and where that was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    pub(super) step: Step,
    pub(super) reason: ReasonCode,
}

const fn fault(step: Step, reason: ReasonCode) -> Fault {
    Fault { step, reason }
}

/// What came of asking.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The token is good for as long as it says itself.
    Active(Arc<Evidence>, Window),
    /// It is good for nothing here.
    Refused(Fault),
    /// That could not be found out.
    Failed(ReasonCode),
}

/// Holds an answer against the rules.
pub(super) fn judge(json: &str, rules: &Rules, now: Timestamp) -> Outcome {
    match evidence(json, rules, now) {
        Ok((evidence, window)) => Outcome::Active(Arc::new(evidence), window),
        Err(Stop::Refused(fault)) => Outcome::Refused(fault),
        Err(Stop::Unreadable(what)) => {
            tracing::warn!(issuer = %rules.issuer, what, "an answer about a token cannot be read");
            Outcome::Failed(reason::INTROSPECTION_ANSWER)
        }
    }
}

/// Why there is no evidence.
enum Stop {
    Refused(Fault),
    /// The issuer has written something that it may not.
    Unreadable(&'static str),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

/// What the claims of a JWT do not have.
#[derive(Default)]
struct Extras<'a> {
    active: Option<Raw<'a>>,
    token_type: Option<Raw<'a>>,
    token_use: Option<Raw<'a>>,
    typ: Option<Raw<'a>>,
    /// The resource owner, for people; some call it `user_name`.
    username: Option<Raw<'a>>,
}

fn evidence(json: &str, rules: &Rules, now: Timestamp) -> Result<(Evidence, Window), Stop> {
    let unreadable = Stop::Unreadable;
    let mut extras = Extras::default();
    for_each_member(json, |name, raw| match name {
        "active" => extras.active = Some(raw),
        "token_type" => extras.token_type = Some(raw),
        "token_use" => extras.token_use = Some(raw),
        "typ" => extras.typ = Some(raw),
        "username" | "user_name" => extras.username = Some(raw),
        _ => {}
    })
    .map_err(|_| unreadable("it is no JSON object, or one with a member twice"))?;
    match extras.active.map(Raw::as_str) {
        Some("true") => {}
        // Nothing else in an answer counts then (RFC 7662 §2.2).
        Some("false") if !sabotaged!("introspection.active") => {
            return Err(fault(Step::Active, reason::INTROSPECTION_INACTIVE).into());
        }
        Some("false") => {}
        _ => return Err(unreadable("`active` is missing or no boolean")),
    }
    let is_proof_token = extras.check_kind(rules)?;
    let claims = Claims::parse(json).map_err(|_| unreadable("it is no JSON object"))?;
    check_issuer(&claims, rules)?;
    let window = window(&claims, rules, now)?;
    check_window(&window, now)?;
    check_audience(&claims, rules)?;
    let client = claims.client_id.map(Raw::text);
    let client = client.map(|text| text.ok_or(unreadable("`client_id` is no string")));
    let client = client.transpose()?.filter(|client| !client.is_empty());
    check_client(client.as_deref(), rules)?;
    let evidence = evidence_of(&claims, rules, &window, client, extras.username.is_some())?;
    let is_bound = evidence
        .confirmation()
        .is_some_and(|confirmation| confirmation.jwk_thumbprint().is_some());
    let evidence = if is_proof_token && !is_bound {
        // It is bound to a key that nobody says: nothing can meet that.
        evidence.with_confirmation(Confirmation::default().with_unsupported_member())
    } else {
        evidence
    };
    Ok((evidence, window))
}

impl Extras<'_> {
    /// Whether it is an access token at all. Says whether it is bound to a key by its type.
    fn check_kind(&self, rules: &Rules) -> Result<bool, Stop> {
        let other = fault(Step::Kind, reason::INTROSPECTION_KIND);
        let is_off = sabotaged!("introspection.kind");
        let text = |raw: Option<Raw<'_>>| raw.map(|raw| raw.text().map(Cow::into_owned));
        let use_is_other = match text(self.token_use) {
            None => false,
            Some(None) => true,
            Some(Some(token_use)) => !matches!(&*token_use, "access" | "access_token"),
        };
        // Keycloak: what it calls its other tokens.
        let is_of_others = matches!(
            text(self.typ),
            Some(Some(typ)) if ["refresh", "offline", "id", "logout"]
                .iter()
                .any(|other| typ.eq_ignore_ascii_case(other))
        );
        if (use_is_other || is_of_others) && !is_off {
            return Err(other.into());
        }
        match text(self.token_type) {
            Some(Some(kind)) if kind.eq_ignore_ascii_case("bearer") => Ok(false),
            Some(Some(kind)) if kind.eq_ignore_ascii_case("dpop") => Ok(true),
            None if rules.allows_missing_token_type => Ok(false),
            _ if is_off => Ok(false),
            _ => Err(other.into()),
        }
    }
}

fn check_issuer(claims: &Claims<'_>, rules: &Rules) -> Result<(), Stop> {
    let is_ours = claims
        .iss
        .is_none_or(|iss| iss.text().is_some_and(|iss| *iss == *rules.issuer));
    if is_ours || sabotaged!("introspection.issuer") {
        Ok(())
    } else {
        Err(fault(Step::Issuer, reason::INTROSPECTION_ISSUER).into())
    }
}

/// When the token is good. All three times may be missing; one of the wrong type is not missing.
fn window(claims: &Claims<'_>, rules: &Rules, now: Timestamp) -> Result<Window, Stop> {
    let time = |claim: Option<Raw<'_>>| match claim.map(Raw::time) {
        Some(None) => Err(Stop::Unreadable("`exp`, `nbf` or `iat` is no number")),
        Some(time) => Ok(time),
        None => Ok(None),
    };
    let issued_at = time(claims.iat)?;
    let max_age = rules.checks.max_age;
    if issued_at.is_none() && max_age.is_some() && !sabotaged!("introspection.token_age") {
        return Err(fault(Step::IssuedAt, reason::TOKEN_AGE).into());
    }
    let window = Window::new(
        time(claims.nbf)?,
        issued_at.unwrap_or(now),
        time(claims.exp)?.unwrap_or(Timestamp::MAX),
        rules.checks.leeway,
    );
    Ok(window.cut(max_age))
}

/// Whether the token is good now. Asked for every request.
pub(super) fn check_window(window: &Window, now: Timestamp) -> Result<(), Fault> {
    window.check(now).map_err(|problem| {
        let step = match problem.step {
            crate::fault::Step::NotBefore => Step::NotBefore,
            crate::fault::Step::IssuedAt => Step::IssuedAt,
            _ => Step::Expiry,
        };
        fault(step, problem.reason)
    })
}

fn check_audience(claims: &Claims<'_>, rules: &Rules) -> Result<(), Stop> {
    if claims.aud.is_none() && rules.allows_missing_audience {
        return Ok(());
    }
    claims
        .check_audience(&rules.checks)
        .map_err(|problem| fault(Step::Audience, problem.reason).into())
}

fn check_client(client: Option<&str>, rules: &Rules) -> Result<(), Stop> {
    let takes =
        |ours: &[Box<str>]| client.is_some_and(|client| ours.iter().any(|our| **our == *client));
    if rules.clients.as_deref().is_none_or(takes) || sabotaged!("introspection.client") {
        Ok(())
    } else {
        Err(fault(Step::Client, reason::CLIENT).into())
    }
}

fn evidence_of<'a>(
    claims: &Claims<'a>,
    rules: &Rules,
    window: &Window,
    client: Option<Cow<'a, str>>,
    is_of_a_person: bool,
) -> Result<Evidence, Stop> {
    let named = claims.sub.map(|sub| sub.text().unwrap_or_default());
    // A token that a client got for itself may have no subject but it (RFC 7662 §2.2).
    let subject = match (named, &client) {
        (Some(subject), _) => Some(subject),
        // Whoever has a name is somebody else, and a name can be given to another later.
        (None, _) if is_of_a_person && !sabotaged!("introspection.person") => None,
        (None, client) => client.clone(),
    };
    let subject = subject.filter(|subject| !subject.is_empty());
    let subject = subject.ok_or(fault(Step::Claims, reason::SUB))?;
    let kind = match &client {
        Some(client) if *client == subject => EvidenceKind::Client,
        _ => EvidenceKind::User,
    };
    let mut evidence = Evidence::new(kind, rules.issuer.clone(), subject);
    if claims.iat.is_some() {
        evidence = evidence.with_issued_at(window.issued_at());
    }
    if claims.exp.is_some() || rules.checks.max_age.is_some() {
        evidence = evidence.with_not_after(window.end());
    }
    if let Some(client) = client {
        evidence = evidence.with_client(client);
    }
    let terms = Terms {
        issuer: &rules.issuer,
        clients: None,
        provided: None,
        role_prefix: None,
    };
    claims
        .complete(evidence, &terms, Kind::AccessToken, window)
        .map_err(|problem| fault(Step::Claims, problem.reason).into())
}

/// How long an outcome may be kept: a refusal for less, because the token may be so new that not
/// every server of the issuer knows it yet.
pub(super) fn lifetime(outcome: &Outcome, longest: Duration, now: Timestamp) -> Option<Duration> {
    const REFUSAL: Duration = Duration::from_secs(5);
    match outcome {
        // Beyond its end it is good for the leeway, for as long as its issuer says so each time.
        Outcome::Active(_, window) => Some(longest.min(window.left(now))),
        Outcome::Refused(_) => Some(longest.min(REFUSAL)),
        Outcome::Failed(_) if sabotaged!("introspection.failure") => Some(longest),
        Outcome::Failed(_) => None,
    }
}
