//! Cookies: a second way to a session, for browsers.
//!
//! A cookie holds 256 random bits and where the session is kept; the record of the session holds a
//! keyed hash of the bits, and what its opener was let in by, sealed. So it leads to the record by
//! itself, and a store needs no other index.

mod authenticator;
mod issue;
mod jar;
mod settings;
mod site;
mod state;

pub(crate) use self::{
    authenticator::CookieAuthenticator,
    jar::{CookieId, Jar},
    settings::{Cookies, NAME},
    site::Site,
};
pub use self::{
    issue::CookieError,
    settings::{SameSite, SessionCookie},
};
pub(super) use self::{issue::Issuing, state::CookieState};
