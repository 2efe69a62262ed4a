//! What is asked for, as the form says it.

use std::time::Duration;

use portcullis_core::{RevocationKey, Secret, Timestamp};
use url::form_urlencoded;

use crate::revocation::Revocation;

/// A path of an operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Endpoint {
    EndSessions,
    Revocations,
    Revoke,
}

/// Something that is to be ended or revoked.
#[derive(Debug)]
pub(super) enum Order {
    /// The sessions of a subject.
    EndSessions(Box<str>, Box<str>),
    Revoke(Revocation),
    /// A token, by its text.
    RevokeToken(Secret),
}

impl Endpoint {
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/sessions/end" => Self::EndSessions,
            "/revocations" => Self::Revocations,
            "/revoke" => Self::Revoke,
            _ => return None,
        })
    }

    /// What the form asks for. `None` if that can be read in two ways, or in none.
    pub(super) fn read(self, form: &[u8]) -> Option<Order> {
        let mut form = Form::read(form)?;
        let order = match self {
            Self::EndSessions => {
                let (issuer, subject) = (form.take("issuer")?, form.take("subject")?);
                // Names that nobody has, or can have.
                Revocation::subject(&*issuer, &*subject).validate().ok()?;
                Order::EndSessions(issuer, subject)
            }
            Self::Revocations => Order::Revoke(form.revocation()?),
            Self::Revoke => {
                let token = form.take("token").filter(|token| !token.is_empty())?;
                // Others are to be ignored (RFC 6749 §3.1), such as the credential of a client.
                form.0.clear();
                Order::RevokeToken(Secret::from(&*token))
            }
        };
        form.0.is_empty().then_some(order)
    }
}

impl Order {
    /// What it is called where it is required and recorded.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::EndSessions(..) => "operator.end_sessions",
            Self::Revoke(revocation) => match revocation.key() {
                RevocationKey::Client(..) => "operator.revoke.client",
                RevocationKey::Credential(..) => "operator.revoke.credential",
                RevocationKey::Device(..) => "operator.revoke.device",
                RevocationKey::Grant(..) => "operator.revoke.grant",
                RevocationKey::Session(..) => "operator.revoke.session",
                RevocationKey::Subject(..) => "operator.revoke.subject",
                RevocationKey::Tenant(..) => "operator.revoke.tenant",
                RevocationKey::Token(..) => "operator.revoke.token",
                // The widest, for whatever is not known here.
                _ => "operator.revoke.issuer",
            },
            Self::RevokeToken(_) => "operator.revoke_token",
        }
    }
}

/// The members of a form, each once.
struct Form(Vec<(Box<str>, Box<str>)>);

