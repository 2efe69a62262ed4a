//! The sessions of MCP up to 2025-11-25, bound to whom they were given to.
//!
//! A server that speaks those versions gives out a session id in the header `Mcp-Session-Id`, and
//! takes whoever sends it for the same client. Here the id that the server gives out is made longer
//! by a keyed hash of itself, the principal and the session; on its way back the hash is checked
//! and taken off. So nothing is kept, and an id is one only in the session that it was given out in.

use std::hash::Hasher as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header::Entry};
use portcullis_core::{OwnerKey, SessionId, sabotaged};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::keys::Keying;

const NAME: HeaderName = HeaderName::from_static("mcp-session-id");

/// The longest id of a server. Those of the SDKs are UUIDs.
const LONGEST: usize = 256;
/// How long the hash is, as text.
const TAG: usize = 22;

/// Binds the ids of MCP sessions.
pub(super) struct McpSessions([u8; 16]);

/// Whose session an id is bound to.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    pub(super) owner: OwnerKey,
    pub(super) session: SessionId,
}

/// An id that cannot be bound, or was not bound here and to this session.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Unusable;

impl McpSessions {
    pub(super) fn new(keying: &Keying) -> Self {
        Self(keying.subkey(b"mcp-session-id"))
    }

    /// Binds the id in a response, if there is one. Without a holder there is nobody to whom it
    /// could be bound, and it is taken away.
    pub(super) fn bind(
        &self,
        headers: &mut HeaderMap,
        holder: Option<Holder>,
    ) -> Result<(), Unusable> {
        let Some(id) = only(headers)? else {
            return Ok(());
        };
        let Some(holder) = holder else {
            headers.remove(NAME);
            return Ok(());
        };
        let bound = is_id(id).then(|| {
            let tag = URL_SAFE_NO_PAD.encode(self.tag(holder, id).to_be_bytes());
            [id, b".", tag.as_bytes()].concat()
        });
        replace(headers, &bound.ok_or(Unusable)?)
    }

    /// Checks the id in a request, if there is one, and leaves what the server has given out.
    pub(super) fn unbind(
        &self,
        headers: &mut HeaderMap,
        holder: Option<Holder>,
    ) -> Result<(), Unusable> {
        let Some(bound) = only(headers)? else {
            return Ok(());
        };
        let id = match self.unbound(bound, holder) {
            Some(id) => id.to_vec(),
            None if sabotaged!("session.mcp") => bound
                .split_last_chunk::<{ TAG + 1 }>()
                .map_or_else(|| bound.to_vec(), |(id, _)| id.to_vec()),
            None => return Err(Unusable),
        };
        replace(headers, &id)
    }

    fn unbound<'a>(&self, bound: &'a [u8], holder: Option<Holder>) -> Option<&'a [u8]> {
        let (id, end) = bound.split_last_chunk::<{ TAG + 1 }>()?;
        let tag = URL_SAFE_NO_PAD.decode(end.strip_prefix(b".")?).ok()?;
        let tag = u128::from_be_bytes(tag.try_into().ok()?);
        let holder = holder.filter(|_| is_id(id))?;
        // One comparison, whatever the bytes are.
        (tag ^ self.tag(holder, id) == 0).then_some(id)
    }

    fn tag(&self, holder: Holder, id: &[u8]) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&holder.owner.as_u128().to_be_bytes());
        hasher.write(&holder.session.as_u128().to_be_bytes());
        hasher.write(id);
        hasher.finish128().as_u128()
    }
}

/// The one value of the header, if it is there at all.
fn only(headers: &HeaderMap) -> Result<Option<&[u8]>, Unusable> {
    let mut values = headers.get_all(NAME).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(HeaderValue::as_bytes)),
        _ => Err(Unusable),
    }
}

fn replace(headers: &mut HeaderMap, id: &[u8]) -> Result<(), Unusable> {
    let mut value = HeaderValue::from_bytes(id).map_err(|_| Unusable)?;
    value.set_sensitive(true);
    if let Entry::Occupied(mut entry) = headers.entry(NAME) {
        entry.insert(value);
    }
    Ok(())
}

/// Visible ASCII (MCP 2025-11-25, "session management").
fn is_id(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(owner: u128, session: u128) -> Option<Holder> {
        Some(Holder {
            owner: OwnerKey::from_u128(owner),
            session: SessionId::from_u128(session),
        })
    }

    fn headers(ids: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for id in ids {
            headers.append(NAME, HeaderValue::from_str(id).unwrap());
        }
        headers
    }

    fn text(headers: &HeaderMap) -> &str {
        headers.get(NAME).unwrap().to_str().unwrap()
    }

    #[test]
    fn an_id_is_one_for_its_holder_alone() {
        let mcp = McpSessions::new(&Keying::new().unwrap());
        let other = McpSessions::new(&Keying::new().unwrap());
        let longest = "x".repeat(LONGEST);
        for id in ["a", "1868a90c-1234", "with.dots.", "!~", longest.as_str()] {
            let mut bound = headers(&[id]);
            mcp.bind(&mut bound, holder(1, 2)).unwrap();
            let given = text(&bound).to_owned();
            assert!(given.starts_with(id) && given.len() == id.len() + 1 + TAG);
            assert!(given.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(bound.get(NAME).unwrap().is_sensitive());

            let mut back = headers(&[&given]);
            mcp.unbind(&mut back, holder(1, 2)).unwrap();
            assert_eq!(text(&back), id);
            for (mcp, holder) in [
                (&mcp, holder(2, 2)),
                (&mcp, holder(1, 3)),
                (&mcp, None),
                (&other, holder(1, 2)),
            ] {
                assert_eq!(mcp.unbind(&mut headers(&[&given]), holder), Err(Unusable));
            }
        }
    }

    #[test]
    fn whatever_else_is_said_is_none() {
        let mcp = McpSessions::new(&Keying::new().unwrap());
        let mut bound = headers(&["id"]);
        mcp.bind(&mut bound, holder(1, 2)).unwrap();
        let good = text(&bound).to_owned();
        let tag = good.strip_prefix("id.").unwrap();
        for bad in [
            "",
            "id",
            "id.",
            ".",
            tag,
            &format!(".{tag}"),
            &format!("ie.{tag}"),
            &format!("id.{tag}="),
            &format!("id.{tag} "),
            &format!("id..{tag}"),
            &format!("id-{tag}"),
            &good.to_uppercase(),
            &"x".repeat(70_000),
        ] {
            assert_eq!(
                mcp.unbind(&mut headers(&[bad]), holder(1, 2)),
                Err(Unusable),
                "{bad}"
            );
        }
        let twice = &mut headers(&[&good, &good]);
        assert_eq!(mcp.unbind(twice, holder(1, 2)), Err(Unusable));
        assert_eq!(
            mcp.unbind(&mut HeaderMap::new(), None),
            Ok(()),
            "there is none"
        );
    }

    #[test]
    fn what_a_server_gives_out_has_to_be_one_id() {
        let mcp = McpSessions::new(&Keying::new().unwrap());
        for bad in [
            &["a b"][..],
            &[""],
            &["a", "b"],
            &[&"x".repeat(LONGEST + 1)],
        ] {
            assert_eq!(mcp.bind(&mut headers(bad), holder(1, 2)), Err(Unusable));
        }
        let mut nobody = headers(&["a"]);
        assert_eq!(mcp.bind(&mut nobody, None), Ok(()));
        assert!(nobody.is_empty(), "there is nobody to bind it to");
        assert_eq!(mcp.bind(&mut HeaderMap::new(), holder(1, 2)), Ok(()));
    }
}
