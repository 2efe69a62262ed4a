//! Logouts that an OpenID provider tells of (OpenID Connect Back-Channel Logout 1.0).
//!
//! When a user logs out at the provider, it posts a *logout token* to each application that takes
//! part. [`BackChannelLogout`] receives it: sessions, streams and tokens of that login end here.
//!
//! ```
//! use portcullis_jwt::{BackChannelLogout, Issuer};
//! # struct Replays;
//! # impl portcullis_core::ReplayStore for Replays {
//! #     async fn take(&self, _: portcullis_core::ReplayOwner, _: portcullis_core::ReplayKey,
//! #         _: portcullis_core::Timestamp, _: portcullis_core::Timestamp)
//! #         -> Result<portcullis_core::Taken, portcullis_core::StoreError>
//! #     { Ok(portcullis_core::Taken::Fresh) }
//! #     fn is_volatile(&self) -> bool { true }
//! # }
//!
//! # #[cfg(not(feature = "reqwest"))] fn main() {}
//! # #[cfg(feature = "reqwest")]
//! # fn main() -> Result<(), portcullis_core::ConfigErrors> {
//! // `MemoryReplays` of `portcullis`, in earnest. A stack builds it: `add_notice_receiver(logout)`.
//! let logout = BackChannelLogout::new(Issuer::new("https://idp.example"), "notes-app", Replays);
//! # let site = portcullis_core::Site::new(std::sync::Arc::new(portcullis_core::SystemClock::new()));
//! # portcullis_core::IntoNoticeReceiver::into_notice_receiver(logout, &site)?;
//! # Ok(())
//! # }
//! ```
//!
//! Customised: at another path, for two client applications, with a store that several servers share.
//!
//! ```
//! use std::time::Duration;
//! use portcullis_core::Secret;
//! use portcullis_jwt::{BackChannelLogout, Issuer};
//! # struct Shared;
//! # impl portcullis_core::ReplayStore for Shared {
//! #     async fn take(&self, _: portcullis_core::ReplayOwner, _: portcullis_core::ReplayKey,
//! #         _: portcullis_core::Timestamp, _: portcullis_core::Timestamp)
//! #         -> Result<portcullis_core::Taken, portcullis_core::StoreError>
//! #     { Ok(portcullis_core::Taken::Fresh) }
//! # }
//!
//! # #[cfg(not(feature = "reqwest"))] fn main() {}
//! # #[cfg(feature = "reqwest")]
//! # fn main() -> Result<(), portcullis_core::ConfigErrors> {
//! let logout = BackChannelLogout::new(Issuer::new("https://idp.example"), "notes-app", Shared)
//!     .add_client("notes-cli")
//!     .with_path("/idp/logout")
//!     .with_key(Secret::new([7; 32]))
//!     .with_kept_for(Duration::from_secs(30 * 86_400));
//! # let site = portcullis_core::Site::new(std::sync::Arc::new(portcullis_core::SystemClock::new()));
//! # portcullis_core::IntoNoticeReceiver::into_notice_receiver(logout, &site)?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is checked
//!
//! In this order; whatever fails is answered 400, with a code of [`reason`] in the
//! record:
//!
//! 1. The body is a form with one `logout_token` (§2.5): one JWT, strictly read.
//! 2. Its `typ` is `logout+jwt`; see [`BackChannelLogout::with_legacy_typ`].
//! 3. `iss` is the issuer, `alg` is asymmetric and allowed, the signature is that of the issuer.
//! 4. `aud` names one of the clients; `iat` is not ahead; `exp` has not come, and is soon after.
//! 5. `events` is an object whose one member is
//!    `http://schemas.openid.net/event/backchannel-logout`, an object.
//! 6. There is no `nonce`, so no ID token is one; and there is a `sid`, a `sub`, or both.
//! 7. Its `jti` has not come before. This is looked at last, once the logout was carried out, so that
//!    no logout is lost to a store that fails in between.
//!
//! # What is over
//!
//! With a `sid`, that session at the issuer; otherwise everything of the `sub`. What was issued after
//! the logout token (`iat`) is not over: whoever has logged in again is in, also where the logout comes
//! late. That is told by `auth_time`; see `portcullis::revocation` for issuers that do not send it.
//!
//! # What is answered
//!
//! | | status | body |
//! |---|---|---|
//! | carried out | 200 | none |
//! | not a good logout token | 400 | `{"error":"invalid_request"}` |
//! | keys or stores cannot be had | 503, `Retry-After` | none |
//!
//! All with `Cache-Control: no-store` (§2.8). A provider may not try again after a 503: have stores that
//! are up, and short tokens.
//!
//! # The settings of the provider
//!
//! `backchannel_logout_uri` is the public URL of this server with the path, and
//! `backchannel_logout_session_required` is to be on. The access tokens have to carry `sid`, where one
//! session is to end and not all.

