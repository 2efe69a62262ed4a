//! Receivers behind one object-safe face, and what they do beside.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::request::Parts;
use portcullis_core::{
    AcceptedNotices, ConfigError, ConfigErrors, IntoNoticeReceiver, NotReady, NoticeDelivery,
    NoticeReceipt, NoticeReceiver, ReasonCode, ReceiverDescription, RefusedNotices, Site,
    Timestamp,
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use crate::{
    exchange::{Exchange, Shared},
    path,
    revocation::Revoker,
    tasks::Tasks,
};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// The object-safe twin of [`NoticeReceiver`], whose own async methods return opaque futures.
pub(crate) trait AnyReceiver: Send + Sync + 'static {
    fn describe(&self) -> ReceiverDescription;
    fn receive(
        self: Arc<Self>,
        parts: Parts,
        exchange: Exchange,
        body: Bytes,
    ) -> Boxed<NoticeReceipt>;
    fn confirm(
        self: Arc<Self>,
        accepted: AcceptedNotices,
        now: Timestamp,
    ) -> Boxed<Result<(), RefusedNotices>>;
    fn attend(self: Arc<Self>, desk: Desk) -> Boxed<()>;
    fn ready(self: Arc<Self>) -> Boxed<Result<(), NotReady>>;
    fn shutdown(self: Arc<Self>) -> Boxed<()>;
}

struct Twin<R>(R);

impl<R: NoticeReceiver> AnyReceiver for Twin<R> {
    fn describe(&self) -> ReceiverDescription {
        self.0.describe()
    }

    fn receive(
        self: Arc<Self>,
        parts: Parts,
        exchange: Exchange,
        body: Bytes,
    ) -> Boxed<NoticeReceipt> {
        Box::pin(async move {
            let delivery = NoticeDelivery::new(exchange.view(&parts), &body);
            self.0.receive(&delivery).await
        })
    }

    fn confirm(
        self: Arc<Self>,
        accepted: AcceptedNotices,
        now: Timestamp,
    ) -> Boxed<Result<(), RefusedNotices>> {
        Box::pin(async move { self.0.confirm(&accepted, now).await })
    }

    fn attend(self: Arc<Self>, desk: Desk) -> Boxed<()> {
        Box::pin(async move { self.0.attend(&desk).await })
    }

    fn ready(self: Arc<Self>) -> Boxed<Result<(), NotReady>> {
        Box::pin(async move { self.0.ready().await })
    }

    fn shutdown(self: Arc<Self>) -> Boxed<()> {
        Box::pin(async move { self.0.shutdown().await })
    }
}

/// A receiver that waits for the place where it will stand.
type Planned = Box<dyn FnOnce(&Site) -> Result<Arc<dyn AnyReceiver>, ConfigErrors> + Send>;

/// The receivers that a stack was given.
#[derive(Default)]
pub(crate) struct NoticeSettings(Vec<Planned>);

impl NoticeSettings {
    pub(crate) fn add(&mut self, config: impl IntoNoticeReceiver + Send + 'static) {
        self.0.push(Box::new(move |site| {
            let receiver = config.into_notice_receiver(site)?;
            Ok(Arc::new(Twin(receiver)) as Arc<dyn AnyReceiver>)
        }));
    }

    /// Builds the receivers, for the place where they will stand.
    pub(crate) fn assemble(self, site: &Site) -> Result<Vec<Arc<dyn AnyReceiver>>, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let mut receivers = Vec::with_capacity(self.0.len());
        for planned in self.0 {
            match planned(site) {
                Ok(receiver) => receivers.push(receiver),
                Err(problems) => errors.extend(problems),
            }
        }
        check(&receivers, &mut errors);
        errors.into_result(receivers)
    }
}

fn check(receivers: &[Arc<dyn AnyReceiver>], errors: &mut ConfigErrors) {
    let mut complain =
        |problem: String| errors.push(ConfigError::new("add_notice_receiver", problem));
    let mut paths: Vec<Box<str>> = Vec::new();
    for description in receivers.iter().map(|receiver| receiver.describe()) {
        let name = description.name();
        if ReasonCode::new(name).as_str() != name {
            complain(format!(
                "`{}` is no name for records; use `[a-z0-9_]`",
                name.escape_debug()
            ));
        }
        let Some(path) = description.path() else {
            continue;
        };
        let is_path = path.len() > 1 && path.starts_with('/') && path::is_normal(path).is_ok();
        if !is_path || path.contains(['?', '#']) {
            complain(format!(
                "`{name}` has a path that is none below the root; give one like \
                 `/notices/idp`"
            ));
        }
        if paths.iter().any(|known| **known == *path) {
            complain(format!(
                "two receivers have the path of `{name}`; give each its own"
            ));
        }
        paths.push(path.into());
    }
}

/// The receivers of a gate.
pub(crate) struct Receivers {
    all: Vec<Arc<dyn AnyReceiver>>,
    revoker: Revoker,
    shared: Arc<Shared>,
    tasks: Tasks,
    /// Drops what they do beside.
    over: CancellationToken,
    /// Whether that has begun.
    is_attended: AtomicBool,
}

impl Receivers {
    pub(crate) fn new(
        all: Vec<Arc<dyn AnyReceiver>>,
        revoker: Revoker,
        shared: Arc<Shared>,
        tasks: Tasks,
    ) -> Self {
        Self {
            all,
            revoker,
            shared,
            tasks,
            over: CancellationToken::new(),
            is_attended: AtomicBool::new(false),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn AnyReceiver>> {
        self.all.iter()
    }

    pub(super) fn get(&self, index: usize) -> Option<&Arc<dyn AnyReceiver>> {
        self.all.get(index)
    }

    pub(super) fn revoker(&self) -> &Revoker {
        &self.revoker
    }

    /// Begins what the receivers do beside, where there is a runtime for it.
    pub(crate) fn attend(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.is_attended.swap(true, Ordering::AcqRel) {
            return;
        }
        for receiver in &self.all {
            let desk = Desk {
                revoker: self.revoker.clone(),
                shared: Arc::clone(&self.shared),
                name: receiver.describe().name(),
            };
            let attending = Arc::clone(receiver).attend(desk);
            let attending = self.over.clone().run_until_cancelled_owned(attending);
            drop(self.tasks.spawn_on(&runtime, attending));
        }
    }

    pub(crate) async fn ready(&self) -> Result<(), NotReady> {
        self.attend();
        for receiver in &self.all {
            Arc::clone(receiver).ready().await?;
        }
        Ok(())
    }

    /// Ends what the receivers do beside.
    pub(crate) fn stop(&self) {
        self.over.cancel();
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

impl fmt::Debug for Receivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.all.iter().map(|receiver| receiver.describe().name());
        f.debug_list().entries(names).finish()
    }
}
