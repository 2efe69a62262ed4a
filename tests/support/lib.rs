//! What the tests of this workspace share.

pub mod answers;
pub mod api_key;
pub mod canaries;
pub mod desk;
pub mod echo;
pub mod fixtures;
pub mod folder;
pub mod forger;
pub mod heard;
pub mod kept;
pub mod kept_bytes;
pub mod logs;
pub mod metered;
pub mod node;
pub mod oidc_provider;
pub mod patience;
pub mod servers;
pub mod spans;
pub mod stores;
pub mod streams;
pub mod table_auth;
pub mod wire;
