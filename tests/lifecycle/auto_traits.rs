//! What can be cloned, shared and sent. A change here breaks programs of users, often far
//! away from its cause.

use std::rc::Rc;

use http::{Request, Response};
use portcullis::{
    ActorView, Authorize, BodyError, Denial, Endpoints, Exchange, PeerAddress, Permit, Principal,
    RequestBody, ResponseBody,
    authn::{Authn, AuthnBuilder, AuthnLayer},
    binding::{BindingBuilder, BindingLayer, Bound, Reaction},
    perimeter::{Perimeter, PerimeterBuilder, PerimeterLayer},
    quota::{Metered, Quota, QuotaBuilder, QuotaLayer},
    revocation::{MemoryReplays, MemoryRevocations, Revocation, RevokeError},
    stack::{Complete, Gate, GateHandle, Gated, GuardedRouter, StackBuilder},
    step_up::{Requirement, StepUp, StepUpBuilder, StepUpLayer},
};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    echo::Echo,
    fixtures::{authn, authn_and_quota, binding, gate, perimeter, quota, session, step_up},
};
use static_assertions_of_this_file::{clone, send, sync, unpin};
use tower::{Layer as _, Service};

/// Each is a bound that the compiler checks.
mod static_assertions_of_this_file {
    pub(super) fn clone<T: Clone>() {}
    pub(super) fn send<T: Send>() {}
    pub(super) fn sync<T: Sync>() {}
    pub(super) fn unpin<T: Unpin>() {}
}

macro_rules! all_of {
    ($($bound:ident)+: $($type:ty),+ $(,)?) => {
        all_of!(@each [$($bound)+] $([$type])+);
    };
    (@each $bounds:tt $([$type:ty])+) => { $(all_of!(@one $bounds $type);)+ };
    (@one [$($bound:ident)+] $type:ty) => { $($bound::<$type>();)+ };
}

#[test]
fn layers_services_and_handles_go_anywhere() {
    all_of!(clone send sync unpin:
        AuthnLayer, PerimeterLayer, BindingLayer, QuotaLayer, StepUpLayer, Gate, GateHandle,
        GuardedRouter, Endpoints, Authn<Echo>, Perimeter<Echo>, Bound<Echo>, Metered<Echo>,
        StepUp<Echo>, Gated<Echo>, Exchange, Principal, ActorView, PeerAddress, Quota, Reaction,
        Requirement, Denial, Revocation,
    );
    all_of!(send sync unpin: MemoryReplays, MemoryRevocations, RevokeError);
}

#[test]
fn builders_can_be_sent() {
    all_of!(send:
        AuthnBuilder, PerimeterBuilder, BindingBuilder, QuotaBuilder, StepUpBuilder,
        StackBuilder<Complete>,
    );
}

#[test]
fn bodies_and_errors_are_as_the_inner_ones() {
    all_of!(send sync unpin: RequestBody<String>, ResponseBody<String>, BodyError);
}

/// What is asked for with arguments goes where these go, whether they can be shared or not.
#[test]
fn permits_and_their_futures_are_as_the_arguments() {
    use std::{cell::Cell, marker::PhantomPinned};

    all_of!(send sync unpin: Authorize<String>, Permit<String>);
    all_of!(send: Authorize<Cell<u8>>, Permit<Cell<u8>>);
    all_of!(unpin: Authorize<PhantomPinned>, Authorize<Rc<()>>);
}

/// The layer does not make a future `!Send`: hyper's and axum's are spawned.
#[test]
fn futures_can_be_sent_when_the_handlers_can() {
    fn future_is_send<S>(_: &S)
    where
        S: Service<Request<String>, Future: Send>,
    {
    }
    let audit = RecordingAudit::new();
    future_is_send(&authn(&audit).layer(Echo::new()));
    future_is_send(&perimeter(&audit).layer(Echo::new()));
    future_is_send(&session(&audit).layer(Echo::new()));
    future_is_send(&binding(&audit).layer(Echo::new()));
    future_is_send(&quota(&audit).layer(Echo::new()));
    future_is_send(&step_up(&audit).layer(Echo::new()));
    future_is_send(&gate(&audit).layer(Echo::new()));
    future_is_send(&authn_and_quota(&audit).layer(Echo::new()));
    future_is_send(&perimeter(&audit).layer(authn(&audit).layer(Echo::new())));
}

/// And it does not ask for what a thread-per-core server does not have: the whole service may
/// be tied to its thread.
#[test]
fn a_service_that_cannot_be_sent_is_a_service_all_the_same() {
    fn is_service<S: Service<Request<Rc<()>>>>(_: &S) {}
    async fn handler<B>(_: Request<B>) -> Result<Response<Rc<()>>, Rc<()>> {
        Ok(Response::new(Rc::new(())))
    }
    let audit = RecordingAudit::new();
    is_service(&authn(&audit).layer(tower::service_fn(handler)));
    is_service(&perimeter(&audit).layer(tower::service_fn(handler)));
    is_service(&session(&audit).layer(tower::service_fn(handler)));
    is_service(&binding(&audit).layer(tower::service_fn(handler)));
    is_service(&quota(&audit).layer(tower::service_fn(handler)));
    is_service(&step_up(&audit).layer(tower::service_fn(handler)));

    // The gate reads a body that is for itself, so there it has to be one.
    struct Tied(Rc<()>);
    impl http_body::Body for Tied {
        type Data = bytes::Bytes;
        type Error = Rc<()>;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Rc<()>>>> {
            std::task::Poll::Ready(Some(Err(Rc::clone(&self.0))))
        }
    }
    fn is_service_of_bodies<S: Service<Request<Tied>>>(_: &S) {}
    is_service_of_bodies(&gate(&audit).layer(tower::service_fn(handler)));
}
