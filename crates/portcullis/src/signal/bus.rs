//! Signal buses behind one object-safe face.

use std::{future::Future, pin::Pin, sync::Weak};

use portcullis_core::{Signal, SignalBus, SignalListener, StoreError};

type Asking<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// The object-safe twin of [`SignalBus`], whose own async methods return opaque futures.
pub(crate) trait AnySignalBus: Send + Sync + 'static {
    fn subscribe(&self, listener: Weak<dyn SignalListener>);
    fn publish<'a>(&'a self, signals: &'a [Signal]) -> Asking<'a>;
    fn catch_up(&self) -> Asking<'_>;
}

impl<B: SignalBus> AnySignalBus for B {
    fn subscribe(&self, listener: Weak<dyn SignalListener>) {
        SignalBus::subscribe(self, listener);
    }

    fn publish<'a>(&'a self, signals: &'a [Signal]) -> Asking<'a> {
        Box::pin(SignalBus::publish(self, signals))
    }

    fn catch_up(&self) -> Asking<'_> {
        Box::pin(SignalBus::catch_up(self))
    }
}