impl Form {
    fn read(body: &[u8]) -> Option<Self> {
        let mut members: Vec<(Box<str>, Box<str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(body) {
            // What is no UTF-8 has become this, and two names could have become one.
            let is_text = !name.contains('\u{fffd}') && !value.contains('\u{fffd}');
            let is_new = members.iter().all(|(known, _)| **known != *name);
            // More than any form here has, and few enough to look through.
            if !is_text || !is_new || members.len() == 16 {
                return None;
            }
            members.push((name.into(), value.into()));
        }
        Some(Self(members))
    }

    fn take(&mut self, name: &str) -> Option<Box<str>> {
        let at = self.0.iter().position(|(known, _)| **known == *name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// A member that may be missing, and a number if it is there.
    fn number(&mut self, name: &str) -> Option<Option<u32>> {
        match self.take(name) {
            None => Some(None),
            Some(text) => {
                let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
                Some(Some(text.parse().ok().filter(|_| is_plain)?))
            }
        }
    }

    fn revocation(&mut self) -> Option<Revocation> {
        let (kind, issuer) = (self.take("kind")?, self.take("issuer")?);
        let key = match &*kind {
            "client" => RevocationKey::Client(issuer, self.take("client")?),
            "credential" => RevocationKey::Credential(issuer, self.take("credential")?),
            "device" => RevocationKey::Device(issuer, self.take("device")?),
            "grant" => RevocationKey::Grant(issuer, self.take("subject")?, self.take("client")?),
            "issuer" => RevocationKey::Issuer(issuer),
            "session" => RevocationKey::Session(issuer, self.take("session")?),
            "subject" => RevocationKey::Subject(issuer, self.take("subject")?),
            "tenant" => RevocationKey::Tenant(issuer, self.take("tenant")?),
            "token" => RevocationKey::Token(issuer, self.take("token_id")?),
            _ => return None,
        };
        let mut revocation = Revocation::new(key);
        if let Some(seconds) = self.number("cut_off")? {
            revocation = revocation.with_cut_off(Timestamp::from_unix_seconds(seconds.into()));
        }
        if let Some(seconds) = self.number("kept_for")? {
            revocation = revocation.with_kept_for(Duration::from_secs(seconds.into()));
        }
        revocation.validate().ok()?;
        Some(revocation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::OPERATIONS;

    fn revocation(form: &str) -> Option<Revocation> {
        match Endpoint::Revocations.read(form.as_bytes())? {
            Order::Revoke(revocation) => Some(revocation),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_kind_has_its_own_members_and_no_others() {
        let mut operations = vec!["operator.end_sessions", "operator.revoke_token"];
        for (kind, members, expected) in [
            ("client", "client=c", Revocation::client("i", "c")),
            (
                "credential",
                "credential=k",
                Revocation::credential("i", "k"),
            ),
            ("device", "device=d", Revocation::device("i", "d")),
            (
                "grant",
                "subject=s&client=c",
                Revocation::grant("i", "s", "c"),
            ),
            ("issuer", "", Revocation::issuer("i")),
            ("session", "session=n", Revocation::session("i", "n")),
            ("subject", "subject=s", Revocation::subject("i", "s")),
            ("tenant", "tenant=t", Revocation::tenant("i", "t")),
            ("token", "token_id=j", Revocation::token("i", "j")),
        ] {
            let form = format!("kind={kind}&issuer=i&{members}");
            let read = revocation(&form).unwrap();
            assert_eq!(read, expected);
            let operation = Order::Revoke(read).operation();
            assert_eq!(operation, format!("operator.revoke.{kind}"));
            operations.push(operation);
            assert!(revocation(&format!("{form}&x=y")).is_none(), "{form}");
            assert!(revocation(&format!("{form}&issuer=i")).is_none(), "{form}");
            assert!(revocation(&format!("{form}&kept_for=0")).is_none());
            if !members.is_empty() {
                let issuer_alone = format!("kind={kind}&issuer=i");
                assert!(revocation(&issuer_alone).is_none(), "{kind}");
                // Nobody who leaves the kind out ends more than he thought.
                assert!(revocation(&format!("kind=issuer&issuer=i&{members}")).is_none());
            }
        }
        operations.sort_unstable();
        assert_eq!(operations, OPERATIONS);
    }

    #[test]
    fn times_are_whole_seconds() {
        let with = |more: &str| revocation(&format!("kind=subject&issuer=i&subject=s{more}"));
        let both = with("&cut_off=1767225600&kept_for=60").unwrap();
        let expected = Revocation::subject("i", "s")
            .with_cut_off(Timestamp::from_unix_seconds(1_767_225_600))
            .with_kept_for(Duration::from_secs(60));
        assert_eq!(both, expected);
        for more in [
            "&cut_off=",
            "&cut_off=-1",
            "&cut_off=%2B1",
            "&cut_off=1.5",
            "&cut_off=4294967296",
            "&kept_for=1e3",
            "&kept_for=%2B1",
            "&cut_off=1&cut_off=1",
        ] {
            assert!(with(more).is_none(), "{more}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_read() {
        for form in [
            "",
            "kind=subject",
            "kind=subject&issuer=&subject=s",
            "kind=subject&issuer=i&subject=",
            "kind=subject&issuer=i&subject=%00",
            "kind=subject&issuer=i&subject=%ff",
            "kind=subject&issuer=i&subject=a&subject=b",
            "kind=subject&issuer=i&%73ubject=a&subject=b",
            "kind=Subject&issuer=i&subject=s",
            "kind=everything&issuer=i",
            "{\"kind\":\"issuer\",\"issuer\":\"i\"}",
        ] {
            assert!(revocation(form).is_none(), "{form}");
        }
        let long = format!("kind=subject&issuer=i&subject={}", "s".repeat(3000));
        assert!(revocation(&long).is_none());
        let many: String = (0..40).map(|n| format!("&a{n}=1")).collect();
        assert!(revocation(&format!("kind=issuer&issuer=i{many}")).is_none());
    }

    #[test]
    fn a_token_is_taken_as_rfc_7009_has_it() {
        let read = |form: &str| Endpoint::Revoke.read(form.as_bytes());
        for form in [
            "token=a.b.c",
            "token_type_hint=refresh_token&token=a.b.c",
            "client_id=x&token=a.b.c&client_secret=y",
        ] {
            let Some(Order::RevokeToken(token)) = read(form) else {
                panic!("{form}");
            };
            assert_eq!(token.expose(), b"a.b.c");
        }
        for form in ["", "token=", "token=a&token=a", "token_id=a"] {
            assert!(read(form).is_none(), "{form}");
        }
        let order = read("token=hush-hush").unwrap();
        assert!(!format!("{order:?}").contains("hush"));
    }

    #[test]
    fn a_path_is_one_of_three_and_nothing_like_them() {
        assert_eq!(Endpoint::of("/sessions/end"), Some(Endpoint::EndSessions));
        for path in [
            "/",
            "",
            "/revoke/",
            "/REVOKE",
            "//revoke",
            "/sessions",
            "/x/revoke",
        ] {
            assert_eq!(Endpoint::of(path), None, "{path}");
        }
    }
}
