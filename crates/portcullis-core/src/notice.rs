//! The plug-in that hears what an issuer tells us: that something which it has issued is over.

mod delivery;
mod receipt;

use std::{future::Future, pin::Pin, time::Duration};

pub use self::{
    delivery::NoticeDelivery,
    receipt::{AcceptedNotices, NoticeMark, NoticeReceipt, NoticeReply, RefusedNotices},
};
use crate::{
    ConfigErrors, NotReady, Outcome, ReasonCode, RevocationKey, Site, StoreError, Timestamp,
};

/// That something is over: what, up to when, and for how long that has to be remembered.
///
/// Plain data, constructible by anybody. It takes effect where the gate was given the
/// [`NoticeReceiver`] that returned it, by the same way as a revocation of the operator.
///
/// # Example
///
/// ```
/// use portcullis_core::{Notice, RevocationKey, Timestamp};
///
/// // Alice has logged out of everything at ten past. Who has logged in since is in.
/// let logout = Notice::new(RevocationKey::Subject("https://idp.example".into(), "alice".into()))
///     .with_time(Timestamp::from_unix_seconds(1_767_226_200));
/// # let _ = logout;
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Notice {
    key: RevocationKey,
    time: Option<Timestamp>,
    kept_for: Option<Duration>,
}

impl Notice {
    /// What the key names is over.
    pub const fn new(key: RevocationKey) -> Self {
        Self {
            key,
            time: None,
            kept_for: None,
        }
    }

    /// When that came to be, on the issuer's clock: what was issued later is not over, however
    /// late the notice comes, and in whatever order. The time of the receipt by default.
    pub const fn with_time(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }

    /// For how long from the receipt it has to be remembered: as long as anything can live that it
    /// is to keep out. For ever by default.
    pub const fn with_kept_for(mut self, kept_for: Duration) -> Self {
        self.kept_for = Some(kept_for);
        self
    }

    /// What is over.
    #[must_use]
    pub const fn key(&self) -> &RevocationKey {
        &self.key
    }

    /// When that came to be.
    #[must_use]
    pub const fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// For how long it has to be remembered.
    #[must_use]
    pub const fn kept_for(&self) -> Option<Duration> {
        self.kept_for
    }
}

/// Hears what an issuer tells us: a logout, a credential that was taken away.
///
/// The gate reads the request, hands it over, carries out the notices that come back, and only
/// then answers: what is answered with a success is durable. What could not be carried out is
/// answered with 503, and the issuer may send it again. Whatever is refused costs the sender's
/// address what a bad credential costs.
///
/// # What an implementation owes
///
/// - It believes nobody: a notice is signed by the issuer, or comes by a way on which nobody else
///   can send one. An issuer speaks for what it has issued, and for nothing else.
/// - A notice has the time of what happened, and never that of its receipt: one that is late, or
///   comes twice, must not end what has begun since.
/// - The same delivery may come again, also where the first could not be carried out. It is no
///   error of the sender's, unless its protocol says so; a receiver that refuses it does so in
///   [`confirm`](Self::confirm), after the notices were carried out.
/// - Whatever a stranger may send is answered, never with a panic, and in time and memory that its
///   size bounds.
/// - Nothing of a token stands in `Debug`, logs or errors.
pub trait NoticeReceiver: Send + Sync + 'static {
    /// What the gate has to know beforehand. Asked once, when it is built.
    fn describe(&self) -> ReceiverDescription;

    /// Looks at one delivery.
    ///
    /// The future is dropped when the sender goes away.
    fn receive(&self, delivery: &NoticeDelivery<'_>) -> impl Future<Output = NoticeReceipt> + Send;

    /// Called when the notices of a delivery were carried out, before that is answered. The place
    /// to remember that it has been: whoever does so earlier loses a notice whose revocation fails.
    ///
    /// # Errors
    ///
    /// It is refused all the same, such as one that was carried out before.
    fn confirm(
        &self,
        accepted: &AcceptedNotices,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), RefusedNotices>> + Send {
        let _ = (accepted, now);
        std::future::ready(Ok(()))
    }

    /// What the receiver does beside: asking the issuer what there is, noticing that it has fallen
    /// silent. A task of the gate runs it, and drops it when the gate is shut down.
    fn attend(&self, desk: &dyn NoticeDesk) -> impl Future<Output = ()> + Send {
        let _ = desk;
        std::future::ready(())
    }

    /// Completes when the receiver can decide: its keys are loaded.
    ///
    /// # Errors
    ///
    /// Says what is missing.
    fn ready(&self) -> impl Future<Output = Result<(), NotReady>> + Send {
        std::future::ready(Ok(()))
    }

    /// Ends the tasks of the receiver, and completes when they have ended. Asked when the gate is
    /// shut down.
    fn shutdown(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Where a receiver that [attends](NoticeReceiver::attend) has things done.
pub trait NoticeDesk: Send + Sync {
    /// Carries out notices, and writes one record of that with the reason. What comes back is
    /// durable.
    fn carry_out<'a>(&'a self, notices: &'a [Notice], reason: ReasonCode) -> CarryingOut<'a>;

    /// Writes one record of something that needs nothing to be done: what was refused, that an
    /// issuer has fallen silent.
    fn report(&self, outcome: Outcome, reason: ReasonCode);
}

/// The future of [`NoticeDesk::carry_out`]. Its error: a store cannot say that it was done.
pub type CarryingOut<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// What can be given to a stack as a receiver of notices: a [`NoticeReceiver`], or the
/// configuration of one.
pub trait IntoNoticeReceiver {
    /// What comes out.
    type Receiver: NoticeReceiver;

    /// Builds the receiver for the place where it will stand.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work.
    fn into_notice_receiver(self, site: &Site) -> Result<Self::Receiver, ConfigErrors>;
}

impl<R: NoticeReceiver> IntoNoticeReceiver for R {
    type Receiver = R;

    fn into_notice_receiver(self, _site: &Site) -> Result<R, ConfigErrors> {
        Ok(self)
    }
}

/// What a [`NoticeReceiver`] declares about itself, once, when the gate is built.
#[derive(Clone, Debug)]
#[must_use]
pub struct ReceiverDescription {
    name: &'static str,
    path: Option<Box<str>>,
    max_body: usize,
}

impl ReceiverDescription {
    /// A receiver that asks by itself, and has no path. The name is for records: `[a-z0-9_]`.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            path: None,
            max_body: 64 * 1024,
        }
    }

    /// The path below the root of the server at which `POST` requests are for it.
    pub fn with_path(mut self, path: impl Into<Box<str>>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The most bytes that the body of a delivery may have: 64 KiB by default.
    pub const fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// The name in records.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The path of its deliveries.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The most bytes of a body.
    #[must_use]
    pub const fn max_body(&self) -> usize {
        self.max_body
    }
}
