//! What stores that have to be asked have said lately, for as long as a bus vouches for it.
//!
//! Two kinds of answers are kept: the record of a session (`session::cache`) and the latest
//! cut-off of a credential (`revocation::cache`). Both are made of the same parts:
//!
//! - [`Kept`]: a table with room for so many, and the time at which each answer was asked for;
//! - [`Marks`]: which answers are of no use any more, because something has changed since;
//! - [`Current`]: whether the bus has lately said that nothing was missed.

mod current;
#[cfg(test)]
mod interleavings;
mod kept;
mod marks;
mod settings;

pub(crate) use self::{
    current::{Asked, Current},
    kept::{Answer, Kept},
    marks::{Mark, Marks},
    settings::{Bounds, CacheSettings, cache_setters},
};
