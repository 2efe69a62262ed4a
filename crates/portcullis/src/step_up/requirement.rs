//! What a caller has to show.

use std::time::Duration;

use portcullis_core::Scopes;

use crate::challenge::can_be_quoted;

/// What a caller has to show: all of these scopes, one of these authentication context classes,
/// all of these methods, and an authentication that is not older than this.
///
/// What is not named is not asked for. Setters keep their mistakes, which the builder that the
/// requirement is given to reports.
///
/// # Example
///
/// ```
/// use portcullis::step_up::Requirement;
/// use std::time::Duration;
///
/// let requirement = Requirement::new()
///     .with_scopes("payments.read payments.write")
///     .add_acr("phr")
///     .add_acr("phrh")
///     .with_max_age(Duration::from_secs(300));
/// assert!(!requirement.is_empty());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use = "a requirement asks for nothing until it is given to a builder"]
pub struct Requirement {
    pub(super) scopes: Scopes,
    pub(super) acr: Vec<Box<str>>,
    /// Classes that are asked for and not checked.
    pub(super) acr_hints: Vec<Box<str>>,
    pub(super) amr: Vec<Box<str>>,
    pub(super) max_age: Option<Duration>,
    pub(super) max_token_age: Option<Duration>,
    pub(super) is_constrained: bool,
    problems: Vec<String>,
}

impl Requirement {
    /// Asks for nothing. Every caller who was let in meets it, an anonymous one too.
    pub fn new() -> Self {
        Self::default()
    }

    /// The scopes that all have to be granted, separated by spaces.
    ///
    /// A client that lacks one is told all of them.
    pub fn with_scopes(mut self, scopes: impl AsRef<str>) -> Self {
        match Scopes::parse(scopes.as_ref()) {
            Ok(scopes) if scopes.contains("offline_access") => self.problem(
                "asks for the scope `offline_access`, which a resource must not ask for; remove it",
            ),
            Ok(scopes) if scopes.is_empty() => {
                self.problem("names no scope; name one, or leave `with_scopes` out");
            }
            Ok(scopes) => self.scopes = scopes,
            Err(problem) => self.problem(format!("asks for what is no scope: {problem}")),
        }
        self
    }

    /// One more authentication context class (`acr`) that is strong enough. One of those that
    /// are added has to be the token's, byte for byte: no class is taken for a stronger or
    /// weaker form of another.
    ///
    /// Clients are told them in this order, the one to prefer first.
    pub fn add_acr(mut self, class: impl Into<Box<str>>) -> Self {
        if let Some(class) = self.class(class.into())
            && !self.acr.contains(&class)
        {
            self.acr.push(class);
        }
        self
    }

    /// One more authentication context class that is asked for where a method of
    /// [`add_amr`](Self::add_amr) was not used, the one to prefer first. It is not checked: the
    /// method is. Where classes are required as well, those alone are asked for.
    ///
    /// ```
    /// use portcullis::step_up::{Requirement, StepUpLayer};
    ///
    /// let multi_factor = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
    /// let requirement = Requirement::new().add_amr("mfa");
    /// // Nobody could be told what to ask for.
    /// assert!(StepUpLayer::builder().require("pay", requirement.clone()).build().is_err());
    /// let requirement = requirement.add_acr_hint(multi_factor);
    /// assert!(StepUpLayer::builder().require("pay", requirement).build().is_ok());
    /// ```
    pub fn add_acr_hint(mut self, class: impl Into<Box<str>>) -> Self {
        if let Some(class) = self.class(class.into())
            && !self.acr_hints.contains(&class)
        {
            self.acr_hints.push(class);
        }
        self
    }

    /// One more authentication method (`amr`, RFC 8176) that has to have been used.
    ///
    /// A challenge has no parameter for methods (RFC 9470 §3). A client that is to ask its
    /// authorization server for them has to be told a class that stands for them, or it would
    /// come back as it was: one that tokens have to carry, by [`add_acr`](Self::add_acr), or one
    /// that is only asked for, by [`add_acr_hint`](Self::add_acr_hint). Without either, the
    /// layer is not built.
    pub fn add_amr(mut self, method: impl Into<Box<str>>) -> Self {
        let method = method.into();
        if method.is_empty() {
            self.problem("names an amr that is empty; remove it");
        } else if !self.amr.contains(&method) {
            self.amr.push(method);
        }
        self
    }

