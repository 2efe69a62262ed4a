//! For who knows axum-login, tower-sessions or `tower_governor`.
//!
//! Those are made for web sites: a browser, a cookie, a form. An agent server meets programs that
//! bring a token with every request, and answers that run for longer than a session should. What
//! you know has a counterpart here, with the differences that follow from that.
//!
//! # axum-login
//!
//! | there | here |
//! |---|---|
//! | `AuthnBackend::authenticate`, once, at the login form | an [`Authenticator`](crate::Authenticator), on every request; it returns [`Evidence`](crate::Evidence) |
//! | `AuthUser`, your type | [`Principal`](crate::Principal), which only the `authn` layer can make; look your own user up by its [`issuer`](crate::Principal::issuer) and [`subject`](crate::Principal::subject) |
//! | `AuthSession` as an extractor | `Principal` as an extractor, or `Option<Principal>` on an anonymous route |
//! | `login_required!` on some routes | everything is guarded; what is not is declared, route by route, with [`add_anonymous_route`](crate::stack::StackBuilder::add_anonymous_route) |
//! | `permission_required!` | [`add_route_requirement`](crate::step_up::StepUpBuilder::add_route_requirement), or [`Exchange::authorize`](crate::Exchange::authorize) where the thing is done |
//! | `session_auth_hash`, so that a changed password logs out | the issuer's `auth_time`, and [`GateHandle::end_sessions`](crate::GateHandle::end_sessions) |
//! | `logout` | [`Session::end`](crate::Session::end) |
//!
//! There is no login page. Where people log in is the identity provider's matter, and its tokens
//! are what comes here.
//!
//! # tower-sessions
//!
//! | there | here |
//! |---|---|
//! | a cookie with the session's id | no id at all: a session is found by [who calls](crate::session), so there is nothing to steal or to fix |
//! | `Expiry::OnInactivity` *or* a fixed end | [idle](crate::session::SessionBuilder::with_idle) *and* [absolute](crate::session::SessionBuilder::with_absolute), both always |
//! | a session is active when its data is written | a session is active while a request of it runs |
//! | `Session::insert("key", value)` | [`Session::put`](crate::Session::put) of a type that has a name: a [`SessionValue`](crate::session::SessionValue) |
//! | the last request to save wins | a change that meets another is tried again on what is there |
//! | `SessionStore::{create, save, load, delete}` | [`SessionStore::{load, commit, touch}`](crate::session::SessionStore): all sessions of one owner change together, or none, which is what makes a limit hold |
//! | `Session::flush` | [`Session::end`](crate::Session::end), which also ends what is running |
//! | an expired session is simply gone | what ended is remembered, so that the same login does not open it again |
//!
//! # `tower_governor`
//!
//! | there | here |
//! |---|---|
//! | `per_second`, `burst_size` | [`Quota`](crate::quota::Quota) |
//! | `KeyExtractor`: the peer, or a forwarded header | the principal and the client, once they are known: a caller cannot choose another key |
//! | every request counts, before anybody is known | before anybody is known only *refusals* count, by address: [`perimeter`](crate::perimeter) |
//! | a map that grows until `retain_recent` is called | a table of a fixed size |
//! | `x-ratelimit-*` headers | 429 with `Retry-After`, at least one second |
//!
//! The algorithm is the same one, and so is the crate behind it: governor's GCRA.
