//! What a session store keeps, and what it owes.
//!
//! A store keeps records and decides nothing: how long a session lasts, what reopens one and
//! how many a principal may have is decided by the `session` layer of `portcullis`. So a store
//! needs to get one thing right, [`SessionStore::commit`]: all changes or none, and only if
//! nobody else has changed the owner's sessions in between.

mod binding;
mod bytes;
mod data;
mod record;
mod store;

pub use self::{
    binding::BindingReference,
    bytes::InvalidSessionBytes,
    data::{SessionData, StoredData},
    record::{EndReason, FamilyKey, OwnerKey, SessionId, SessionKey, SessionRecord, SessionState},
    store::{Change, Commit, Revision, SessionStore, Sessions, StoreError},
};
