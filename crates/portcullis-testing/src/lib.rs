//! For tests of agent servers that stand behind portcullis, and of plug-ins for it.
//!
//! Everything here is ordinary code for a `[dev-dependencies]` section. What cannot be set up
//! panics and says why; no published crate of portcullis depends on this one.
//!
//! | to | use |
//! |---|---|
//! | move time by hand | [`clock::VirtualClock`] |
//! | read what was decided | [`audit::RecordingAudit`] |
//! | have tokens, good and bad, and the keys behind them | [`identity_provider::IdentityProvider`] |
//! | prove an authenticator of your own | [`authenticator_contract!`] |
//! | prove a session store of your own | [`session_store_contract!`] |
//! | have callers without tokens | [`mock_auth::MockAuth`] |
//! | see whether a layer calls what it wraps, and how | [`http_probe`] |
//! | run a real server as the other side | [`counterpart::Counterpart`] |

pub mod audit;
pub mod clock;
pub mod contract;
pub mod counterpart;
pub mod http_probe;
pub mod identity_provider;
pub mod mock_auth;
pub mod store_contract;
