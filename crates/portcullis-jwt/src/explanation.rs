//! What a developer is told about a token.

use std::{cmp::Ordering, fmt};

use portcullis_core::{ReasonCode, Timestamp};

use crate::{
    authenticator::Inner, claims::Claims, fault::Step, header::Header, json::Raw, judge::Outcome,
    reason, token, token::Decoded,
};

/// The longest value that is shown, in characters.
const MAX_SHOWN: usize = 200;
/// The most audiences and keys that are shown.
const MAX_ITEMS: usize = 16;

/// Which checks a token passed, which one it failed, and why. Made by
/// [`JwtAuthenticator::explain`](crate::JwtAuthenticator::explain).
///
/// `Display` is meant to be read, and may change; the accessors stay. Neither shows the token,
/// its signature or its subject. What the token says itself is escaped and shortened.
#[derive(Clone, Debug)]
pub struct Explanation {
    steps: Vec<ExplainedStep>,
    reason: Option<ReasonCode>,
    summary: Box<str>,
    facts: Vec<(&'static str, String)>,
}

impl Explanation {
    /// Of the checks of another kind of credential.
    pub(crate) fn of_steps(
        steps: Vec<ExplainedStep>,
        reason: Option<ReasonCode>,
        summary: &str,
        facts: Vec<(&'static str, String)>,
    ) -> Self {
        Self {
            steps,
            reason,
            summary: summary.into(),
            facts,
        }
    }

    pub(crate) fn new(token: &str, inner: &Inner, now: Timestamp, outcome: &Outcome) -> Self {
        let (failed, reason, summary) = match outcome {
            Outcome::Accepted(_) => (None, None, "the token is accepted"),
            Outcome::NotMine(step @ Step::Form) => (
                Some(*step),
                None,
                "this is no JWT; it is left to the next authenticator",
            ),
            Outcome::NotMine(step) => (
                Some(*step),
                None,
                "the token's `iss` is none of the configured issuers, byte for byte; it is left \
                 to the next authenticator",
            ),
            Outcome::Faulty(fault) => (
                Some(fault.step),
                Some(fault.reason),
                reason::meaning(fault.reason).unwrap_or_default(),
            ),
            Outcome::Unavailable(unavailable) => (
                Some(Step::Key),
                Some(unavailable.reason()),
                reason::meaning(unavailable.reason()).unwrap_or_default(),
            ),
        };
        let steps = Step::ALL.into_iter();
        let steps = steps.map(|step| ExplainedStep::new(step.label(), &step, failed.as_ref()));
        Self::of_steps(steps.collect(), reason, summary, facts(token, inner, now))
    }

    /// Whether the token is accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.steps
            .iter()
            .all(|step| step.outcome == StepOutcome::Passed)
    }

    /// Why it is not: the code that a record of the request shows. `None` if the token is
    /// accepted, or left to another authenticator.
    #[must_use]
    pub fn reason(&self) -> Option<ReasonCode> {
        self.reason
    }

    /// What the outcome is, in words.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Every check, in order.
    pub fn steps(&self) -> impl Iterator<Item = &ExplainedStep> {
        self.steps.iter()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let mark = match step.outcome {
                StepOutcome::Passed => "passed",
                StepOutcome::Failed => "FAILED",
                StepOutcome::NotReached => "-",
            };
            writeln!(f, "{mark:>8}  {}", step.name)?;
        }
        for (name, value) in &self.facts {
            writeln!(f, "{name:>20}: {value}")?;
        }
        match self.reason {
            Some(reason) => write!(f, "{reason}: {}", self.summary),
            None => f.write_str(&self.summary),
        }
    }
}

/// One check of an [`Explanation`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExplainedStep {
    name: &'static str,
    outcome: StepOutcome,
}

impl ExplainedStep {
    /// A step, by where the checks ended.
    pub(crate) fn new<S: Ord>(name: &'static str, step: &S, failed: Option<&S>) -> Self {
        let outcome = match failed {
            None => StepOutcome::Passed,
            Some(failed) => match step.cmp(failed) {
                Ordering::Less => StepOutcome::Passed,
                Ordering::Equal => StepOutcome::Failed,
                Ordering::Greater => StepOutcome::NotReached,
            },
        };
        Self { name, outcome }
    }

    /// What is checked.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How it went.
    #[must_use]
    pub fn outcome(&self) -> StepOutcome {
        self.outcome
    }
}

/// How a check went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StepOutcome {
    /// It passed.
    Passed,
    /// It failed, and ended the way of the token.
    Failed,
    /// An earlier one failed.
    NotReached,
}

/// What the token says beside what is expected, as far as it can be read.
fn facts(token: &str, inner: &Inner, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let decoded = Some(token)
        .filter(|token| token.len() <= token::MAX_SIZE)
        .and_then(|token| Decoded::from_token(token).ok());
    let Some(decoded) = decoded else {
        return facts;
    };
    if let Some(header) = decoded
        .header()
        .ok()
        .and_then(|json| Header::parse(json).ok())
    {
        facts.push(("typ", shown_raw(header.typ)));
        facts.push(("alg", shown_raw(header.alg)));
        facts.push(("kid", shown_raw(header.kid)));
    }
    let Some(claims) = decoded
        .payload()
        .ok()
        .and_then(|json| Claims::parse(json).ok())
    else {
        return facts;
    };
    facts.push(("iss", shown_raw(claims.iss)));
    facts.push(("aud", shown_raw(claims.aud)));
    for (name, claim) in [
        ("iat", claims.iat),
        ("nbf", claims.nbf),
        ("exp", claims.exp),
    ] {
        let time = claim.and_then(Raw::time);
        facts.push((
            name,
            time.map_or_else(|| shown_raw(claim), |time| time.to_string()),
        ));
    }
    facts.push(("now", now.to_string()));
    facts.push(("leeway", format!("{:?}", inner.rules.leeway)));
    facts.push(("audiences", list(&inner.rules.audiences)));
    facts.push((
        "issuers",
        list(inner.issuers.iter().map(|issuer| &issuer.name)),
    ));
    let issuer = claims
        .iss
        .and_then(Raw::text)
        .and_then(|name| inner.issuers.iter().find(|issuer| *issuer.name == *name));
    if let Some(issuer) = issuer
        && let Ok(held) = issuer.keys.keys(inner.clock.instant(), true)
        && let Some(keys) = held.set()
    {
        let names = keys.names().map(|(id, algorithm)| match id {
            Some(id) => format!("{id} ({algorithm})"),
            None => format!("no kid ({algorithm})"),
        });
        facts.push(("keys of the issuer", list(names)));
    }
    facts
}

fn shown_raw(value: Option<Raw<'_>>) -> String {
    value.map_or("absent".to_owned(), |raw| shown(raw.as_str()))
}

fn list(texts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut texts = texts.into_iter();
    let mut joined = String::new();
    for text in texts.by_ref().take(MAX_ITEMS) {
        if !joined.is_empty() {
            joined.push_str(", ");
        }
        joined.push_str(&shown(text.as_ref()));
    }
    if texts.next().is_some() {
        joined.push_str(", …");
    }
    joined
}

/// A foreign text on one line, without what could steer a terminal.
fn shown(text: &str) -> String {
    let mut rest = text.chars();
    let mut shown: String = rest
        .by_ref()
        .take(MAX_SHOWN)
        .flat_map(|char| {
            if char.is_ascii_graphic() || char == ' ' {
                vec![char]
            } else {
                char.escape_default().collect()
            }
        })
        .collect();
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}
