//! From nothing to a guarded agent, and what to know on the way. Only documentation.
//!
//! | page | for whom |
//! |---|---|
//! | [`first_gate`] | who has a router and wants it guarded, today |
//! | [`callers`] | who has users, machines, agents or a proxy in front, and wants each let in |
//! | [`possession`] | who fears that tokens are stolen |
//! | [`operation`] | who runs the server: readiness, counters, records, shutting down |
//! | [`stores`] | who chooses where sessions are kept, and asks what happens when that fails |
//! | [`answers`] | who sees a status and wants to know why |
//! | [`contract`] | who writes a client, or wants to know exactly what it is sent |
//! | [`spans`] | who reads its logs and traces |
//! | [`coming_from`] | who uses axum-login, tower-sessions or `tower_governor` |
//!
//! Each layer has a page of its own, with two examples, what it answers, and what it costs:
//! [`perimeter`](crate::perimeter), [`authn`](crate::authn), [`session`](crate::session),
//! [`binding`](crate::binding), [`quota`](crate::quota), [`step_up`](crate::step_up) and, for
//! what a handler does while it answers, [`authorize`](crate::authorize). The order they stand
//! in is the table on the [crate page](crate#the-order-of-the-layers). How to test an agent that
//! stands behind them is the guide of the crate `portcullis-testing`.

pub mod answers;
pub mod callers;
pub mod coming_from;
pub mod contract;
pub mod first_gate;
pub mod operation;
pub mod possession;
pub mod spans;
pub mod stores;