    /// How long ago the user may have authenticated (`auth_time`). Counted in whole seconds.
    ///
    /// A credential that does not say when fails. That it was issued a moment ago proves
    /// nothing: a token can be refreshed without anybody being there. (That, the age of the token, is
    /// [`with_max_token_age`](Self::with_max_token_age).)
    pub fn with_max_age(mut self, age: Duration) -> Self {
        if age < Duration::from_secs(1) {
            self.problem("has a maximum age below a second, which nobody could meet; raise it");
        } else {
            self.max_age = Some(Duration::from_secs(age.as_secs()));
        }
        self
    }

    /// How long ago the credential may have been issued (`iat`). Counted in whole seconds, with 30 for
    /// clocks that differ.
    ///
    /// A stolen token is of little use where the stakes are high, and a client that has another way
    /// to get one, such as a refresh token, needs no person for it. A caller with an older one is told
    /// that it is not valid here. A credential that does not say when it was issued fails, with 403, as
    /// does one of which there is no younger one to be had: an API key counts from when its present
    /// secret was issued, and a certificate from its `notBefore`.
    pub fn with_max_token_age(mut self, age: Duration) -> Self {
        if age < Duration::from_secs(10) {
            self.problem(
                "has a maximum token age below 10 seconds, within which clients could not use a \
                 token; raise it",
            );
        } else {
            self.max_token_age = Some(Duration::from_secs(age.as_secs()));
        }
        self
    }

    /// Asks for a credential that is bound to a key or a certificate of its sender (RFC 9449, RFC
    /// 8705): one that nobody else could use. A caller with another is told to get such a one.
    pub fn with_sender_constraint(mut self) -> Self {
        self.is_constrained = true;
        self
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.is_constrained
            && self.scopes.is_empty()
            && self.acr.is_empty()
            && self.amr.is_empty()
            && self.max_age.is_none()
            && self.max_token_age.is_none()
    }

    /// Whether it asks for a scope that somebody has to have been granted.
    pub(crate) fn has_scopes(&self) -> bool {
        !self.scopes.is_empty()
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = &str> {
        let is_idle = !self.acr_hints.is_empty() && self.amr.is_empty();
        let idle = is_idle.then_some(
            "hints at an acr and requires no amr; require the class with `add_acr`, or remove \
             `add_acr_hint`",
        );
        self.problems.iter().map(|problem| &**problem).chain(idle)
    }

    /// Whether a challenge could not say what is asked for: methods have no parameter.
    pub(super) fn is_unspeakable(&self) -> bool {
        !self.amr.is_empty() && self.acr.is_empty() && self.acr_hints.is_empty()
    }

    /// What a challenge names, the one to prefer first.
    pub(super) fn acr_values(&self) -> String {
        match self.acr.is_empty() {
            true => self.acr_hints.join(" "),
            false => self.acr.join(" "),
        }
    }

    /// What asks for both. The error is that nobody could meet both.
    pub(super) fn and(&self, other: &Self) -> Result<Self, &'static str> {
        let acr: Vec<_> = match (&*self.acr, &*other.acr) {
            ([], only) | (only, []) => only.to_vec(),
            (one, two) => two
                .iter()
                .filter(|class| one.contains(class))
                .cloned()
                .collect(),
        };
        if acr.is_empty() && !(self.acr.is_empty() && other.acr.is_empty()) {
            return Err("allows no acr that the requirement for everything allows; name one");
        }
        let scopes = Scopes::collect(self.scopes.iter().chain(other.scopes.iter()))
            .map_err(|_| "asks for too many scopes together with the requirement for everything")?;
        // What is nearer to the request says it better.
        let mut acr_hints = other.acr_hints.clone();
        let further = self.acr_hints.iter();
        acr_hints.extend(further.filter(|h| !other.acr_hints.contains(h)).cloned());
        let mut amr = self.amr.clone();
        amr.extend(other.amr.iter().filter(|m| !self.amr.contains(m)).cloned());
        Ok(Self {
            scopes,
            acr,
            acr_hints,
            amr,
            max_age: [self.max_age, other.max_age].into_iter().flatten().min(),
            max_token_age: [self.max_token_age, other.max_token_age]
                .into_iter()
                .flatten()
                .min(),
            is_constrained: self.is_constrained || other.is_constrained,
            problems: Vec::new(),
        })
    }

