//! What the gate answers in each situation, header by header.
//!
//! Each line of these tables is held against the answer of a real gate. `…` stands for the URL of the
//! [metadata](#metadata), `n` for a number of seconds that is at least one. One line of a challenge is
//! one header line. Every refusal has one record, and a body of
//! [problem+json](https://www.rfc-editor.org/rfc/rfc9457) with `type`, `title`, `status` and `instance`
//! and nothing else; the reason stands in the record, and is on the page [`answers`](super::answers).
//!
//! The gate of these tables takes tokens of an issuer and API keys, and asks for the scope
//! `notes.read`; where it is another, the line says so. What protocols above HTTP answer (JSON-RPC of
//! MCP, tasks of A2A) is the handler's.
//!
//! # Credentials
//!
//! A client that has none is told where to get one, and nothing of an error (RFC 6750 §3). One that
//! has a bad one is never told what is wrong with it.
//!
//! | situation | status | headers |
//! |---|---|---|
//! | no credential | 401 | `Bearer resource_metadata="…", scope="notes.read"`<br>`cache-control: no-store` |
//! | no credential, where proofs are taken | 401 | `Bearer resource_metadata="…", scope="notes.read"`<br>`DPoP algs="ES256 EdDSA", resource_metadata="…"`<br>`cache-control: no-store` |
//! | no credential, where there are API keys only | 401 | `Bearer realm="agent"`<br>`cache-control: no-store` |
//! | a bad API key there | 401 | `Bearer realm="agent", error="invalid_token", error_description="The access token is not valid"`<br>`cache-control: no-store` |
//! | two `Authorization` lines | 400 | `Bearer error="invalid_request"`<br>`cache-control: no-store` |
//! | a garbled `Authorization` | 400 | `Bearer error="invalid_request"`<br>`cache-control: no-store` |
//! | a token in a cookie | 400 | `Bearer error="invalid_request"`<br>`cache-control: no-store` |
//! | a token in the query | 400 | `Bearer error="invalid_request"`<br>`cache-control: no-store` |
//! | a token in a form | 401 | `Bearer resource_metadata="…", scope="notes.read"`<br>`cache-control: no-store` |
//! | credentials of two kinds | 400 | `Bearer error="invalid_request"`<br>`cache-control: no-store` |
//! | a forged token | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//! | an expired token | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//! | a token for another server | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//! | an ID token | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//! | an opaque token that is not active | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//! | a token that was revoked | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//! | a credential that nobody knows | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//!
//! # Possession
//!
//! Tokens that are bound to a key (RFC 9449) or a certificate (RFC 8705).
//!
//! | situation | status | headers |
//! |---|---|---|
//! | no proof | 401 | `DPoP error="invalid_dpop_proof", algs="ES256 EdDSA", resource_metadata="…"`<br>`cache-control: no-store` |
//! | two proofs | 401 | `DPoP error="invalid_dpop_proof", algs="ES256 EdDSA", resource_metadata="…"`<br>`cache-control: no-store` |
//! | a proof for another URL | 401 | `DPoP error="invalid_dpop_proof", algs="ES256 EdDSA", resource_metadata="…"`<br>`cache-control: no-store` |
//! | a proof that was used before | 401 | `DPoP error="invalid_dpop_proof", algs="ES256 EdDSA", resource_metadata="…"`<br>`cache-control: no-store` |
//! | a proof of another key | 401 | `Bearer resource_metadata="…", scope="notes.read"`<br>`DPoP error="invalid_token", error_description="The access token is not valid", algs="ES256 EdDSA", resource_metadata="…"`<br>`cache-control: no-store` |
//! | a bound token as `Bearer` | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`DPoP algs="ES256 EdDSA", resource_metadata="…"`<br>`cache-control: no-store` |
//! | an unbound token as `DPoP` | 401 | `Bearer resource_metadata="…", scope="notes.read"`<br>`DPoP error="invalid_token", error_description="The access token is not valid", algs="ES256 EdDSA", resource_metadata="…"`<br>`cache-control: no-store` |
//! | a proof without a nonce, where one is wanted | 401 | `DPoP error="use_dpop_nonce"`<br>`cache-control: no-store`<br>`dpop-nonce: <nonce>` |
//! | an unbound token, where a bound one is required | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`DPoP algs="ES256 EdDSA", resource_metadata="…"`<br>`cache-control: no-store` |
//! | a token that is bound to a certificate, without one | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//! | the same with another certificate | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//! | a bound token, where no proofs are taken | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//!
//! # Strength
//!
//! Scopes (RFC 6750), and how and when the user authenticated (RFC 9470). A client that could not do
//! what a challenge asks for is not sent round: it gets a plain 403.
//!
//! | situation | status | headers |
//! |---|---|---|
//! | a scope is missing | 403 | `Bearer error="insufficient_scope", scope="pay.read pay.write", resource_metadata="…", error_description="The request requires more scopes than the access token has"`<br>`cache-control: no-store` |
//! | the authentication is too weak | 401 | `Bearer error="insufficient_user_authentication", acr_values="phr", resource_metadata="…"`<br>`cache-control: no-store` |
//! | the authentication is too old | 401 | `Bearer error="insufficient_user_authentication", max_age="300", resource_metadata="…"`<br>`cache-control: no-store` |
//! | the token is too old for this | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//! | too weak, and it is no person's | 403 | `cache-control: no-store` |
//! | too weak, again and again | 403 | `cache-control: no-store` |
//!
//! # Sessions
//!
//! A user whose session is over can authenticate again; others need another credential.
//!
//! | situation | status | headers |
//! |---|---|---|
//! | a user's session was idle for too long | 401 | `Bearer error="insufficient_user_authentication", max_age="600", resource_metadata="…"`<br>`cache-control: no-store` |
//! | a client application's was | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//! | a session was revoked | 401 | `Bearer error="invalid_token", error_description="The access token is not valid", resource_metadata="…"`<br>`cache-control: no-store` |
//! | one session too many | 429 | `cache-control: no-store`<br>`retry-after: n` |
//! | a session on another device | 401 | `Bearer error="insufficient_user_authentication", max_age="0", resource_metadata="…"`<br>`cache-control: no-store` |
//! | the quota is spent | 429 | `cache-control: no-store`<br>`retry-after: n` |
//!
//! # Failures
//!
//! Never 401: clients would throw good tokens away, and all at once. Never 200.
//!
//! | situation | status | headers |
//! |---|---|---|
//! | the issuer's keys cannot be had | 503 | `cache-control: no-store`<br>`retry-after: n` |
//! | the issuer does not answer about an opaque token | 503 | `cache-control: no-store`<br>`retry-after: n` |
//! | the store of revocations fails | 503 | `cache-control: no-store`<br>`retry-after: n` |
//! | the store of sessions fails | 503 | `cache-control: no-store`<br>`retry-after: n` |
//! | the store of quotas fails | 503 | `cache-control: no-store`<br>`retry-after: n` |
//! | the gate is shut down | 503 | `cache-control: no-store`<br>`retry-after: n` |
//!
//! # Transport
//!
//! Before anybody asks who it is.
//!
//! | situation | status | headers |
//! |---|---|---|
//! | a CORS preflight | 204 | – |
//! | `Origin` is not allowed | 403 | `cache-control: no-store` |
//! | `Host` is missing | 403 | `cache-control: no-store` |
//! | `Host` is there twice | 403 | `cache-control: no-store` |
//! | `Host` is not allowed | 403 | `cache-control: no-store` |
//! | `CONNECT` | 400 | `cache-control: no-store` |
//! | a path that can be read in two ways | 400 | `cache-control: no-store` |
//! | a path with a slash in it | 400 | `cache-control: no-store` |
//! | the body is too large | 413 | `cache-control: no-store` |
//! | the URI is too long | 414 | `cache-control: no-store` |
//! | the headers are too large | 431 | `cache-control: no-store` |
//!
//! # Metadata
//!
//! For everybody, without a credential (RFC 9728 §3).
//!
//! | situation | status | headers |
//! |---|---|---|
//! | `GET` of the metadata | 200 | `access-control-allow-origin: *` |
//! | `HEAD` of the metadata | 200 | `access-control-allow-origin: *` |
//! | `OPTIONS` of the metadata | 204 | `access-control-allow-origin: *` |
//! | `POST` of the metadata | 405 | `allow: GET, HEAD, OPTIONS` |
//!
//! ## The document
//!
//! Of a gate that requires proofs and has [`ResourceDetails`](crate::ResourceDetails). It is made of
//! what the gate is, so that it cannot say anything else.
//!
//! | member | here | follows from |
//! |---|---|---|
//! | `authorization_servers` | `["https://idp.example"]` | the issuers of the authenticators that clients can get tokens for |
//! | `bearer_methods_supported` | `["header"]` | tokens are taken nowhere else |
//! | `dpop_bound_access_tokens_required` | `false` | `require_sender_constraint`, where neither certificates nor tokens that are bound to one can meet it |
//! | `dpop_signing_alg_values_supported` | `["ES256","EdDSA"]` | the algorithms of `with_proof_of_possession` |
//! | `resource` | `"https://agent.example/"` | `with_resource`, byte for byte |
//! | `resource_documentation` | `"https://agent.example/docs"` | `ResourceDetails` |
//! | `resource_name` | `"Notes"` | `ResourceDetails` |
//! | `resource_policy_uri` | `"https://agent.example/policy"` | `ResourceDetails` |
//! | `resource_tos_uri` | `"https://agent.example/terms"` | `ResourceDetails` |
//! | `scopes_supported` | `["notes.read"]` | `with_challenge_scopes`: what a client should ask for first, and not all that there is |
//! | `tls_client_certificate_bound_access_tokens` | `true` | `ResourceDetails`: only the deployment knows whether certificates reach the gate |
//!
//! Where no authenticator has an issuer of its own, there is no metadata.
