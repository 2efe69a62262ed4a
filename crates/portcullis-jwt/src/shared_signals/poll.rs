//! Asking for events (RFC 8936).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::future::{Either, select};
use http::{HeaderValue, StatusCode, header};
use portcullis_core::{Clock, NoticeDesk, Outcome, Secret, sabotaged};

use super::{
    push::description,
    receiver::{Declined, Inner},
};
use crate::{
    http::{DynHttpClient, HttpRequest, Reach},
    json::{Raw, for_each_member},
    reason,
};

/// The most events in one answer.
const MAX_EVENTS: usize = 32;
/// The longest answer: that many of the longest tokens, and what is around them.
const MAX_BYTES: usize = MAX_EVENTS * 20 * 1024;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest pause after one that failed.
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// Where events are asked for.
pub(super) struct Poll {
    pub(super) url: Box<str>,
    pub(super) reach: Reach,
    pub(super) interval: Duration,
    pub(super) token: Option<Secret>,
    pub(super) client: Arc<dyn DynHttpClient>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What is told of the events that have come, until the transmitter has heard it.
#[derive(Debug, Default)]
struct Answers {
    acknowledged: BTreeSet<String>,
    refused: BTreeMap<String, &'static str>,
}

/// The tokens in one answer of the transmitter, by their ids. Whether more are left is not looked
/// at: it is asked again until nothing new comes.
type Page = Vec<(String, String)>;

impl Poll {
    /// Asks, for as long as it is polled.
    pub(super) async fn run(&self, inner: &Inner, desk: &dyn NoticeDesk) {
        let mut answers = Answers::default();
        let mut failures = 0_u32;
        loop {
            let pause = match self.ask(&answers).await {
                Ok(tokens) => {
                    failures = 0;
                    inner.hear();
                    // What was told has been heard.
                    let told = std::mem::take(&mut answers);
                    for (id, token) in tokens {
                        self.take(inner, desk, &id, &token, &mut answers).await;
                    }
                    // It is told at once, and what is left waiting is asked for with it. Not so where
                    // the same comes again, whatever it is told.
                    match answers.has_more_than(&told) {
                        true => Duration::ZERO,
                        false => self.interval,
                    }
                }
                Err(problem) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(problem, "shared signals cannot be asked for");
                    desk.report(Outcome::Failed, reason::SET_POLL_FAILED);
                    let longer = 2_u32.saturating_pow(failures.min(10));
                    self.interval.saturating_mul(longer).min(MAX_PAUSE)
                }
            };
            if !pause.is_zero() {
                self.clock.sleep_until(self.clock.instant() + pause).await;
            }
        }
    }

    /// Carries out what one token says, and then has it acknowledged.
    async fn take(
        &self,
        inner: &Inner,
        desk: &dyn NoticeDesk,
        id: &str,
        token: &str,
        answers: &mut Answers,
    ) {
        let refuse = |answers: &mut Answers, error, code| {
            reason::note(code);
            desk.report(Outcome::Refused, code);
            answers.refused.insert(id.to_owned(), error);
        };
        match inner.consider(token).await {
            Ok(considered) if considered.id != id => {
                refuse(answers, "invalid_request", reason::SET_CLAIMS);
            }
            Ok(considered) => {
                let done = desk.carry_out(&considered.notices, considered.reason).await;
                match done {
                    Ok(()) => {
                        inner.remember(&considered);
                        answers.acknowledged.insert(id.to_owned());
                    }
                    // Not acknowledged, it comes again.
                    Err(problem) => {
                        tracing::error!(%problem, "a shared signal could not be carried out");
                        if sabotaged!("set.ack") {
                            answers.acknowledged.insert(id.to_owned());
                        }
                    }
                }
            }
            Err(Declined::Wrong(wrong)) => refuse(answers, wrong.error, wrong.reason),
            Err(Declined::Unavailable(_)) => {
                desk.report(Outcome::Failed, reason::SET_KEYS_UNAVAILABLE);
            }
        }
    }

