//! What servers that share their stores tell each other.
//!
//! Where several servers keep sessions and revocations in one place, each request finds there what
//! was ended on another of them. What *runs* already does not ask with every byte: it is looked
//! after every 15 seconds where the store has to be asked. A [`SignalBus`] makes that a matter of
//! milliseconds: whoever ends or revokes something says where, and all others look there at once.
//!
//! ```
//! use portcullis::{Secret, Stack, session::{MemorySessions, SessionLayer}, signal::MemorySignals};
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Tokens;
//! # impl Authenticator for Tokens {
//! #     fn describe(&self) -> Description { Description::bearer("tokens") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let signals = MemorySignals::new(); // between servers: that of a store, such as `Redis::signals`
//! # let (sessions, key) = (std::sync::Arc::new(MemorySessions::default()), [7; 16]);
//! let session = SessionLayer::builder().with_store(sessions).with_key(Secret::new(key));
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Tokens)
//!     .with_session(session)
//!     .with_signals(signals)
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! Customised: what runs is cut where nobody could say for five seconds that it may go on.
//!
//! ```
//! use std::time::Duration;
//! use portcullis::{session::SessionLayer, signal::MemorySignals};
//!
//! # fn main() -> Result<(), portcullis::ConfigErrors> {
//! let layer = SessionLayer::builder()
//!     .with_signals(MemorySignals::new())
//!     .with_max_unconfirmed(Duration::from_secs(5))
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # A signal decides nothing
//!
//! It names a place by the keyed hash under which a store keeps it: neither an issuer nor a subject,
//! and not what became of it. Whoever hears it asks the store, which alone decides. So a signal that
//! comes twice, late, out of order or from somebody who has no business to send one costs a question,
//! and ends nobody; and one about a logout of yesterday does not end the login of today.
//!
//! # When a signal does not come
//!
//! A layer in which something runs asks the bus once a second whether it has
//! [caught up](SignalBus::catch_up). Where signals may have been missed (a connection was lost, there
//! were too many), everything that runs is looked after at once.
//!
//! | | bus works | bus down, store works | both down |
//! |---|---|---|---|
//! | new requests | as the store says | as the store says | 503 |
//! | what runs, by default (*best effort*) | ends at once | ends within 15 seconds | goes on, until its own deadlines |
//! | what runs, with [`with_max_unconfirmed`](crate::session::SessionBuilder::with_max_unconfirmed) (*strict*) | ends at once | ends within that time, or 15 seconds if that is less | is cut after that time, with `session_unconfirmed` |
//!
//! Where only the store is down, a bus that works says that nothing has happened, and what runs goes on;
//! once it has told of something, or of a gap, only the store can say that it was nothing.
//!
//! What ends by itself, by an idle hour or an expired token, needs no bus.
//!
//! # What is kept of stores
//!
//! A request asks the stores, all of them at once, and waits for one round trip. With a bus it need
//! not: `with_cache` of the stack, or of a layer, keeps what they have said of sessions and of
//! credentials, and a request that finds both asks nobody.
//!
//! ```
//! use portcullis::{session::SessionLayer, signal::MemorySignals};
//!
//! # fn main() -> Result<(), portcullis::ConfigErrors> {
//! let layer = SessionLayer::builder()
//!     .with_signals(MemorySignals::new())
//!     .with_cache(100_000) // so many sessions, 300 bytes each
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! What is kept only lets in. Whatever it would refuse (a session that looks idle, a credential that
//! looks revoked, a device that looks strange) is asked of the store first; and whatever changes
//! something, a login among it, is done on what the store has. Deadlines are held against the clock for
//! each request. An answer is dropped when a signal tells of its place, when anything was changed there
//! from this server, and all of them are after a gap. What a handler keeps in its session, and
//! whether a [call](crate::authorize) is permitted, is asked of the stores each time.
//!
//! So whoever was ended or revoked on *this* server is out here at once. On another one, a request of
//! his is let in by what is kept there for
//!
//! | | at most |
//! |---|---|
//! | while both hear the bus | until the signal is there: milliseconds |
//! | where the other one hears no bus, or nobody knows whether it does | [`with_max_unheard`](crate::stack::StackBuilder::with_max_unheard), two seconds by default |
//! | where this one could not publish, which it logs | 15 seconds |
//! | in either case, with [`with_max_unconfirmed`](crate::session::SessionBuilder::with_max_unconfirmed) (*strict*) | no longer than that |
//!
//! The bus has to say that it has caught up, and that has to be recent: while requests come, it is asked
//! twice a second, in the background. A request that finds that it was too long ago asks the stores, as
//! without a cache; so a bus that is dead or silent costs time, and lets nobody in. While the *store* is
//! down and the bus works, those who are known here are let in for 15 seconds more; and of one that has
//! lost what it kept, that is noticed when it is asked next, which is as late at most.

mod bus;
mod ear;
mod memory;

pub use portcullis_core::{Heard, Signal, SignalBus, SignalListener, SignalListeners};

pub use self::memory::MemorySignals;
pub(crate) use self::{
    bus::AnySignalBus,
    ear::{Places, Signals, publish},
};
