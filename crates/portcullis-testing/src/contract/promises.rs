//! The promises, one by one.

use std::{fmt, future::Future, thread};

use http::{HeaderMap, HeaderName, HeaderValue, Request, header, request::Parts};
use portcullis_core::{Authenticator, Check, Evidence, ReasonCode, RequestView, Verdict};

use super::{Candidate, ask_view, block_on, corpus, within_a_minute};

/// Something that every authenticator owes. The macro
/// [`authenticator_contract!`](crate::authenticator_contract) makes one test of each.
///
/// # Example
///
/// ```
/// # use portcullis_core::{Check, Description, Evidence, EvidenceKind, RequestView, Verdict};
/// # use portcullis_testing::contract::{Candidate, Promise};
/// # struct Gullible;
/// # impl portcullis_core::Authenticator for Gullible {
/// #     fn describe(&self) -> Description { Description::bearer("gullible") }
/// #     fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
/// #         let evidence = Evidence::new(EvidenceKind::Standing, "gullible", "anybody");
/// #         Check::Done(if request.headers().is_empty() { Verdict::Absent } else { Verdict::accept(evidence) })
/// #     }
/// # }
/// let accepts_everything = || async {
///     let good = http::Request::builder().header("authorization", "Bearer open-sesame");
///     Candidate::new(Gullible, good.body(()).unwrap())
/// };
/// Promise::AcceptsTheGoodRequest.prove(accepts_everything());
///
/// let broken = std::panic::catch_unwind(|| Promise::NeverAcceptsGarbage.prove(accepts_everything()));
/// assert!(broken.is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Promise {
    /// A request without headers is `Absent`.
    AbsentWithoutCredentials,
    /// The good request is accepted also after all the garbage.
    AcceptsAgainAfterGarbage,
    /// It becomes ready, accepts the good request, with valid evidence, and with the same
    /// evidence again.
    AcceptsTheGoodRequest,
    /// Two threads and two tasks that ask at the same time get the same answer.
    AnswersAlikeWhenAskedAtOnce,
    /// The same request twice gets the same answer.
    AnswersAlikeWhenAskedTwice,
    /// The description is always the same, its name is a reason code, it names at least one
    /// header and none twice, and a scheme only for `Authorization`.
    DescribesItself,
    /// The good credential in two header lines is not accepted.
    NeverAcceptsADoubledCredential,
    /// A well-formed credential of somebody else is not accepted, and asks for nothing that
    /// is down.
    NeverAcceptsAForeignCredential,
    /// The good `Authorization` header, cut short, extended or changed in one place, is not
    /// accepted.
    NeverAcceptsATamperedCredential,
    /// Thousands of malformed headers bring no panic, no acceptance, and a proper reason.
    NeverAcceptsGarbage,
    /// A restricted request brings no panic, and nothing that is not accepted otherwise.
    TakesRestrictedRequests,
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::AbsentWithoutCredentials,
        Self::AcceptsAgainAfterGarbage,
        Self::AcceptsTheGoodRequest,
        Self::AnswersAlikeWhenAskedAtOnce,
        Self::AnswersAlikeWhenAskedTwice,
        Self::DescribesItself,
        Self::NeverAcceptsADoubledCredential,
        Self::NeverAcceptsAForeignCredential,
        Self::NeverAcceptsATamperedCredential,
        Self::NeverAcceptsGarbage,
        Self::TakesRestrictedRequests,
    ];

    /// Makes a candidate inside a runtime, and puts it to the test.
    ///
    /// # Panics
    ///
    /// The candidate breaks the promise: the message says with which request. Or it is called
    /// inside a runtime.
    pub fn prove<A: Authenticator>(self, candidate: impl Future<Output = Candidate<A>>) {
        block_on(async {
            let candidate = candidate.await;
            let ready = within_a_minute("ready", candidate.authenticator.ready()).await;
            assert!(ready.is_ok(), "the candidate is not ready: {ready:?}");
            self.prove_ready(&candidate).await;
        });
    }

    async fn prove_ready<A: Authenticator>(self, candidate: &Candidate<A>) {
        match self {
            Self::AbsentWithoutCredentials => candidate.is_absent_without_credentials().await,
            Self::AcceptsAgainAfterGarbage => candidate.accepts_again_after_garbage().await,
            Self::AcceptsTheGoodRequest => candidate.accepts_the_good_request().await,
            Self::AnswersAlikeWhenAskedAtOnce => candidate.answers_alike_at_once().await,
            Self::AnswersAlikeWhenAskedTwice => candidate.answers_alike_twice().await,
            Self::DescribesItself => candidate.describes_itself(),
            Self::NeverAcceptsADoubledCredential => candidate.refuses_doubled().await,
            Self::NeverAcceptsAForeignCredential => candidate.refuses_foreign().await,
            Self::NeverAcceptsATamperedCredential => candidate.refuses_tampered().await,
            Self::NeverAcceptsGarbage => candidate.refuses_garbage().await,
            Self::TakesRestrictedRequests => candidate.takes_restricted().await,
        }
    }
}

