//! Composable Tower layers that decide who may talk to an agent, and write it down.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod ambient;
//AK
//AM
pub mod audit;
pub mod authn;
mod endpoints;
mod exchange;
#[cfg(feature = "axum")]
pub mod extract;
mod frame;
mod path;
mod peer;
pub mod perimeter;
mod principal;
pub mod reason;
mod refusal;
mod resource;
pub mod stack;

#[cfg(feature = "jwt")]
pub use portcullis_jwt as jwt;

pub use portcullis_core::{
    Actor, Authenticator, Authorization, Check, Clock, ConfigError, ConfigErrors, Confirmation,
    Description, Evidence, EvidenceKind, IntoAuthenticator, InvalidEvidence, InvalidScope,
    MalformedAuthorization, NotReady, ReasonCode, Rejection, RejectionKind, RequestId, RequestView,
    RevocationKey, Scopes, Secret, Site, Sleep, SystemClock, Timestamp, Unavailable, Verdict,
};

pub use crate::{
    endpoints::Endpoints,
    exchange::{Exchange, Slot},
    frame::{BodyError, RequestBody, ResponseBody, ResponseFuture},
    peer::PeerAddress,
    principal::{ActorView, Principal},
    //S
};

/// Any error, boxed: what bodies of other crates may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