    async fn ask(&self, answers: &Answers) -> Result<Page, &'static str> {
        let mut request = HttpRequest::post_json(&self.url, answers.body(), MAX_BYTES, self.reach);
        if let Some(token) = &self.token {
            let bytes = [b"Bearer ", token.expose()].concat();
            let mut value = HeaderValue::from_bytes(&bytes)
                .map_err(|_| "the token of this receiver is no header")?;
            value.set_sensitive(true);
            request = request.with_header(header::AUTHORIZATION, value);
        }
        let asking = pin!(self.client.send(&request));
        let late = self.clock.sleep_until(self.clock.instant() + TIMEOUT);
        let response = match select(asking, late).await {
            Either::Left((response, _)) => response.map_err(|_| "it cannot be reached")?,
            Either::Right(_) => return Err("it does not answer in time"),
        };
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err("it does not let this receiver ask: see `SharedSignals::with_token`");
            }
            _ => return Err("it does not answer 200"),
        }
        let text = std::str::from_utf8(response.body()).map_err(|_| "its answer is no text")?;
        read(text).ok_or("its answer cannot be read")
    }
}

impl Answers {
    /// Whether they tell of something that others do not.
    fn has_more_than(&self, others: &Self) -> bool {
        let is_new =
            |id: &String| !others.acknowledged.contains(id) && !others.refused.contains_key(id);
        self.acknowledged.iter().any(is_new) || self.refused.keys().any(is_new)
    }

    /// The request (RFC 8936 §2.2).
    fn body(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut body = format!(r#"{{"maxEvents":{MAX_EVENTS},"returnImmediately":true"#);
        if !self.acknowledged.is_empty() {
            let ids: Vec<_> = self.acknowledged.iter().map(|id| quoted(id)).collect();
            let _ = write!(body, r#","ack":[{}]"#, ids.join(","));
        }
        if !self.refused.is_empty() {
            let errors = self.refused.iter().map(|(id, error)| {
                let text = description(error);
                format!(
                    r#"{}:{{"err":"{error}","description":"{text}"}}"#,
                    quoted(id)
                )
            });
            let errors: Vec<_> = errors.collect();
            let _ = write!(body, r#","setErrs":{{{}}}"#, errors.join(","));
        }
        body.push('}');
        body
    }
}

/// Reads an answer (RFC 8936 §2.3).
fn read(text: &str) -> Option<Page> {
    let mut sets = None;
    for_each_member(text, |name, raw| {
        if name == "sets" {
            sets = Some(raw);
        }
    })
    .ok()?;
    let mut tokens = Vec::new();
    let mut is_sound = true;
    for_each_member(sets?.as_str(), |id, raw: Raw<'_>| match raw.text() {
        Some(token) => tokens.push((id.to_owned(), token.into_owned())),
        None => is_sound = false,
    })
    .ok()?;
    is_sound.then_some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_and_tells_as_rfc_8936_has_it() {
        let mut answers = Answers::default();
        assert_eq!(
            answers.body(),
            r#"{"maxEvents":32,"returnImmediately":true}"#
        );
        answers.acknowledged.insert("a\"b".into());
        answers.refused.insert("c".into(), "invalid_key");
        assert_eq!(
            answers.body(),
            r#"{"maxEvents":32,"returnImmediately":true,"ack":["a\"b"],"setErrs":{"c":{"err":"invalid_key","description":"The signature could not be verified"}}}"#
        );
    }

    #[test]
    fn the_same_again_is_nothing_new() {
        let answers = |acknowledged: &[&str], refused: &[&'static str]| Answers {
            acknowledged: acknowledged.iter().map(|id| (*id).to_owned()).collect(),
            refused: refused
                .iter()
                .map(|id| ((*id).to_owned(), "invalid_key"))
                .collect(),
        };
        for (now, told, expected) in [
            (answers(&[], &[]), answers(&["a"], &[]), false),
            (answers(&["a"], &["b"]), answers(&["b"], &["a", "c"]), false),
            (answers(&["a"], &[]), answers(&["b"], &[]), true),
            (answers(&["a"], &["b"]), answers(&["a"], &[]), true),
        ] {
            assert_eq!(now.has_more_than(&told), expected, "{now:?} {told:?}");
        }
    }

    #[test]
    fn an_answer_is_read_as_a_whole_or_not() {
        let page = |tokens: &[(&str, &str)]| {
            let tokens = tokens.iter();
            Some(
                tokens
                    .map(|(id, token)| ((*id).into(), (*token).into()))
                    .collect::<Page>(),
            )
        };
        for (text, expected) in [
            (r#"{"sets":{}}"#, page(&[])),
            (
                r#"{"sets":{"1":"a","2":"b"},"moreAvailable":true}"#,
                page(&[("1", "a"), ("2", "b")]),
            ),
            (r#"{"sets":{"1":"a","1":"b"}}"#, None),
            (r#"{"sets":{"1":7}}"#, None),
            (r#"{"sets":[]}"#, None),
            (r#"{}"#, None),
            ("[]", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
