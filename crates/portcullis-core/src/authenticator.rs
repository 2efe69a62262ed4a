//! The plug-in that says who calls.

use std::{fmt, future::Future, sync::Arc};

use crate::{
    Check, Clock, ConfigErrors, Description, ReasonCode, RequestView, Unavailable, Verdict,
};

/// Says who calls, from the head of a request.
///
/// Authenticators are asked in the order in which they were added. [`Verdict::Absent`] and
/// [`Verdict::NotMine`] pass the question on; every other verdict ends it.
///
/// # What an implementation owes
///
/// - A credential of another kind or owner is `Absent` or `NotMine`, never `Reject`: another
///   authenticator may know it. The client sees no difference between a credential that nobody
///   knows and one that is rejected; the record does.
/// - An `Authorization` header that cannot be read is `Absent`: the layer has answered it by
///   then.
/// - The issuer of its evidence is its own: a URL of the issuer of tokens, otherwise a name
///   that no other authenticator uses. Who calls is the pair of issuer and subject.
/// - Whatever a stranger may send is answered with a verdict, never with a panic, and in time
///   and memory that its size bounds.
/// - Secrets are compared in constant time: [`Secret::matches`](crate::Secret::matches).
/// - No token text in `Debug`, logs or errors.
///
/// The macro `authenticator_contract!` of `portcullis-testing` tries these.
pub trait Authenticator: Send + Sync + 'static {
    /// What the layer has to know beforehand. Asked once, when the layer is built.
    fn describe(&self) -> Description;

    /// Looks at the request without doing I/O, and without waiting.
    ///
    /// What takes more than some microseconds, such as a hash that is slow on purpose, belongs
    /// into [`verify`](Self::verify), on a thread for such work.
    ///
    /// For a [restricted](RequestView::is_restricted) request, whose sender has been refused
    /// too often, only what is already known to be good should be accepted, and nothing costly
    /// be computed: answer [`Check::NeedsIo`], and the layer refuses the request without
    /// calling `verify`. So does whoever checks secrets that can be guessed: a table of
    /// passwords answers `NeedsIo` before it looks, and guessing comes to an end. Random keys
    /// need no such care. A credential that is another's is `NotMine` here as well, or the one
    /// who knows it is not asked.
    fn check(&self, request: &RequestView<'_>) -> Check<Verdict>;

    /// Looks again, and may do I/O. Called only after [`check`](Self::check) answered
    /// [`Check::NeedsIo`] to the same request, unless that is restricted.
    ///
    /// Without it, `NeedsIo` to a request that is not restricted is answered with 503, reason
    /// `authenticator_without_verify`.
    ///
    /// The future is dropped when the client goes away.
    fn verify(&self, request: &RequestView<'_>) -> impl Future<Output = Verdict> + Send {
        let _ = request;
        std::future::ready(Verdict::Unavailable(Unavailable::new(ReasonCode::new(
            "authenticator_without_verify",
        ))))
    }

    /// Completes when the authenticator can decide: its keys are loaded, its backend answers.
    ///
    /// Requests do not wait for this; it serves start-up.
    ///
    /// # Errors
    ///
    /// Says what is missing.
    fn ready(&self) -> impl Future<Output = Result<(), NotReady>> + Send {
        std::future::ready(Ok(()))
    }

    /// Ends the tasks of the authenticator, and completes when they have ended. Asked when the
    /// gate is shut down, after its last request: it is asked for no verdict after it. Where others
    /// have taken its place while the gate runs, it is asked a minute later, and only a request that
    /// has been waiting for all of that time may still want a verdict.
    fn shutdown(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// What can be added to a stack as an authenticator: an [`Authenticator`], or the
/// configuration of one.
///
/// The configuration's setters keep their mistakes; they come out here, all at once.
pub trait IntoAuthenticator {
    /// What comes out.
    type Authenticator: Authenticator;

    /// Builds the authenticator for the place where it will stand.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work.
    fn into_authenticator(self, site: &Site) -> Result<Self::Authenticator, ConfigErrors>;
}

impl<A: Authenticator> IntoAuthenticator for A {
    type Authenticator = A;

    fn into_authenticator(self, _site: &Site) -> Result<A, ConfigErrors> {
        Ok(self)
    }
}

/// The place where an authenticator will stand.
#[derive(Clone, Debug)]
#[must_use]
pub struct Site {
    clock: Arc<dyn Clock>,
    resource: Option<Arc<str>>,
}

impl Site {
    /// A place with a clock and without a resource identifier.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            resource: None,
        }
    }

    /// The identifier of the protected resource (RFC 9728 §1.2): the default audience.
    pub fn with_resource(mut self, resource: impl Into<Arc<str>>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// The clock of the stack.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The identifier of the protected resource.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }
}

/// What an authenticator still misses to decide.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotReady {
    name: &'static str,
    problem: Box<str>,
}

impl NotReady {
    /// The name of the authenticator, and what is missing: lower case, without secrets.
    #[must_use]
    pub fn new(name: &'static str, problem: impl Into<Box<str>>) -> Self {
        Self {
            name,
            problem: problem.into(),
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not ready: {}", self.name, self.problem)
    }
}

impl std::error::Error for NotReady {}