impl<A: Authenticator> Candidate<A> {
    async fn is_absent_without_credentials(&self) {
        let verdict = self.ask(&bare()).await;
        assert!(
            matches!(verdict, Verdict::Absent),
            "a request without headers should be `Absent`, and is {verdict:?}"
        );
    }

    async fn accepts_the_good_request(&self) {
        let first = self.accept().await;
        let valid = first.validate();
        assert!(valid.is_ok(), "the evidence is invalid: {valid:?}");
        let again = self.accept().await;
        assert_eq!(first, again, "the same request brought other evidence");
        let mut beside = self.good.clone();
        beside
            .headers
            .insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        let verdict = self.ask(&beside).await;
        assert!(
            matches!(&verdict, Verdict::Accept(evidence) if **evidence == first),
            "an unrelated header changed the answer to {verdict:?}"
        );
    }

    async fn accepts_again_after_garbage(&self) {
        let before = self.accept().await;
        for request in self.garbage() {
            drop(self.ask(&request).await);
        }
        assert_eq!(before, self.accept().await, "the garbage left a trace");
    }

    async fn answers_alike_twice(&self) {
        for request in self.samples() {
            let _shown = ShownOnPanic(&request);
            let (first, again) = (self.ask(&request).await, self.ask(&request).await);
            assert_eq!(
                kind(&first),
                kind(&again),
                "asked twice, it answers differently"
            );
        }
    }

    async fn answers_alike_at_once(&self) {
        // The companions stay behind: they need not go to another thread.
        let (authenticator, now) = (&self.authenticator, self.now);
        for request in self.samples() {
            let _shown = ShownOnPanic(&request);
            let (one, other) = tokio::join!(self.ask(&request), self.ask(&request));
            assert_eq!(
                kind(&one),
                kind(&other),
                "asked by two tasks, it answers differently"
            );
            let check = || match authenticator.check(&RequestView::new(&request, now)) {
                Check::Done(verdict) => kind(&verdict),
                Check::NeedsIo => "`NeedsIo`",
            };
            thread::scope(|scope| {
                let threads = [scope.spawn(check), scope.spawn(check)];
                let [one, other] = threads.map(|thread| thread.join().unwrap_or("a panic"));
                assert!(
                    one == other && one != "a panic",
                    "asked by two threads, it answers {one} and {other}"
                );
            });
        }
    }

