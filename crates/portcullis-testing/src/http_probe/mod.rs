//! Small things that stand around a layer under test: inside it, outside it, and beside it.

mod body;
mod handler;
mod listener;
mod ready;

pub use self::{
    body::{ForeignBody, ForeignBytes, ForeignError, LocalBody, body_text},
    handler::HandlerProbe,
    listener::ConnectionTrap,
    ready::ReadyProbe,
};
