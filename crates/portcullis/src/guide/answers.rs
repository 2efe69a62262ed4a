//! What a gate answers by itself, and why: every reason code with the statuses that it comes with.
//!
//! The client sees the status, a challenge where one would help, and
//! [problem+json](https://www.rfc-editor.org/rfc/rfc9457) with the title of the status and the id
//! of the record. The reason stands in the record and in [`stats`](crate::GateHandle::stats), and
//! nowhere in the response: it would tell an attacker which check to work on.
//!
//! Tests hold this page against what the layers do.
//!
//! | reason | status | from |
//! |---|---|---|
//! | `acr_insufficient` | 401 403 | `step_up` |
//! | `amr_insufficient` | 401 403 | `step_up` |
//! | `audit_unavailable` | 503 | the gate and `authorize`, with a strict audit sink |
//! | `auth_time_in_future` | 401 403 | `step_up` |
//! | `auth_time_missing` | 401 403 | `step_up` |
//! | `auth_too_old` | 401 403 | `step_up` |
//! | `authorization_malformed` | 400 | `authn` |
//! | `body_too_large` | 413 | `perimeter`, `notices`, `operator` |
//! | `budget_spent` | 429 | `perimeter`, `authn`, `notices` |
//! | `certificate_header_malformed` | 400 | `perimeter` |
//! | `certificate_unmet` | 401 | `authn` |
//! | `challenge_in_vain` | 403 | `step_up` |
//! | `connect_refused` | 400 | `perimeter` |
//! | `content_length_malformed` | 400 | `perimeter` |
//! | `confirmation_unmet` | 401 | `authn` |
//! | `credential_expired` | 401 | `authorize` |
//! | `credential_revoked` | 401 | `authn`, `session`, `authorize` |
//! | `credential_unknown` | 401 | `authn` |
//! | `credentials_missing` | 401 | `authn`, `step_up` |
//! | `credentials_of_two_kinds` | 400 | `authn` |
//! | `cross_site` | 403 | `authn`, of a cookie |
//! | `drift_device` | 401 | `binding` |
//! | `drift_network` | 401 | `binding` |
//! | `drift_user_agent` | 401 | `binding` |
//! | `evidence_invalid` | 401 | `authn` |
//! | `headers_too_large` | 431 | `perimeter` |
//! | `host_not_allowed` | 403 | `perimeter` |
//! | `mcp_session_unknown` | 404 | `session` |
//! | `mcp_session_unusable` | 500 | `session` |
//! | `method_too_long` | 400 | `perimeter` |
//! | `notice_method` | 405 | `notices` |
//! | `notice_store_unavailable` | 503 | `notices` |
//! | `notice_unread` | 400 408 | `notices` |
//! | `operation_unknown` | 403 | `authorize` |
//! | `operator_cookie` | 403 | `operator` |
//! | `operator_form` | 400 | `operator` |
//! | `operator_media_type` | 415 | `operator` |
//! | `operator_method` | 405 | `operator` |
//! | `operator_path` | 404 | `operator` |
//! | `operator_revoked` | 200 204 | `operator` |
//! | `operator_sessions_ended` | 200 | `operator` |
//! | `operator_token_unknown` | 200 | `operator` |
//! | `operator_token_unsupported` | 400 | `operator` |
//! | `operator_unavailable` | 503 | `operator` |
//! | `operator_unread` | 400 408 | `operator` |
//! | `origin_not_allowed` | 403 | `perimeter` |
//! | `path_ambiguous` | 400 | `perimeter`, `step_up` |
//! | `preflight` | 204 | `authn` |
//! | `proof_downgraded` | 401 | `authn` |
//! | `proof_of_unbound_credential` | 401 | `authn` |
//! | `quota_client` | 429 | `quota` |
//! | `quota_principal` | 429 | `quota` |
//! | `quota_store_unavailable` | 503 | `quota` |
//! | `resource_metadata` | 200 204 405 | the gate |
//! | `revocation_forgotten` | 401 | `authn`, `session`, `authorize` |
//! | `revocation_store_unavailable` | 503 | `authn`, `authorize` |
//! | `scope_missing` | 403 | `step_up` |
//! | `sender_constraint_missing` | 401 403 | `authn`, `step_up` |
//! | `session_absolute` | 401 | `session`, `authorize` |
//! | `session_cookie_ambiguous` | 400 | `authn` |
//! | `session_cookie_stale` | 401 | `authn` |
//! | `session_cookie_unknown` | 401 | `authn` |
//! | `session_credential_expired` | 401 | the gate, of a handler that has not answered |
//! | `session_data_unreadable` | 503 | `session`, where the handler has asked for what is kept; `authn`, of a cookie |
//! | `session_ended` | 401 | `session`, `authorize` |
//! | `session_forgotten` | 401 | `session` |
//! | `session_idle` | 401 | `session`, `authorize` |
//! | `session_limit` | 429 | `session` |
//! | `session_reauthentication` | 401 | `session`, `authorize` |
//! | `session_revoked` | 401 | `session`, `authorize` |
//! | `session_store_full` | 503 | `session` |
//! | `session_store_unavailable` | 503 | `authn`, of a cookie; `session`, `binding`, `authorize` |
//! | `session_streams` | 429 | `session` |
//! | `session_unconfirmed` | 503 | the gate, of a handler that has not answered |
//! | `shutting_down` | 503 | the gate, `authorize` |
//! | `stack_misordered` | 500 | the layer that stands where it must not |
//! | `step_up_missing` | 500 | `authorize` |
//! | `token_in_cookie` | 400 | `authn` |
//! | `token_in_query` | 400 | `authn` |
//! | `token_too_old` | 401 403 | `step_up` |
//! | `upgrade_refused` | 500 | `perimeter` |
//! | `upgrade_unwatched` | 500 | `perimeter` |
//! | `uri_too_long` | 414 | `perimeter` |
//!
//! An authenticator has codes of its own, with 400, 401 or 503. So have the
//! [receivers of notices](crate::notices) in `portcullis-jwt`:
//!
//! - 200: `logout_accepted`
//! - 202: `set_carried_out`, `set_critical`, `set_noted`, `set_repeated`, `set_stream_updated`,
//!   `set_subject_foreign`, `set_subject_unknown`, `set_unknown_event`, `set_verified`
//! - 400: `logout_alg`, `logout_audience`, `logout_claims`, `logout_events`, `logout_form`,
//!   `logout_issuer`, `logout_key`, `logout_malformed`, `logout_nonce`, `logout_replayed`,
//!   `logout_signature`, `logout_subject`, `logout_time`, `logout_typ`, `set_alg`, `set_audience`,
//!   `set_claims`, `set_events`, `set_exp`, `set_issuer`, `set_key`, `set_malformed`,
//!   `set_media_type`, `set_sender`, `set_signature`, `set_state`, `set_sub`, `set_subject`,
//!   `set_time`, `set_typ`
//! - 503: `logout_keys_unavailable`, `logout_replays_full`, `logout_replays_unavailable`,
//!   `set_keys_unavailable`
//! - no status, for nobody has asked: `set_fail_safe`, `set_poll_failed`, `set_silent`,
//!   `set_stream_disabled`, `set_stream_enabled`, `set_stream_paused`
//!
//! These are no answers; they stand in records of what was let in, and of what became of it:
//! `abandoned`, `admitted`, `admitted_anonymous`, `admitted_unidentified`, `completed`, `cut`,
//! `dropped`, `failed`, `permitted`, `session_opened`, `shut_down`.
