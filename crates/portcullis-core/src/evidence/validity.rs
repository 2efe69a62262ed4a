//! What every consumer of evidence relies on.

use std::fmt;

use super::Evidence;

/// The longest name that is taken, in bytes.
const MAX_NAME: usize = 2048;
/// The longest chain of actors that is taken (RFC 8693 §4.1 sets no bound; a bound is needed).
const MAX_ACTORS: usize = 8;
/// The most methods of authentication that are taken.
const MAX_METHODS: usize = 32;
/// The most revocation keys that are taken beside those that follow from what evidence says.
const MAX_REVOCATION_KEYS: usize = 8;

impl Evidence {
    /// Checks what every consumer relies on: no name is empty, longer than 2048 bytes or holds
    /// a control character, and there are at most 8 actors, 32 methods of authentication and
    /// 8 added revocation keys.
    /// (That there is an issuer and a subject follows from the first.)
    ///
    /// # Errors
    ///
    /// Names the first field that does not hold.
    pub fn validate(&self) -> Result<(), InvalidEvidence> {
        name("issuer", &self.issuer)?;
        name("subject", &self.subject)?;
        for (field, text) in [
            ("client", &self.client),
            ("acr", &self.acr),
            ("token id", &self.token_id),
            ("session id", &self.session_id),
        ] {
            optional(field, text.as_deref())?;
        }
        few("amr", self.amr.len(), MAX_METHODS)?;
        few("chain of actors", self.actors.len(), MAX_ACTORS)?;
        few(
            "list of revocation keys",
            self.revocation_keys.len(),
            MAX_REVOCATION_KEYS,
        )?;
        self.amr.iter().try_for_each(|method| name("amr", method))?;
        let mut keys = self.revocation_keys.iter();
        keys.try_for_each(|key| {
            let mut values = key.values();
            values.try_for_each(|value| name("revocation key", value))
        })?;
        self.actors.iter().try_for_each(|actor| {
            name("actor", actor.subject())?;
            optional("issuer of an actor", actor.issuer())
        })
    }
}

fn optional(field: &'static str, text: Option<&str>) -> Result<(), InvalidEvidence> {
    text.map_or(Ok(()), |text| name(field, text))
}

fn name(field: &'static str, text: &str) -> Result<(), InvalidEvidence> {
    let problem = if text.is_empty() {
        "is empty"
    } else if text.len() > MAX_NAME {
        "is too long"
    } else if holds_control_character(text) {
        "holds a control character"
    } else {
        return Ok(());
    };
    Err(InvalidEvidence { field, problem })
}

fn few(field: &'static str, len: usize, most: usize) -> Result<(), InvalidEvidence> {
    let problem = "is too long";
    (len <= most)
        .then_some(())
        .ok_or(InvalidEvidence { field, problem })
}

/// Whether a `char::is_control` is in it.
fn holds_control_character(text: &str) -> bool {
    // For ASCII, which nearly all names are, without a way out: many bytes at a time.
    if text.is_ascii() {
        text.bytes()
            .fold(false, |found, byte| found | byte.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    }
}

/// Evidence that no consumer may rely on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidEvidence {
    field: &'static str,
    problem: &'static str,
}

impl fmt::Display for InvalidEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.field, self.problem)
    }
}

impl std::error::Error for InvalidEvidence {}

#[cfg(test)]
mod tests {
    use crate::{Actor, Evidence, EvidenceKind, RevocationKey};

    fn problem(evidence: &Evidence) -> Option<String> {
        evidence.validate().err().map(|error| error.to_string())
    }

    fn alice() -> Evidence {
        Evidence::new(EvidenceKind::User, "i", "s")
    }

    #[test]
    fn names_the_field_that_does_not_hold() {
        let user = |issuer: &str, subject: &str| {
            problem(&Evidence::new(EvidenceKind::User, issuer, subject))
        };
        assert_eq!(user("i", "s"), None);
        assert_eq!(user("i", "ä\u{a0}"), None);
        for (issuer, subject, expected) in [
            ("", "s", "the issuer is empty"),
            ("i", "", "the subject is empty"),
            ("i", "a\0b", "the subject holds a control character"),
            ("i", "a\u{7f}", "the subject holds a control character"),
            ("i", "ä\u{85}", "the subject holds a control character"),
            ("i", "ä\n", "the subject holds a control character"),
            ("i", &"s".repeat(2049), "the subject is too long"),
        ] {
            assert_eq!(user(issuer, subject).as_deref(), Some(expected));
        }
    }

    #[test]
    fn looks_at_every_name() {
        for (evidence, expected) in [
            (alice().with_client(""), "the client is empty"),
            (alice().with_acr(""), "the acr is empty"),
            (alice().with_token_id(""), "the token id is empty"),
            (alice().with_session_id(""), "the session id is empty"),
            (alice().add_amr(""), "the amr is empty"),
            (alice().add_actor(Actor::new("")), "the actor is empty"),
            (
                alice().add_actor(Actor::new("a").with_issuer("")),
                "the issuer of an actor is empty",
            ),
            (
                alice().add_revocation_key(RevocationKey::Token("i".into(), "".into())),
                "the revocation key is empty",
            ),
        ] {
            assert_eq!(problem(&evidence).as_deref(), Some(expected));
        }
    }

    #[test]
    fn bounds_its_lists() {
        let with_actors = |count| {
            let actors = (0..count).map(|n| Actor::new(format!("agent-{n}")));
            problem(&actors.fold(alice(), Evidence::add_actor))
        };
        assert_eq!(with_actors(8), None);
        let expected = Some("the chain of actors is too long".to_owned());
        assert_eq!(with_actors(9), expected);
        let with_methods = |count| problem(&(0..count).fold(alice(), |e, _| e.add_amr("pwd")));
        assert_eq!(with_methods(32), None);
        assert_eq!(with_methods(33), Some("the amr is too long".to_owned()));
        let with_keys = |count| {
            let key = RevocationKey::Credential("i".into(), "k".into());
            problem(&(0..count).fold(alice(), |e, _| e.add_revocation_key(key.clone())))
        };
        assert_eq!(with_keys(8), None);
        let expected = Some("the list of revocation keys is too long".to_owned());
        assert_eq!(with_keys(9), expected);
    }
}
