//! Composable Tower layers that decide who may talk to an agent, and write it down.
//!
//! For agent servers in Rust: MCP servers on rmcp, A2A agents, agents of your own with streaming
//! answers; on axum, or on any Tower service. A request comes through the layers with one identity,
//! which neither a handler nor a model can change.
//!
#![cfg_attr(
    all(feature = "api-keys", feature = "axum", feature = "jwt"),
    doc = "```"
)]
#![cfg_attr(
    not(all(feature = "api-keys", feature = "axum", feature = "jwt")),
    doc = "```ignore"
)]
//! # use axum::{Router, routing::post};
//! # use portcullis::{Principal, api_keys::{ApiKeys, KeyRing}, jwt::Jwt};
//! # async fn serve(
//! #     listener: tokio::net::TcpListener,
//! #     keys: KeyRing,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! async fn chat(principal: Principal) -> String {
//!     format!("hello {}", principal.subject())
//! }
//!
//! let (gate, handle) = portcullis::Stack::builder()
//!     .with_resource("https://agent.example/")               // who we are: audience, metadata
//!     .add_authenticator(Jwt::issuer("https://idp.example")) // keys by discovery
//!     .add_authenticator(ApiKeys::new(keys))
//!     .build()?;                                             // every problem of the settings at once
//! handle.ready().await?;                                     // the keys are there
//! axum::serve(listener, gate.guard(Router::new().route("/chat", post(chat)))).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Whoever has no good credential is answered 401 with a challenge that a client can follow, never
//! reaches `chat`, and stands in the record with a stable reason code.
//!
//! # The order of the layers
//!
//! One table, [`Slot`], says where each layer stands. [`Stack`] builds them in this order;
//! layers that are added one by one are checked against it on every request, and a layer that
//! stands where it must not is answered with 500, never with a pass.
//!
//! | slot, outside to inside | writes, once | refuses with |
//! |---|---|---|
//! | `perimeter` | client address, original path, body limit | 400 403 413 414 429 431 |
//! | `authn` | principal, or that the caller is anonymous | 400 401 403 429 503 |
//! | `session` | session, and its deadlines | 401 404 429 503 |
//! | `binding` | nothing: it compares | 401 503 |
//! | `quota` | nothing: it counts | 429 503 |
//! | `step_up` | requirements of operations | 400 401 403 |
//!
//! # Where to look
//!
//! | you want to | look at |
//! |---|---|
//! | begin | [`guide`] |
//! | guard a whole server | [`stack`] |
//! | add one layer to a service | [`perimeter`], [`authn`], [`session`], [`binding`], [`quota`], [`step_up`] |
//! | end what a caller began | [`session`] |
//! | say goodbye to streams in the words of MCP or A2A | [`goodbye`] |
//! | take a credential away before it ends | [`revocation`] |
//! | notice that a session has moved | [`binding`] |
//! | accept tokens of an identity provider | `jwt` (feature `jwt`) |
//! | accept API keys, issue and revoke them | `api_keys` (feature `api-keys`) |
//! | write an authenticator of your own | [`Authenticator`] |
//! | know in a handler who calls | [`Principal`], [`Exchange`], `extract` (feature `axum`) |
//! | show a model who calls | [`ActorView`] |
//! | require more for a route or an operation | [`step_up`] |
//! | ask for an operation while a handler is answering | [`authorize`], [`Permit`] |
//! | have requests not wait for stores that several servers share | [`signal`](signal#what-is-kept-of-stores) |
//! | keep sessions and revocations over a restart | `redb` (feature `redb`) |
//! | run it: be ready, count, shut down in order | [`guide::operation`], [`GateHandle`] |
//! | read what was decided | [`audit`], [`reason`] |
//! | find the lines of one request in logs and traces | [`guide::spans`] |
//! | keep it in files that show every change | `audit::log` (feature `audit-log`) |
//! | test your server | the module `guide` of the crate `portcullis-testing` |
//!
//! # Features
//!
//! None is on by default, and none changes what another does.
//!
//! - `api-keys`: API keys as an authenticator.
//! - `audit-log`: records in files whose lines are chained, and a verifier of them.
//! - `axum`: `Gate::guard`, the extractors, and the original path of nested routers.
//! - `jwt`: re-exports `portcullis-jwt`.
//! - `redis`: re-exports `portcullis-store-redis`.
//! - `postgres`: re-exports `portcullis-store-postgres`.
//! - `redb`: re-exports `portcullis-store-redb`.
//! - `tls`: re-exports `portcullis-tls`.
//! - `metrics`: hands the counters to the facade `metrics`.
//! - `full`: all of these but `postgres` and `redis`, each of which brings a client of its server.
//!
//! # Not yet
//!
//! Approvals; browser login, passkeys, device-bound cookies, risk scoring; outbound credentials, the leak
//! guard, the operator's tool.
//! Heads of the audit log are given away, not signed; addresses stand in it whole.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod ambient;
#[cfg(feature = "api-keys")]
pub mod api_keys;
pub mod audit;
pub mod authn;
pub mod authorize;
pub mod binding;
mod cache;
mod challenge;
mod endpoints;
mod exchange;
#[cfg(feature = "axum")]
pub mod extract;
pub mod forwarded_user;
mod frame;
mod gcra;
pub mod goodbye;
pub mod guide;
mod json;
pub mod notices;
pub mod operator;
mod parts;
mod path;
mod peer;
pub mod perimeter;
mod principal;
pub mod quota;
pub mod reason;
mod refusal;
mod resource;
pub mod revocation;
mod route;
pub mod session;
pub mod signal;
pub mod stack;
pub mod step_up;
mod tasks;
mod time;