mod claims;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use http::{HeaderValue, StatusCode, header};
use portcullis_core::{
    AcceptedNotices, ConfigError, ConfigErrors, IntoNoticeReceiver, NotReady, Notice,
    NoticeDelivery, NoticeReceipt, NoticeReceiver, NoticeReply, ReasonCode, ReceiverDescription,
    RefusedNotices, ReplayStore, Secret, Site, Taken, Timestamp, sabotaged,
};

use self::claims::Rules;
use crate::{
    HttpClient, Issuer,
    http::DynHttpClient,
    jwt::{check_leeway, client_or_built_in},
    once::{Once, OnceSettings},
    reason,
    signed_notice::{Flaw, Kind, Signers},
};

/// The name in records.
const NAME: &str = "backchannel_logout";
/// How long what has ended is remembered, unless it is set.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(90 * 86_400);

/// The configuration of a receiver of logout tokens. See the [module docs](self).
///
/// Setters keep their mistakes; the stack that this is given to reports all of them.
#[must_use]
pub struct BackChannelLogout {
    issuer: Issuer,
    clients: Vec<Box<str>>,
    path: Box<str>,
    leeway: Duration,
    max_lifetime: Duration,
    kept_for: Duration,
    allows_legacy_typ: bool,
    once: OnceSettings,
    client: Option<Arc<dyn DynHttpClient>>,
}

impl BackChannelLogout {
    /// Logouts at this issuer, for the client application of this `client_id`, at the path
    /// `/backchannel-logout`. The store keeps which tokens have come: `MemoryReplays` of
    /// `portcullis` for one server, one that is shared for several.
    pub fn new(issuer: Issuer, client: impl Into<Box<str>>, replays: impl ReplayStore) -> Self {
        Self {
            issuer,
            clients: vec![client.into()],
            path: "/backchannel-logout".into(),
            leeway: Duration::from_secs(30),
            max_lifetime: Duration::from_mins(5),
            kept_for: KEPT_FOR,
            allows_legacy_typ: false,
            once: OnceSettings::new(replays),
            client: None,
        }
    }

    /// One more client application whose logouts come here.
    pub fn add_client(mut self, client: impl Into<Box<str>>) -> Self {
        self.clients.push(client.into());
        self
    }

    /// The path from the root of the server. `/backchannel-logout` by default.
    pub fn with_path(mut self, path: impl Into<Box<str>>) -> Self {
        self.path = path.into();
        self
    }

    /// How far the clocks of issuer and server may be apart: 30 seconds by default, at most 60.
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The longest time between `iat` and `exp`: five minutes by default; the specification
    /// recommends two (§2.4).
    pub fn with_max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// For how long a logout is remembered: as long as anything can live that it is to keep out,
    /// refresh tokens included. 90 days by default.
    pub fn with_kept_for(mut self, kept_for: Duration) -> Self {
        self.kept_for = kept_for;
        self
    }

    /// Takes tokens whose `typ` is `JWT` or missing, for issuers that send none: the
    /// specification recommends it only. What tells a logout token from an ID token is then its
    /// `events`, and that there is no `nonce`.
    pub fn with_legacy_typ(mut self) -> Self {
        self.allows_legacy_typ = true;
        self
    }

    /// The key under which the store finds what has come: at least 16 random bytes, the same on all
    /// servers that share the store. Without one, a store that outlasts the process is an error.
    pub fn with_key(mut self, key: Secret) -> Self {
        self.once.with_key(key);
        self
    }

    /// Retrieves keys with this client. It replaces the built-in one of the feature `reqwest`.
    pub fn with_http_client(mut self, client: impl HttpClient) -> Self {
        self.client = Some(Arc::new(client));
        self
    }
}

impl IntoNoticeReceiver for BackChannelLogout {
    type Receiver = LogoutReceiver;

    fn into_notice_receiver(self, site: &Site) -> Result<LogoutReceiver, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        check_leeway(self.leeway, &mut errors);
        let mut check = |setting, holds: bool, problem: &str| {
            if !holds {
                errors.push(ConfigError::new(setting, problem));
            }
        };
        check(
            "add_client",
            self.clients.iter().all(|client| !client.is_empty()),
            "names no client; give the `client_id` that the issuer knows this server by",
        );
        check(
            "with_max_lifetime",
            !self.max_lifetime.is_zero() && self.max_lifetime <= Duration::from_hours(1),
            "is zero or longer than an hour; a logout token is to be used at once",
        );
        check(
            "with_kept_for",
            !self.kept_for.is_zero(),
            "is zero, so that a logout would keep nobody out; give a lifetime",
        );
        let once = self.once.build(&mut errors);
        let client = client_or_built_in(self.client);
        let issuers = match self.issuer.build(site.clock(), client.as_ref()) {
            Ok(issuers) => issuers,
            Err(problems) => {
                errors.extend(problems);
                Vec::new()
            }
        };
        let Some(once) = once else {
            return Err(errors);
        };
        errors.into_result(LogoutReceiver {
            path: self.path,
            kind: Kind {
                typ: "logout+jwt",
                may_be_unspecific: self.allows_legacy_typ,
            },
            rules: Rules {
                clients: self.clients,
                leeway: self.leeway,
                max_lifetime: self.max_lifetime,
            },
            kept_for: self.kept_for,
            once,
            signers: Signers {
                issuers,
                clock: Arc::clone(site.clock()),
                name: NAME,
                signature_checks: AtomicU64::new(0),
            },
        })
    }
}