    fn describes_itself(&self) {
        let (described, again) = (self.authenticator.describe(), self.authenticator.describe());
        assert_eq!(
            format!("{described:?}"),
            format!("{again:?}"),
            "the description changes"
        );
        let name = described.name();
        assert_eq!(
            ReasonCode::new(name).as_str(),
            name,
            "the name is no reason code"
        );
        let headers = described.headers();
        assert!(!headers.is_empty(), "no header is named");
        for (n, header) in headers.iter().enumerate() {
            let earlier = headers.iter().take(n);
            assert!(
                !earlier.into_iter().any(|other| other == header),
                "`{header}` is named twice"
            );
        }
        let is_authorization = headers.first() == Some(&header::AUTHORIZATION);
        match described.scheme() {
            Some(scheme) => assert!(
                is_authorization && HeaderName::try_from(scheme).is_ok(),
                "the scheme {scheme:?} goes with `authorization` as the first header only"
            ),
            None => assert!(!is_authorization, "`authorization` needs a scheme"),
        }
        let servers: Vec<_> = described.authorization_servers().collect();
        for (n, server) in servers.iter().enumerate() {
            assert!(
                !server.is_empty() && !servers.iter().take(n).any(|other| other == server),
                "the authorization server {server:?} is empty or there twice"
            );
        }
        let carried = |name| self.good.headers.contains_key(name);
        assert!(
            headers.iter().any(carried),
            "the good request has none of the headers {headers:?}: is the list complete?"
        );
    }

    async fn refuses_doubled(&self) {
        drop(self.accept().await);
        for name in self.authenticator.describe().headers() {
            if let Some(value) = self.good.headers.get(name) {
                let mut request = self.good.clone();
                request.headers.append(name, value.clone());
                self.refuse(&request).await;
                request.headers.insert(name, value.clone());
                request
                    .headers
                    .append(name, HeaderValue::from_static("Bearer x"));
                self.refuse(&request).await;
            }
        }
    }

    async fn refuses_foreign(&self) {
        for value in corpus::foreign() {
            self.refuse(&with_header(bare(), header::AUTHORIZATION, value))
                .await;
        }
    }

    async fn refuses_tampered(&self) {
        let before = self.accept().await;
        let good = self.good.headers.get(header::AUTHORIZATION);
        for bytes in good
            .into_iter()
            .flat_map(|value| tampered(value.as_bytes()))
        {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let request = with_header(self.good.clone(), header::AUTHORIZATION, value);
                self.refuse(&request).await;
            }
        }
        assert_eq!(before, self.accept().await);
    }

    async fn refuses_garbage(&self) {
        for request in self.garbage() {
            self.refuse(&request).await;
        }
    }

    async fn takes_restricted(&self) {
        let mut requests = self.samples();
        requests.extend(self.garbage());
        for request in &requests {
            let _shown = ShownOnPanic(request);
            let view = RequestView::new(request, self.now).with_restriction(true);
            if let Check::Done(Verdict::Accept(evidence)) = self.authenticator.check(&view) {
                let verdict = self.ask(request).await;
                assert!(
                    matches!(&verdict, Verdict::Accept(same) if *same == evidence),
                    "accepted when restricted, and otherwise {}",
                    kind(&verdict)
                );
            }
        }
        // What is good stays good afterwards, and a known credential is no error.
        drop(self.accept().await);
        let view = RequestView::new(&self.good, self.now).with_restriction(true);
        let answer = self.authenticator.check(&view);
        assert!(
            matches!(answer, Check::NeedsIo | Check::Done(Verdict::Accept(_))),
            "the good request, restricted, should be accepted or left open, and is {answer:?}"
        );
    }

    async fn ask(&self, request: &Parts) -> Verdict {
        let _shown = ShownOnPanic(request);
        ask_view(&self.authenticator, &RequestView::new(request, self.now)).await
    }

    async fn accept(&self) -> Evidence {
        let verdict = self.ask(&self.good).await;
        assert!(
            matches!(verdict, Verdict::Accept(_)),
            "the good request should be accepted, and is {verdict:?}"
        );
        match verdict {
            Verdict::Accept(evidence) => (*evidence).clone(),
            _ => unreachable!(),
        }
    }

    /// Any answer but an acceptance or an excuse, with a reason that can be recorded.
    async fn refuse(&self, request: &Parts) {
        let verdict = self.ask(request).await;
        let _shown = ShownOnPanic(request);
        match &verdict {
            Verdict::Absent | Verdict::NotMine => {}
            Verdict::Reject(rejection) => assert_ne!(
                rejection.reason().as_str(),
                "unnamed_reason",
                "the rejection has no proper reason code"
            ),
            _ => assert!(
                matches!(verdict, Verdict::Reject(_)),
                "should be `Absent`, `NotMine` or `Reject`, and is {}",
                kind(&verdict)
            ),
        }
    }

    fn garbage(&self) -> Vec<Parts> {
        let mut names = self.authenticator.describe().headers().to_vec();
        if !names.contains(&header::AUTHORIZATION) {
            names.push(header::AUTHORIZATION);
        }
        let values = corpus::garbage();
        let each = |name: &HeaderName| {
            let with = |value: &HeaderValue| with_header(bare(), name.clone(), value.clone());
            values.iter().map(with).collect::<Vec<_>>()
        };
        names.iter().flat_map(each).collect()
    }

    fn samples(&self) -> Vec<Parts> {
        let foreign = corpus::foreign();
        let with = |value| with_header(bare(), header::AUTHORIZATION, value);
        [bare(), self.good.clone()]
            .into_iter()
            .chain(foreign.into_iter().map(with))
            .chain(self.garbage().into_iter().step_by(50))
            .collect()
    }
}

fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accept(_) => "`Accept`",
        Verdict::Absent => "`Absent`",
        Verdict::NotMine => "`NotMine`",
        Verdict::Reject(_) => "`Reject`",
        Verdict::Spent(_) => "`Spent`",
        Verdict::Unavailable(_) => "`Unavailable`",
        _ => "unknown",
    }
}

fn bare() -> Parts {
    Request::new(()).into_parts().0
}

fn with_header(mut request: Parts, name: HeaderName, value: HeaderValue) -> Parts {
    request.headers.insert(name, value);
    request
}

/// The value cut short, extended, and changed in places all over its credentials.
fn tampered(value: &[u8]) -> Vec<Vec<u8>> {
    let scheme = value
        .iter()
        .position(|byte| *byte == b' ')
        .map_or(0, |space| space + 1);
    let credentials = value.len() - scheme;
    let mut all: Vec<Vec<u8>> = [1, credentials / 2, credentials.saturating_sub(1)]
        .into_iter()
        .filter(|kept| *kept < credentials)
        .map(|kept| value.iter().take(scheme + kept).copied().collect())
        .collect();
    all.extend([&b"A"[..], b".", b"=", b"\xff"].map(|more| [value, more].concat()));
    for n in 0..32 {
        let mut changed = value.to_vec();
        if let Some(byte) = changed.get_mut(scheme + credentials * n / 32) {
            *byte = match *byte {
                b'a'..=b'z' => byte.to_ascii_uppercase(),
                b'A'..=b'Z' => byte.to_ascii_lowercase(),
                b'0'..=b'8' => *byte + 1,
                _ => b'0',
            };
        }
        all.push(changed);
    }
    all.retain(|changed| changed != value);
    all
}

/// Says which request it was when something panics: the panic itself may not know.
struct ShownOnPanic<'a>(&'a Parts);

impl Drop for ShownOnPanic<'_> {
    #[expect(
        clippy::print_stderr,
        reason = "a test that fails explains itself there"
    )]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("it was asked about {}", Shortened(&self.0.headers));
        }
    }
}

struct Shortened<'a>(&'a HeaderMap);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("a request without headers");
        }
        f.write_str("a request with")?;
        self.0.iter().try_for_each(|(name, value)| {
            let start = value.as_bytes().iter().take(200).copied();
            let text: Vec<u8> = start.flat_map(std::ascii::escape_default).collect();
            let text = String::from_utf8_lossy(&text);
            write!(f, "\n  {name}: {text} ({} bytes)", value.len())
        })
    }
}