    /// A class that can stand in a challenge.
    fn class(&mut self, class: Box<str>) -> Option<Box<str>> {
        if !class.is_empty() && !class.contains(' ') && can_be_quoted(&class) {
            return Some(class);
        }
        self.problem(format!(
            "names the acr `{}`, which cannot stand in a challenge; use printable ascii without \
             blanks, quotes and backslashes",
            class.escape_debug()
        ));
        None
    }

    fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_asked_for_what_either_asks_for() {
        let one = Requirement::new()
            .with_scopes("a b")
            .add_acr("x")
            .add_acr("y")
            .add_amr("pwd")
            .with_max_age(Duration::from_secs(60))
            .with_max_token_age(Duration::from_secs(20));
        let two = Requirement::new()
            .with_scopes("b c")
            .add_acr("z")
            .add_acr("y")
            .add_amr("pwd")
            .add_amr("otp")
            .with_max_age(Duration::from_secs(30));
        let both = Requirement::new()
            .with_scopes("a b c")
            .add_acr("y")
            .add_amr("pwd")
            .add_amr("otp")
            .with_max_age(Duration::from_secs(30))
            .with_max_token_age(Duration::from_secs(20));
        assert_eq!(one.and(&two), Ok(both));
        let none = Requirement::new();
        assert_eq!(none.and(&one).as_ref(), Ok(&one));
        assert_eq!(one.and(&none).as_ref(), Ok(&one));
        assert!(none.and(&none).unwrap().is_empty());
    }

    #[test]
    fn a_challenge_names_what_is_required_or_else_what_stands_for_it() {
        let everything = Requirement::new().add_amr("otp").add_acr_hint("mfa");
        let own = Requirement::new()
            .add_amr("hwk")
            .add_acr_hint("key")
            .add_acr_hint("mfa");
        assert_eq!(everything.and(&own).unwrap().acr_values(), "key mfa");
        let classed = own.clone().add_acr("phr").add_acr("phrh");
        assert_eq!(everything.and(&classed).unwrap().acr_values(), "phr phrh");
        for (requirement, is_unspeakable) in [
            (Requirement::new().add_amr("otp"), true),
            (everything, false),
            (Requirement::new().add_amr("otp").add_acr("phr"), false),
            (Requirement::new().add_acr("phr"), false),
            (Requirement::new(), false),
        ] {
            assert_eq!(
                requirement.is_unspeakable(),
                is_unspeakable,
                "{requirement:?}"
            );
        }
    }

    #[test]
    fn what_nobody_could_meet_is_an_error() {
        let (one, two) = (
            Requirement::new().add_acr("x"),
            Requirement::new().add_acr("y"),
        );
        assert!(one.and(&two).unwrap_err().contains("acr"));
    }

    #[test]
    fn setters_keep_their_mistakes() {
        let problems = |requirement: Requirement| -> Vec<String> {
            requirement.problems().map(str::to_owned).collect()
        };
        for (requirement, word) in [
            (Requirement::new().with_scopes("a\"b"), "no scope"),
            (Requirement::new().with_scopes(""), "no scope"),
            (
                Requirement::new().with_scopes("offline_access a"),
                "offline",
            ),
            (Requirement::new().add_acr(""), "acr"),
            (Requirement::new().add_acr("a b"), "blanks"),
            (Requirement::new().add_acr("a\"b"), "quotes"),
            (Requirement::new().add_acr("a\r\nb"), "\\r\\n"),
            (Requirement::new().add_acr_hint("a b"), "blanks"),
            (Requirement::new().add_acr_hint("mfa"), "no amr"),
            (Requirement::new().add_amr(""), "amr"),
            (Requirement::new().with_max_age(Duration::ZERO), "second"),
            (
                Requirement::new().with_max_age(Duration::from_millis(999)),
                "second",
            ),
        ] {
            assert!(requirement.is_empty(), "{requirement:?}");
            let found = problems(requirement);
            assert!(
                matches!(found.as_slice(), [one] if one.contains(word)),
                "{found:?}"
            );
        }
        assert!(problems(Requirement::new().with_scopes("a").add_acr("urn:x:1")).is_empty());
    }
}