/// Receives logout tokens. Made from a [`BackChannelLogout`].
#[derive(Debug)]
pub struct LogoutReceiver {
    path: Box<str>,
    kind: Kind,
    rules: Rules,
    kept_for: Duration,
    once: Once,
    signers: Signers,
}

impl LogoutReceiver {
    async fn hear(&self, delivery: &NoticeDelivery<'_>) -> Result<AcceptedNotices, RefusedNotices> {
        let token = read_form(delivery).ok_or_else(|| bad(reason::LOGOUT_FORM))?;
        let opened = self.signers.open(&token, self.kind).await;
        let opened = opened.map_err(|flaw| match flaw {
            Flaw::Algorithm => bad(reason::LOGOUT_ALG),
            Flaw::Issuer => bad(reason::LOGOUT_ISSUER),
            Flaw::Key => bad(reason::LOGOUT_KEY),
            Flaw::Malformed => bad(reason::LOGOUT_MALFORMED),
            Flaw::Signature => bad(reason::LOGOUT_SIGNATURE),
            Flaw::Typ => bad(reason::LOGOUT_TYP),
            Flaw::Unavailable(delay) => unavailable(reason::LOGOUT_KEYS_UNAVAILABLE, delay),
        })?;
        let now = self.signers.clock.now();
        let logout =
            claims::read(&opened.payload, &opened.issuer, &self.rules, now).map_err(bad)?;
        let notice = Notice::new(logout.key)
            .with_time(logout.at)
            .with_kept_for(self.kept_for);
        let reply = NoticeReply::new(StatusCode::OK);
        let mark = self.once.mark(&opened.issuer, &logout.id, logout.until);
        Ok(AcceptedNotices::new(vec![notice], reason::LOGOUT_ACCEPTED, reply).with_mark(mark))
    }
}

impl NoticeReceiver for LogoutReceiver {
    fn describe(&self) -> ReceiverDescription {
        ReceiverDescription::new(NAME)
            .with_path(self.path.clone())
            .with_max_body(32 * 1024)
    }

    async fn receive(&self, delivery: &NoticeDelivery<'_>) -> NoticeReceipt {
        match self.hear(delivery).await {
            Ok(accepted) => NoticeReceipt::Accept(accepted),
            Err(refused) => NoticeReceipt::Refuse(refused),
        }
    }

    async fn confirm(
        &self,
        accepted: &AcceptedNotices,
        now: Timestamp,
    ) -> Result<(), RefusedNotices> {
        let retry = Duration::from_secs(1);
        let Some(mark) = accepted.mark() else {
            return Err(unavailable(reason::LOGOUT_REPLAYS_UNAVAILABLE, retry));
        };
        match self.once.take(mark, now).await {
            Ok(Taken::Fresh) => Ok(()),
            Ok(Taken::Seen) if sabotaged!("logout.replay") => Ok(()),
            Ok(Taken::Seen) => Err(bad(reason::LOGOUT_REPLAYED)),
            Ok(Taken::Full) => Err(unavailable(reason::LOGOUT_REPLAYS_FULL, retry)),
            // An answer that is not known here is no success.
            Ok(_) => Err(unavailable(reason::LOGOUT_REPLAYS_UNAVAILABLE, retry)),
            Err(problem) => {
                tracing::warn!(%problem, "the store of logout tokens cannot say what it holds");
                Err(unavailable(reason::LOGOUT_REPLAYS_UNAVAILABLE, retry))
            }
        }
    }

    async fn ready(&self) -> Result<(), NotReady> {
        self.signers.ready().await
    }

    async fn shutdown(&self) {
        self.signers.shutdown().await;
    }
}

/// The one `logout_token` of a form. Other fields are none of ours (§2.5).
fn read_form(delivery: &NoticeDelivery<'_>) -> Option<String> {
    if !delivery.is_of_type("application/x-www-form-urlencoded") {
        return None;
    }
    let mut tokens = url::form_urlencoded::parse(delivery.body())
        .filter_map(|(name, value)| (name == "logout_token").then_some(value));
    let token = tokens.next()?;
    tokens.next().is_none().then(|| token.into_owned())
}

fn bad(code: ReasonCode) -> RefusedNotices {
    reason::note(code);
    let reply = NoticeReply::json(StatusCode::BAD_REQUEST, r#"{"error":"invalid_request"}"#);
    RefusedNotices::new(code, reply)
}

/// Nobody can say now.
pub(crate) fn unavailable(code: ReasonCode, delay: Duration) -> RefusedNotices {
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    let reply = NoticeReply::new(StatusCode::SERVICE_UNAVAILABLE)
        .add_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    RefusedNotices::new(code, reply)
}

impl fmt::Debug for BackChannelLogout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackChannelLogout")
            .field("issuer", &self.issuer)
            .field("clients", &self.clients.len())
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
