//! One retrieval of a key set, over the network.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use http::StatusCode;
use portcullis_core::Clock;
use url::Url;

use super::{
    cache_control,
    discovery::{Place, Sought, find, metadata_urls},
    schedule::Limits,
};
use crate::{
    algorithm::Allowed,
    http::{DynHttpClient, HttpError, HttpRequest, Reach, Shown, check_url},
    key::{KeySet, UnusableSet},
};

/// The most bytes that a document may have.
const MAX_BYTES: usize = 256 * 1024;

/// What a retrieval needs to know.
pub(crate) struct Retrieval {
    pub(crate) issuer: Box<str>,
    pub(crate) place: Place,
    pub(crate) allows_local: bool,
    pub(crate) allowed: Allowed,
    pub(crate) limits: Limits,
    pub(crate) client: Arc<dyn DynHttpClient>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Retrieval {
    /// Retrieves the keys, within the time that is set. Says how long they are fresh.
    pub(super) async fn run(
        &self,
        previous: Option<&KeySet>,
    ) -> Result<(KeySet, Duration), Problem> {
        let deadline = self.clock.instant() + self.limits.timeout;
        let work = pin!(self.retrieve(previous));
        match select(work, self.clock.sleep_until(deadline)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(Problem::Late(self.limits.timeout)),
        }
    }

    async fn retrieve(&self, previous: Option<&KeySet>) -> Result<(KeySet, Duration), Problem> {
        let place = match &self.place {
            Place::Known(url) => url.clone(),
            Place::Discovered => self.discover(Sought::Keys).await?,
        };
        let (document, lifetime) = self.document(&place).await?;
        let keys = KeySet::parse(&document, self.allowed, &self.issuer, previous)
            .map_err(|problem| Problem::Keys(place, problem))?;
        Ok((keys, lifetime))
    }

    /// Tries the two places of the metadata. If both fail, the first that answered at all
    /// says why.
    pub(crate) async fn discover(&self, sought: Sought) -> Result<Box<str>, Problem> {
        let issuer = Url::parse(&self.issuer)
            .map_err(|_| Problem::Place(self.issuer.clone(), "is not an absolute URL"))?;
        let mut first_problem = None;
        for url in metadata_urls(&issuer) {
            let problem = match self.document(url.as_str()).await {
                Ok((document, _)) => match find(&document, &self.issuer, sought) {
                    Ok(place) => return Ok(place),
                    Err(problem) => Problem::Metadata(url.as_str().into(), problem),
                },
                Err(problem) => problem,
            };
            let is_better = match &first_problem {
                None => true,
                Some(known) => matches!(known, Problem::Status(..)),
            };
            if is_better {
                first_problem = Some(problem);
            }
        }
        Err(first_problem.unwrap_or(Problem::Interrupted))
    }

    async fn document(&self, url: &str) -> Result<(String, Duration), Problem> {
        let (_, reach) = self.reach_of(url)?;
        let request = HttpRequest::get(url, MAX_BYTES, reach);
        let response = self
            .client
            .send(&request)
            .await
            .map_err(|error| Problem::Http(url.into(), error))?;
        if response.status() != StatusCode::OK {
            return Err(Problem::Status(url.into(), response.status()));
        }
        let lifetime = cache_control::lifetime(response.headers(), self.limits.max_age);
        let body = response.into_body();
        if body.len() > MAX_BYTES && !portcullis_core::sabotaged!("jwks.size") {
            return Err(Problem::Place(url.into(), "answers with more than 256 KiB"));
        }
        let text = String::from_utf8(body)
            .map_err(|_| Problem::Place(url.into(), "answers with something else than UTF-8"))?;
        Ok((text, lifetime))
    }

    fn reach_of(&self, url: &str) -> Result<(Url, Reach), Problem> {
        check_url(url, self.allows_local).map_err(|problem| Problem::Place(url.into(), problem))
    }
}

/// Why a retrieval brought no keys.
#[derive(Debug)]
pub(crate) enum Problem {
    Http(Box<str>, HttpError),
    Interrupted,
    Keys(Box<str>, UnusableSet),
    Late(Duration),
    Metadata(Box<str>, &'static str),
    NoRuntime,
    Place(Box<str>, &'static str),
    Status(Box<str>, StatusCode),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL of a key set may come from a document: `Shown` keeps it on one line.
        match self {
            Self::Http(url, error) => write!(f, "{} cannot be retrieved: {error}", Shown(url)),
            Self::Interrupted => f.write_str("the retrieval was interrupted"),
            Self::Keys(url, problem) => write!(f, "the key set {} {problem}", Shown(url)),
            Self::Late(limit) => write!(f, "the retrieval took longer than {limit:?}"),
            Self::Metadata(url, problem) => write!(f, "{}: {problem}", Shown(url)),
            Self::NoRuntime => {
                f.write_str("keys are retrieved in a tokio runtime, and none runs here")
            }
            Self::Place(url, problem) => write!(f, "{} {problem}", Shown(url)),
            Self::Status(url, status) => {
                let url = Shown(url);
                write!(f, "{url} answers with status {}", status.as_u16())?;
                if status.is_redirection() {
                    f.write_str("; redirects are not followed")?;
                }
                Ok(())
            }
        }
    }
}
