use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
};

use http::{HeaderName, Request};
use portcullis_core::{
    Check, Description, Evidence, EvidenceKind, ReasonCode, Rejection, RequestView, Secret,
    Unavailable,
};

use super::*;

fn evidence() -> Evidence {
    Evidence::new(EvidenceKind::Standing, "one_token", "robot")
}

fn reject() -> Verdict {
    Verdict::Reject(Rejection::invalid_token(ReasonCode::new(
        "one_token_unknown",
    )))
}

/// Keeps all promises; the field says after how many looks it needs I/O.
struct OneToken {
    secret: Secret,
    asks: bool,
}

impl OneToken {
    fn new(asks: bool) -> Self {
        Self {
            secret: Secret::from("one_abcdefghijklmnop"),
            asks,
        }
    }

    fn judge(&self, request: &RequestView<'_>) -> Verdict {
        match request.bearer() {
            None => Verdict::Absent,
            Some(token) if !token.starts_with("one_") => Verdict::NotMine,
            Some(token) if self.secret.matches(token.as_bytes()) => Verdict::accept(evidence()),
            Some(_) => reject(),
        }
    }
}

impl Authenticator for OneToken {
    fn describe(&self) -> Description {
        Description::bearer("one_token")
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        if self.asks && request.bearer().is_some() {
            return Check::NeedsIo;
        }
        Check::Done(self.judge(request))
    }

    async fn verify(&self, request: &RequestView<'_>) -> Verdict {
        tokio::task::yield_now().await;
        self.judge(request)
    }
}

/// One header of its own.
struct OneHeader;

const KEY: HeaderName = HeaderName::from_static("x-one-key");

impl Authenticator for OneHeader {
    fn describe(&self) -> Description {
        Description::header("one_header", KEY)
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        Check::Done(if request.headers().get(&KEY).is_none() {
            Verdict::Absent
        } else if request.single_header(&KEY).is_some_and(|key| key == "abc") {
            Verdict::accept(evidence())
        } else {
            reject()
        })
    }
}

fn bearer() -> Request<()> {
    let request = Request::builder().header("authorization", "Bearer one_abcdefghijklmnop");
    request.body(()).unwrap()
}

crate::authenticator_contract!(without_io, async {
    Candidate::new(OneToken::new(false), bearer())
});

crate::authenticator_contract!(with_io, async {
    Candidate::new(OneToken::new(true), bearer()).with_companion("a server")
});

crate::authenticator_contract!(own_header, async {
    Candidate::new(
        OneHeader,
        Request::builder().header(KEY, "abc").body(()).unwrap(),
    )
});

/// Breaks promises in the way it is told.
struct Broken<F>(Description, F);

impl<F: Fn(&RequestView<'_>) -> Verdict + Send + Sync + 'static> Authenticator for Broken<F> {
    fn describe(&self) -> Description {
        self.0.clone()
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        Check::Done((self.1)(request))
    }
}

/// The promises that this one breaks.
fn broken_by<F: Fn(&RequestView<'_>) -> Verdict + Send + Sync + 'static>(
    describe: impl Fn() -> Description,
    answer: impl Fn() -> F,
) -> Vec<Promise> {
    let breaks = |promise: &Promise| {
        let prove = || {
            promise.prove(async { Candidate::new(Broken(describe(), answer()), bearer()) });
        };
        catch_unwind(AssertUnwindSafe(prove)).is_err()
    };
    Promise::ALL
        .into_iter()
        .filter(|promise| breaks(promise))
        .collect()
}

fn described() -> Description {
    Description::bearer("broken")
}

fn honest(request: &RequestView<'_>) -> Verdict {
    OneToken::new(false).judge(request)
}

#[test]
fn an_honest_one_breaks_nothing() {
    assert_eq!(broken_by(described, || honest), []);
}

#[test]
fn each_broken_promise_is_noticed() {
    use Promise::*;

    let first_line_only = || {
        |request: &RequestView<'_>| match request.headers().get("authorization") {
            Some(value) if value == "Bearer one_abcdefghijklmnop" => Verdict::accept(evidence()),
            Some(_) => Verdict::NotMine,
            None => Verdict::Absent,
        }
    };
    assert_eq!(
        broken_by(described, first_line_only),
        [NeverAcceptsADoubledCredential]
    );

    let prefix_only = || {
        |request: &RequestView<'_>| match request.bearer() {
            Some(token) if token.starts_with("one_") => Verdict::accept(evidence()),
            Some(_) => reject(),
            None => Verdict::Absent,
        }
    };
    assert_eq!(
        broken_by(described, prefix_only),
        [NeverAcceptsATamperedCredential]
    );

    let rejects_emptiness = || {
        |request: &RequestView<'_>| match honest(request) {
            Verdict::Absent if request.headers().is_empty() => reject(),
            verdict => verdict,
        }
    };
    assert_eq!(
        broken_by(described, rejects_emptiness),
        [AbsentWithoutCredentials]
    );

    let down = || {
        |request: &RequestView<'_>| match honest(request) {
            Verdict::NotMine => Verdict::Unavailable(Unavailable::new(ReasonCode::new("down"))),
            verdict => verdict,
        }
    };
    assert_eq!(
        broken_by(described, down),
        [
            NeverAcceptsAForeignCredential,
            NeverAcceptsATamperedCredential,
            NeverAcceptsGarbage,
        ]
    );

    let panics = || {
        |request: &RequestView<'_>| {
            if let Some(value) = request.headers().get("authorization") {
                let _ = &value.as_bytes()[..3];
            }
            honest(request)
        }
    };
    assert!(broken_by(described, panics).contains(&NeverAcceptsGarbage));

    let fickle = || {
        let asked = AtomicUsize::new(0);
        move |request: &RequestView<'_>| match honest(request) {
            Verdict::NotMine if asked.fetch_add(1, Ordering::Relaxed) % 2 == 1 => reject(),
            verdict => verdict,
        }
    };
    let broken = broken_by(described, fickle);
    assert!(broken.contains(&AnswersAlikeWhenAskedTwice), "{broken:?}");
    assert!(broken.contains(&AnswersAlikeWhenAskedAtOnce), "{broken:?}");

    let tires = || {
        let asked = AtomicUsize::new(0);
        move |request: &RequestView<'_>| match honest(request) {
            Verdict::Accept(_) if asked.fetch_add(1, Ordering::Relaxed) > 0 => reject(),
            verdict => verdict,
        }
    };
    let broken = broken_by(described, tires);
    assert!(broken.contains(&AcceptsAgainAfterGarbage), "{broken:?}");
    assert!(broken.contains(&AcceptsTheGoodRequest), "{broken:?}");

    let lax_when_restricted = || {
        |request: &RequestView<'_>| match honest(request) {
            Verdict::NotMine if request.is_restricted() => Verdict::accept(evidence()),
            verdict => verdict,
        }
    };
    assert_eq!(
        broken_by(described, lax_when_restricted),
        [TakesRestrictedRequests]
    );

    for describe in [
        || Description::bearer("Not A Code"),
        || Description::header("broken", http::header::AUTHORIZATION),
        || described().add_header(http::header::AUTHORIZATION),
        || described().add_authorization_server(""),
    ] {
        assert_eq!(broken_by(describe, || honest), [DescribesItself]);
    }
}
