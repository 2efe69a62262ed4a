//! What an operator sees: records, the span of each request, and problems.
//!
//! All of it is [`tracing`](https://docs.rs/tracing); none of it needs an exporter, and without a
//! subscriber that wants it, it costs next to nothing.
//!
//! | target | what | level |
//! |---|---|---|
//! | `portcullis::decision` | [records](crate::audit) as events, unless they go to another sink | INFO |
//! | `portcullis::request` | a span for each request | INFO |
//! | `portcullis` | what is wrong, or about to be, in words | TRACE to ERROR |
//!
//! # The span of a request
//!
//! The outermost of our layers makes one span for each request, called `request`. It is entered
//! while layers decide, while the handler runs, while the body of the answer is polled, and when
//! either of them is dropped. So each line that an agent logs while it streams says by its
//! `request_id` to which request it belongs, and that is the id in the records, and in what the
//! client was answered if it was refused. The span closes when the body has been dropped, which
//! servers do at its end or when the client has gone away, whoever keeps the
//! [`Exchange`](crate::Exchange) for longer.
//!
//! With the `fmt` layer of `tracing-subscriber`, a line of a handler begins like this, and goes on
//! with the rest of the fields and its own words:
//!
//! ```text
//! 2026-11-26T06:00:00Z  INFO request{otel.name="POST /chat" otel.kind="server" request_id=0192a5c0-…
//! ```
//!
//! The names are those of OpenTelemetry's
//! [conventions for HTTP servers](https://opentelemetry.io/docs/specs/semconv/http/http-spans/),
//! where these have one. A test holds the table against the code.
//!
//! | field | what it says | known |
//! |---|---|---|
//! | `otel.name` | the method and the route, `GET /notes/{id}`; without a route the method alone, `HTTP` if nobody knows it | at once |
//! | `otel.kind` | `server` | at once |
//! | `otel.status_code` | `ERROR`, beside `error.type` | when it fails |
//! | `http.request.method` | the method; `_OTHER` for one outside of RFC 9110, PATCH and QUERY | at once |
//! | `http.request.method_original` | what the client wrote, if that is `_OTHER` | at once |
//! | `url.path` | the path that the client asked for, also where a router has stripped a part of it | at once |
//! | `http.route` | the route that axum has matched (feature `axum`) | at once |
//! | `client.address` | where the request came from, with a [`perimeter`](crate::perimeter) | with that layer |
//! | `http.response.status_code` | the status that left the outermost of our layers; none if nobody waited for it | with the answer |
//! | `error.type` | of an answer of the gate's own with 500 or more, its [reason](crate::guide::answers); of a handler's, the status; `failed` where the service or the body ended with an error | when it fails |
//! | `session.id` | the id of the session, as in records; it opens nothing | with that layer |
//! | `user.id` | nothing, unless somebody says so: see below | never |
//! | `request_id` | the id of the request, as in records | at once |
//! | `trace_id` | the trace, if the client sent a [`traceparent`](crate::TraceParent) | at once |
//! | `parent_id` | the operation of the client in that trace | at once |
//!
//! What a stranger chose, paths and methods above all, is escaped and cut to 256 characters, as in
//! the events of records. `trace_id` and `parent_id` are a stranger's choice as well: they
//! correlate, and prove nothing.
//!
//! **What is not there.** No query, because credentials are put into it by mistake. No
//! `url.scheme` and no `server.address`: TLS is not ended here. No credential, and no name of a
//! caller: logs travel further than records, so `user.id` is left empty, and who called is found
//! by the `request_id` in the records, which are kept as such. Whoever wants it in every line says
//! so in a handler, or in a layer just inside the gate, while the span is the current one:
//!
//! ```
//! use portcullis::Exchange;
//! use tracing::Span;
//!
//! fn name_the_caller(exchange: &Exchange) {
//!     if let Some(principal) = exchange.principal() {
//!         // A subject is the issuer's choice; `?` escapes what a line must not hold.
//!         Span::current().record("user.id", tracing::field::debug(principal.subject()));
//!     }
//! }
//! ```
//!
//! # Tasks that a handler spawns
//!
//! A spawned task is in no span, as everywhere with `tracing`, unless it says so with
//! `tokio::spawn(work.in_current_span())` (of `tracing::Instrument`). The span then stays open
//! until the task is done, longer than the answer if need be. To run what ends with the session,
//! [`Session::run`](crate::Session::run) is the other half of that.
//!
//! # Turning it off
//!
//! By its target, in whatever filters your subscriber: `portcullis::request=off` in the words of
//! `EnvFilter`. Events inside then stand in whichever span is outside.
//!
//! # With `OpenTelemetry`
//!
//! `tracing-opentelemetry` takes the name, kind and status of its span from the `otel.` fields, and
//! the others as attributes. What it does not do by itself, and this crate cannot do for it without
//! depending on it, is to make the client's operation the *parent* of the span: by default each
//! request begins a trace of its own, with the client's ids as attributes beside it.
//!
//! To join the client's trace, decide so **outside** the gate, in a layer of yours that reads the
//! header with OpenTelemetry's propagator. Either it attaches what it has read while it calls the
//! gate (`Context::attach`; the span is made at the call, so the answer need not be polled with
//! it), and ours is the client's child. Or it makes a `tracing` span of its own, calls `set_parent`
//! on that and calls the gate in it, and ours is the child of that one. In a handler it is too late
//! to call `set_parent` on `Span::current()`: that span has been entered, and the answer is
//! `AlreadyStarted`. (All of this was tried with `tracing-opentelemetry` 0.34.)
//!
//! Join the traces of those whom you know. Who joins a stranger's lets him choose into which trace
//! is written, and by the sampled flag whether it is kept.