#[cfg(feature = "jwt")]
pub use portcullis_jwt as jwt;
#[cfg(feature = "postgres")]
pub use portcullis_store_postgres as postgres;
#[cfg(feature = "redb")]
pub use portcullis_store_redb as redb;
#[cfg(feature = "redis")]
pub use portcullis_store_redis as redis;
#[cfg(feature = "tls")]
pub use portcullis_tls as tls;

pub use portcullis_core::{
    Actor, Authenticator, Authorization, Check, Clock, ConfigError, ConfigErrors, Confirmation,
    Description, Evidence, EvidenceKind, IntoAuthenticator, IntoProofVerifier, InvalidEvidence,
    InvalidScope, InvalidTraceParent, MalformedAuthorization, NotReady, ParentId, PeerCertificate,
    ProofDescription, ProofRejection, ProofRejectionKind, ProofVerdict, ProofVerifier, ReasonCode,
    Rejection, RejectionKind, RequestId, RequestView, RevocationKey, Scopes, Secret, Site, Sleep,
    Spent, SystemClock, Timestamp, TraceId, TraceParent, Unavailable, Verdict, Withdrawal, entropy,
};

pub use crate::{
    authorize::{Authorize, Denial, Permit},
    endpoints::Endpoints,
    exchange::{Exchange, Slot},
    frame::{BodyError, RequestBody, ResponseBody, ResponseFuture},
    peer::{Peer, PeerAddress},
    principal::{ActorView, Principal},
    resource::ResourceDetails,
    session::Session,
    stack::{Gate, GateHandle, Stack},
};

/// Any error, boxed: what bodies of other crates may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[cfg(test)]
mod tests {
    use crate::Slot;

    #[test]
    fn the_table_in_the_documentation_is_the_table_in_the_code() {
        let rows: Vec<String> = Slot::ALL
            .into_iter()
            .map(|slot| {
                let statuses: Vec<_> = slot.refuses_with().iter().map(u16::to_string).collect();
                format!(
                    "//! | `{}` | {} | {} |",
                    slot.name(),
                    slot.writes(),
                    statuses.join(" ")
                )
            })
            .collect();
        let documented: Vec<&str> = include_str!("lib.rs")
            .lines()
            .filter(|line| {
                Slot::ALL
                    .iter()
                    .any(|slot| line.starts_with(&format!("//! | `{}` | ", slot.name())))
            })
            .collect();
        assert_eq!(documented, rows);
    }
}
