//! Signed answers (RFC 9701).

use std::{slice, time::Duration};

use portcullis_core::{Timestamp, sabotaged};

use crate::{
    header::Header,
    json::{Raw, for_each_member},
    judge::{Lacking, Moment, Stop, TrustedIssuer, check_signature},
    key_source::{KeySource, Obtained, RemoteKeys},
    token::Decoded,
};

/// How old an answer may be: the time it takes to come, and what clocks may differ by.
const MAX_AGE: Duration = Duration::from_mins(1);
/// How often one answer waits for keys, as a token does.
const MAX_WAITS: usize = 3;
const MAX_AUDIENCES: usize = 64;

/// Who signs, and for whom.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) issuer: TrustedIssuer,
    /// The client at the issuer.
    pub(super) client: Box<str>,
    /// The names of this server: some issuers write those of the token.
    pub(super) audiences: Vec<Box<str>>,
    pub(super) leeway: Duration,
}

/// Why an answer is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Problem {
    /// It is not signed as it should be, or says something else than it should.
    Unsigned(&'static str),
    /// The keys of the issuer cannot be had.
    Keys,
}

impl Signed {
    /// The JSON object in a signed answer.
    pub(super) async fn open(
        &self,
        text: &str,
        moment: impl Fn(bool) -> Moment,
    ) -> Result<String, Problem> {
        for waits in 0..MAX_WAITS {
            let lacking = match self.open_now(text, moment(waits > 0)) {
                Ok(object) => return Ok(object),
                Err(Trouble::Problem(problem)) => return Err(problem),
                Err(Trouble::Keys(lacking)) => lacking,
            };
            let Some(remote) = self.remote() else { break };
            let obtained = remote.obtain(lacking.lack, Some(&lacking.wanted)).await;
            if obtained == Obtained::Nothing {
                break;
            }
        }
        match self.open_now(text, moment(true)) {
            Ok(object) => Ok(object),
            Err(Trouble::Problem(problem)) => Err(problem),
            Err(Trouble::Keys(_)) => Err(Problem::Keys),
        }
    }

    /// Loads keys, if there are none that serve.
    pub(super) async fn ready(&self) -> Result<(), Box<str>> {
        match self.remote() {
            Some(remote) => remote.ready().await,
            None => Ok(()),
        }
    }

    pub(super) async fn shutdown(&self) {
        if let Some(remote) = self.remote() {
            remote.shutdown().await;
        }
    }

    fn remote(&self) -> Option<&RemoteKeys> {
        match &*self.issuer.keys {
            KeySource::Fixed(_) => None,
            KeySource::Remote(remote) => Some(remote),
        }
    }

    fn open_now(&self, text: &str, moment: Moment) -> Result<String, Trouble> {
        let problem = |what| Trouble::Problem(Problem::Unsigned(what));
        let decoded = Decoded::from_token(text.trim_ascii_end())
            .map_err(|_| problem("it is no JWT in its canonical form"))?;
        let unreadable = |_| problem("its header or its payload cannot be read");
        let header = Header::parse(decoded.header().map_err(unreadable)?).map_err(unreadable)?;
        header
            .check_extensions()
            .map_err(|_| problem("its header has `crit`, `b64`, `zip` or `cty`"))?;
        if !is_answer(&header) && !sabotaged!("introspection.typ") {
            return Err(problem("its `typ` is not `token-introspection+jwt`"));
        }
        let algorithm = header
            .algorithm(self.issuer.allowed)
            .map_err(|_| problem("its `alg` is not allowed"))?;
        let key_id = header.key_id().map_err(|_| problem("its `kid` is none"))?;
        let checked = check_signature(
            &decoded,
            (0, &self.issuer),
            (key_id, algorithm),
            moment,
            || (),
        );
        match checked {
            Ok(_) => {}
            Err(Stop::Keys(lacking)) => return Err(Trouble::Keys(lacking)),
            Err(Stop::Fault(_) | Stop::NotMine(_)) => {
                return Err(problem("its signature is not that of a key of the issuer"));
            }
        }
        let payload = decoded.payload().map_err(unreadable)?;
        self.read(payload, moment.now).map_err(problem)
    }

    /// The answer in the payload, if that is this issuer's, for this client, and new.
    fn read(&self, payload: &str, now: Timestamp) -> Result<String, &'static str> {
        let (mut iss, mut aud, mut iat, mut answer) = (None, None, None, None);
        for_each_member(payload, |name, raw| match name {
            "iss" => iss = Some(raw),
            "aud" => aud = Some(raw),
            "iat" => iat = Some(raw),
            "token_introspection" => answer = Some(raw),
            _ => {}
        })
        .map_err(|_| "its payload is no JSON object, or one with a member twice")?;
        let issuer = iss.and_then(Raw::text).unwrap_or_default();
        if *issuer != *self.issuer.name && !sabotaged!("introspection.signer") {
            return Err("its `iss` is not the issuer");
        }
        if !self.is_for_us(aud) && !sabotaged!("introspection.recipient") {
            return Err("its `aud` is neither this client nor this server");
        }
        let made_at = iat.and_then(Raw::time).ok_or("its `iat` is no time")?;
        let is_new = made_at <= now + self.leeway && now < made_at + MAX_AGE + self.leeway;
        if !is_new && !sabotaged!("introspection.answer_age") {
            return Err("its `iat` is not of the last minute");
        }
        let answer = answer.ok_or("it has no `token_introspection`")?;
        Ok(answer.as_str().to_owned())
    }

    fn is_for_us(&self, aud: Option<Raw<'_>>) -> bool {
        let ours = slice::from_ref(&self.client).iter().chain(&self.audiences);
        let is_ours = |text: &str| ours.clone().any(|our| **our == *text);
        aud.is_some_and(|raw| match raw.text() {
            Some(text) => is_ours(&text),
            None => raw
                .texts(MAX_AUDIENCES)
                .is_some_and(|texts| texts.iter().any(|text| is_ours(text))),
        })
    }
}

enum Trouble {
    Problem(Problem),
    Keys(Lacking),
}

fn is_answer(header: &Header<'_>) -> bool {
    header.typ.and_then(Raw::text).is_some_and(|typ| {
        typ.eq_ignore_ascii_case("token-introspection+jwt")
            || typ.eq_ignore_ascii_case("application/token-introspection+jwt")
    })
}
