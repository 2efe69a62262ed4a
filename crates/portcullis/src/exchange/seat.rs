//! What lies in request extensions: the one place that writes them.
//!
//! The seat is affine. Request extensions can be cloned by any middleware, so a clone of a
//! seat is dead: readers may still read from it, since `http::request::Parts` are handed to
//! tools in copies, but no layer accepts it as its own request.

use http::Extensions;

use super::Exchange;

/// The exchange's place in the extensions of the request it was made for.
pub(super) struct Seat {
    exchange: Exchange,
    is_live: bool,
}

impl Clone for Seat {
    fn clone(&self) -> Self {
        let is_live = portcullis_core::sabotaged!("exchange.seat") && self.is_live;
        Self {
            exchange: self.exchange.clone(),
            is_live,
        }
    }
}

impl Seat {
    /// Seats an exchange in the extensions of its request.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that seats an exchange"
    )]
    pub(super) fn install(extensions: &mut Extensions, exchange: Exchange) {
        extensions.insert(Self {
            exchange,
            is_live: true,
        });
    }

    pub(super) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }
}
