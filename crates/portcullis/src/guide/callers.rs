//! Every way in which a caller proves who it is, and how one endpoint takes several of them.
//!
//! | who calls | with | authenticator |
//! |---|---|---|
//! | an MCP client, a command line, an application of a user | a token that says itself what it is worth | `jwt::Jwt`; for known issuers (Auth0, Okta, Entra ID, Google, Cognito, Keycloak, OpenBao) a page each in `jwt::provider` |
//! | the same, of an issuer whose tokens are opaque | a token that its issuer is asked about | `jwt::Introspection` |
//! | a machine without a person | an API key | [`api_keys`](crate::api_keys) |
//! | another agent, a workload of a mesh | a certificate | `tls::ClientCertificates`, behind `tls::TlsListener` or a [proxy's header](crate::perimeter::CertificateHeader) |
//! | a browser behind single sign-on | what the proxy signs | `jwt::ProxyAssertion`, `jwt::AlbUserClaims` |
//! | the same, where the proxy signs nothing | a header of the proxy | [`forwarded_user`](crate::forwarded_user) |
//! | anybody else | whatever you can check | an [`Authenticator`](crate::Authenticator) of your own |
//!
//! All of them become the same [`Principal`](crate::Principal), by the same order of checks, and stand
//! in the same records. Whether a token is also bound to a key of its holder is on the page
//! [`possession`](super::possession).
//!
//! # Several on one endpoint
//!
//! Authenticators are asked in their order, and each passes on what is not its own: a JWT is known by
//! its form, an API key by its prefix, an opaque token by the prefix that you name. The last one may be
//! without; then it is asked about whatever nobody else knew.
//!
#![cfg_attr(all(feature = "jwt", feature = "api-keys"), doc = "```")]
#![cfg_attr(not(all(feature = "jwt", feature = "api-keys")), doc = "```ignore")]
//! use portcullis::{
//!     Secret, Stack,
//!     api_keys::{ApiKeys, KeyRing},
//!     jwt::{ClientCredentials, Introspection, Jwt},
//! };
//!
//! # let (pepper, secret) = (Secret::new([7; 32]), Secret::from("of this agent at the issuer"));
//! let agent = ClientCredentials::client_secret_basic("notes-agent", secret);
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://notes.example/")
//!     .add_authenticator(Jwt::issuer("https://idp.example"))
//!     .add_authenticator(ApiKeys::new(KeyRing::new("acme", &pepper)))
//!     // Whatever else comes is sent to the issuer: so it stands last.
//!     .add_authenticator(Introspection::new("https://other-idp.example", agent))
//!     .build()?;
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! A request with two credentials is refused: nobody should have to know which one counted. A
//! certificate is not counted as a second one: beside another it at most proves that that one is not
//! stolen.
//!
//! With all of them, the order is: `Jwt`, `ApiKeys`, `Introspection` (the last of those that read
//! `Authorization`), `ClientCertificates`.
//!
//! # One line for a provider
//!
#![cfg_attr(feature = "jwt", doc = "```")]
#![cfg_attr(not(feature = "jwt"), doc = "```ignore")]
//! use portcullis::jwt::{Issuer, Jwt};
//!
//! let auth0 = Jwt::new(Issuer::auth0("acme.eu.auth0.com"));
//! let entra = Jwt::new(Issuer::entra("0b53d2b7-a1f0-4e3c-8f6d-2f9a4c7e1d55"));
//! let keycloak = Jwt::new(Issuer::keycloak("https://id.example/realms/notes"));
//! let cognito = Jwt::new(Issuer::cognito("eu-central-1_a1B2c3D4e", ["5kx0iq6z7yh2"]));
//! ```
//!
//! # Behind single sign-on
//!
#![cfg_attr(feature = "jwt", doc = "```")]
#![cfg_attr(not(feature = "jwt"), doc = "```ignore")]
//! use portcullis::{Stack, jwt::ProxyAssertion};
//!
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://notes.example/")
//!     .add_authenticator(ProxyAssertion::pomerium("notes.example"))
//!     .build()?;
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! A session (`with_session`) that was idle begins anew with the next request: logging out, and having
//! somebody log in again, is the proxy's. Whoever is to be kept out is revoked
//! (`GateHandle::revoke`), which lasts for as long as the revocation is kept.
//!
//! # By certificate
//!
//! Trust the authorities of one trust domain, or of one issuer, and no others: each of them can name
//! everybody. Where a proxy has a certificate of its own, name that
//! (`PerimeterBuilder::add_proxy_certificate`), and the next one before it is renewed.
//!
#![cfg_attr(feature = "tls", doc = "```")]
#![cfg_attr(not(feature = "tls"), doc = "```ignore")]
//! use portcullis::{
//!     Stack,
//!     perimeter::{CertificateHeader, PerimeterLayer},
//!     tls::ClientCertificates,
//! };
//!
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://notes.example/")
//!     // TLS ends at an Envoy in this network.
//!     .with_perimeter(
//!         PerimeterLayer::builder()
//!             .add_trusted_proxy("10.0.0.0/8")
//!             .with_certificate_header(CertificateHeader::xfcc()),
//!     )
//!     .add_authenticator(ClientCertificates::spiffe("acme.example").add_path("/agents/"))
//!     .build()?;
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! # When a credential is refused
//!
//! The record has the reason, the log at `DEBUG` what it means, with the names of claims and settings
//! and no value; the client learns neither. Offline, each kind can be asked: `explain` of
//! `JwtAuthenticator`, of `IntrospectionAuthenticator` (which asks the issuer), of
//! `ClientCertificateAuthenticator`, of `AlbAuthenticator` and of the stores of API keys. For that,
//! build the authenticator yourself (`Jwt::build`, with a `Site` of the same resource as the stack's,
//! byte for byte) and give a clone of it to the stack. It knows what the authenticator decides, and
//! nothing of the gate: what was revoked there, or does not meet a requirement, is accepted by it.
