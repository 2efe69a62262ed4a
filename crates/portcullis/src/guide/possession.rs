//! How to make a stolen token worthless.
//!
//! A bearer token is money: whoever has it, is its user. A token that is bound to a key is a cheque in
//! a name: the client proves in each request that it holds the key (DPoP, RFC 9449), or shows the
//! certificate that the token names (RFC 8705). The issuer writes into the token (`cnf`) what it is
//! bound to; the gate never takes a bound token for a bearer token.
//!
//! # Proofs of possession
//!
#![cfg_attr(feature = "jwt", doc = "```")]
#![cfg_attr(not(feature = "jwt"), doc = "```ignore")]
//! use portcullis::{
//!     Stack,
//!     jwt::{Dpop, Jwt},
//!     revocation::MemoryReplays,
//! };
//!
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://notes.example/")
//!     .add_authenticator(Jwt::issuer("https://idp.example"))
//!     .with_proof_of_possession(Dpop::new(MemoryReplays::default()))
//!     .build()?;
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! From then on a bound token is taken with a proof of its key, for this method and this URL, made now
//! and used once. Challenges and metadata say so, and clients that can will ask their issuer for bound
//! tokens. Unbound ones are still taken: see below.
//!
//! **The URL** is that under which clients know the server: the origin of the resource, never what a
//! request says of itself. Behind a proxy nothing has to be set for it.
//!
//! **Used proofs** are remembered for as long as they could be used. Several servers share the store,
//! and the key of its hashes; with a store of its own, each of them takes a proof once.
//!
//! # Nonces
//!
//! A proof is made with the client's clock, and whoever gets hold of the key for a moment can make
//! proofs for the minutes to come. With nonces, he cannot make them ahead for longer than a nonce
//! lives, and no clock of a client matters:
//!
#![cfg_attr(feature = "jwt", doc = "```")]
#![cfg_attr(not(feature = "jwt"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use portcullis::{Secret, jwt::Dpop, revocation::MemoryReplays};
//!
//! # let key = Secret::new([7; 32]);
//! let dpop = Dpop::new(MemoryReplays::default())
//!     .with_nonces(Duration::from_mins(5))
//!     // The same on every server, or each refuses the nonces of the others.
//!     .with_key(key);
//! # let _ = dpop;
//! ```
//!
//! A client without one is answered 401 with `use_dpop_nonce` and a `DPoP-Nonce`, and comes again; the
//! next nonce comes with an answer that it gets anyway.
//!
//! # Where a bound token is required
//!
//! Of everybody, or where the stakes are high:
//!
#![cfg_attr(feature = "jwt", doc = "```")]
#![cfg_attr(not(feature = "jwt"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use portcullis::{
//!     Stack,
//!     jwt::{Dpop, Jwt},
//!     revocation::MemoryReplays,
//!     step_up::{Requirement, StepUpLayer},
//! };
//!
//! let high_stakes = Requirement::new()
//!     .with_sender_constraint()
//!     // And young: what was copied an hour ago is of no use.
//!     .with_max_token_age(Duration::from_mins(5));
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://notes.example/")
//!     .add_authenticator(Jwt::issuer("https://idp.example"))
//!     .with_proof_of_possession(Dpop::new(MemoryReplays::default()))
//!     .with_step_up(StepUpLayer::builder().require("payments.transfer", high_stakes))
//!     // .require_sender_constraint()  // for everything
//!     .build()?;
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! An API key is bound to nothing: where a bound credential is required, it is refused.
//!
//! # Certificates
//!
//! A token with `x5t#S256` needs no setting: it is compared with the certificate of the connection, or
//! with the one that a trusted proxy hands on. What has to be there is that certificate: a
//! `tls::TlsListener`, or
//! [`with_certificate_header`](crate::perimeter::PerimeterBuilder::with_certificate_header). Tell
//! clients with
//! [`with_certificate_bound_tokens`](crate::ResourceDetails::with_certificate_bound_tokens). A
//! certificate that was renewed is another one, also with the same key: the client gets a new token.
//!
//! # What it does not protect from
//!
//! - Whoever is in the client while it runs: he has the key, or can have it sign.
//! - Another body: a proof is of method and URL, not of what is sent.
//! - A proxy that ends TLS sees token and proof. It can use a proof once, before the client does, and
//!   then the client is told that it was used.
//!
//! What the client is sent in each case is on the page
//! [`contract`](super::contract#possession).
