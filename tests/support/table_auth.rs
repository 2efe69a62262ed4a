//! An authenticator whose every verdict a test can ask for by its token.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use portcullis::{
    Authenticator, Check, Confirmation, Description, Evidence, EvidenceKind, ReasonCode, Rejection,
    RequestView, Scopes, Timestamp, Unavailable, Verdict,
};
use portcullis_testing::clock::VirtualClock;

/// The issuer of all that [`TableAuth`] accepts.
pub const ISSUER: &str = "https://idp.example";

/// The name of [`TableAuth`] in records.
pub const NAME: &str = "table";

/// Answers by what the bearer token says.
///
/// | token | verdict |
/// |---|---|
/// | none | `Absent` |
/// | `good-NAME` | accepts `NAME` |
/// | `by-CLIENT-good-NAME` | accepts `NAME`, by way of that client |
/// | `scoped-NAME` | accepts `NAME`, with the scope `payments.write` |
/// | `strong-NAME` | the same, authenticated now, with `hwk`, as `phr` |
/// | `stale-NAME` | the same as `strong`, authenticated an hour ago |
/// | `weak-NAME` | the same as `strong`, as `pwd` |
/// | `machine-NAME` | a client application, with the scope `payments.write` |
/// | `bound-NAME` | accepts `NAME`, bound to a key that nobody has shown |
/// | `nameless` | accepts evidence without a subject |
/// | `bad` | rejects: `table_bad` |
/// | `garbled` | rejects as no credential at all: `table_garbled` |
/// | `down` | cannot say: `table_down`, come back in 7 s |
/// | `hang` | needs I/O that never ends |
/// | `panic` | panics |
/// | `timed-…` | the same for `…`, authenticated when the virtual clock starts |
/// | `io-…` | needs I/O, and then the same for `…` |
/// | anything else | `NotMine` |
///
/// Clones count together.
#[derive(Clone, Debug, Default)]
pub struct TableAuth {
    verified: Arc<AtomicUsize>,
}

impl TableAuth {
    /// Not asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How often it was asked to do I/O.
    #[must_use]
    pub fn verified(&self) -> usize {
        self.verified.load(Ordering::SeqCst)
    }
}

impl Authenticator for TableAuth {
    fn describe(&self) -> Description {
        Description::bearer(NAME).add_authorization_server(ISSUER)
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        match request.bearer() {
            None => Check::Done(Verdict::Absent),
            Some("hang") => Check::NeedsIo,
            Some(token) if token.starts_with("io-") => Check::NeedsIo,
            Some(token) => Check::Done(verdict(token, request.now())),
        }
    }

    async fn verify(&self, request: &RequestView<'_>) -> Verdict {
        self.verified.fetch_add(1, Ordering::SeqCst);
        match request.bearer() {
            Some("hang") => std::future::pending().await,
            Some(token) => {
                // Gives way once, so that the answer never comes at the first poll.
                tokio::task::yield_now().await;
                verdict(token.strip_prefix("io-").unwrap_or(token), request.now())
            }
            None => Verdict::Absent,
        }
    }
}

fn verdict(token: &str, now: Timestamp) -> Verdict {
    let (token, authenticated_at) = match token.strip_prefix("timed-") {
        Some(token) => (token, Some(VirtualClock::START)),
        None => (token, None),
    };
    let evidence = |subject: &str| {
        let evidence = Evidence::new(EvidenceKind::User, ISSUER, subject);
        match authenticated_at {
            Some(at) => evidence.with_auth_time(at).with_issued_at(at),
            None => evidence,
        }
    };
    if let Some(evidence) = granted(token, now) {
        return Verdict::accept(evidence.with_issued_at(now));
    }
    if let Some(subject) = token.strip_prefix("good-") {
        return Verdict::accept(evidence(subject));
    }
    if let Some((client, subject)) = token
        .strip_prefix("by-")
        .and_then(|rest| rest.split_once("-good-"))
    {
        return Verdict::accept(evidence(subject).with_client(client));
    }
    if let Some(subject) = token.strip_prefix("bound-") {
        let confirmation = Confirmation::default().with_jwk_thumbprint("thumb");
        return Verdict::accept(evidence(subject).with_confirmation(confirmation));
    }
    match token {
        "nameless" => Verdict::accept(evidence("")),
        "bad" => Verdict::Reject(Rejection::invalid_token(ReasonCode::new("table_bad"))),
        "garbled" => Verdict::Reject(Rejection::invalid_request(ReasonCode::new("table_garbled"))),
        "down" => Verdict::Unavailable(
            Unavailable::new(ReasonCode::new("table_down"))
                .with_retry_after(Duration::from_secs(7)),
        ),
        "panic" => unreachable!("the authenticator was told to panic"),
        _ => Verdict::NotMine,
    }
}

/// Callers with more than a name.
fn granted(token: &str, now: Timestamp) -> Option<Evidence> {
    let (kind, subject) = token.split_once('-')?;
    let scopes = Scopes::parse("payments.write").ok()?;
    let of = |kind| Evidence::new(kind, ISSUER, subject).with_scopes(scopes.clone());
    let strong = |acr: &str, age: u64| {
        of(EvidenceKind::User)
            .with_acr(acr)
            .add_amr("pwd")
            .add_amr("hwk")
            .with_auth_time(now - Duration::from_secs(age))
    };
    match kind {
        "scoped" => Some(of(EvidenceKind::User)),
        "strong" => Some(strong("phr", 0)),
        "stale" => Some(strong("phr", 3600)),
        "weak" => Some(strong("pwd", 0)),
        "machine" => Some(of(EvidenceKind::Client).with_client(subject)),
        _ => None,
    }
}
