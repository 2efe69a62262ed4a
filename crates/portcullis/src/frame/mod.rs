//! The shell that every layer is made of.
//!
//! A layer is a list of steps. Each step decides on the head of a request, never on its body
//! type, so it is one function that is compiled once. What is generic is here: handing the
//! request on, the two body types and the future. A loose layer has one step; the gate has
//! them all in one list, so that five layers cost one exchange, one future and one pair of
//! bodies.

mod current;
mod doors;
mod flown;
mod future;
mod incoming;
mod layer;
mod presence;
mod request_body;
mod response_body;
mod service;
mod step;
mod steps;
mod tail;

pub(crate) use self::{
    current::CurrentSteps,
    doors::Doors,
    incoming::Receiving,
    layer::{shell_layer, shell_service},
    request_body::{KeepBody, RequestBodies, Unread, WrapBody, WrapOrReadBody},
    service::Shell,
    step::{Cutter, Decision, Pending, Receipt, Step},
    steps::{Passage, Steps},
};
pub use self::{
    future::ResponseFuture,
    request_body::RequestBody,
    response_body::{BodyError, ResponseBody},
};
