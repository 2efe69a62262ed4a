//! What reads the words of strangers, one target each. One more is a module here with a
//! `TARGET`, a line and a test in `main.rs`, and a folder in `corpus/`.

pub(crate) mod api_key;
pub(crate) mod api_key_record;
pub(crate) mod audit_log;
pub(crate) mod authorization;
pub(crate) mod certificate_header;
pub(crate) mod claims;
pub(crate) mod cookie;
pub(crate) mod dpop;
pub(crate) mod forwarded;
pub(crate) mod introspection;
pub(crate) mod key_set;
pub(crate) mod logout_token;
pub(crate) mod mcp_session;
pub(crate) mod path;
pub(crate) mod rpc_call;
pub(crate) mod security_event;
pub(crate) mod session;
pub(crate) mod token;
pub(crate) mod trace_parent;

mod json;
mod judged;
mod perimeter;
