//! The reason codes of this crate.
//!
//! They appear in records, counters and logs, never in a response: the client is told
//! `invalid_token`, or that the service is unavailable. [`explain`](crate::JwtAuthenticator::explain)
//! shows them to a developer, with the text of [`meaning`].

use portcullis_core::ReasonCode;

macro_rules! reasons {
    ($($(#[$attribute:meta])* $name:ident = $code:literal, $meaning:literal;)*) => {
        $(
            #[doc = concat!("`", $code, "`: ", $meaning, ".")]
            $(#[$attribute])*
            pub const $name: ReasonCode = ReasonCode::new($code);
        )*

        const TABLE: &[(ReasonCode, &str)] = &[$(($name, $meaning)),*];
    };
}

reasons! {
    SIZE = "jwt_size", "the token is longer than 16 KiB";
    SEGMENTS = "jwt_segments", "the token does not have three segments: header, payload and signature, joined by dots. An encrypted token (JWE) has five and is not read";
    BASE64 = "jwt_base64", "a segment is not base64url in its one canonical form, without padding (RFC 7515 §2)";
    HEADER = "jwt_header", "the header is not a JSON object";
    PAYLOAD = "jwt_payload", "the payload is not a JSON object in UTF-8";
    DUPLICATE = "jwt_duplicate", "a member comes twice in the header, in the payload, or in `cnf` or `act`";
    MEMBERS = "jwt_members", "the header or the payload has more than 128 members";
    ISSUER = "jwt_issuer", "the token has no `iss`, or one that is no string";
    CRIT = "jwt_crit", "the header has `crit` or `b64`: extensions that change what a signature means are not supported (RFC 7515 §4.1.11, RFC 7797)";
    ZIP = "jwt_zip", "the header has `zip`: compressed tokens are not read";
    NESTED = "jwt_nested", "the header has `cty`: a token within a token is not read";
    TYP = "jwt_typ", "the header's `typ` is not `at+jwt` (RFC 9068 §2.1), so the token may be of another kind, such as an ID token. For an issuer that sends `JWT`, see `Issuer::with_legacy_typ`";
    NOT_ACCESS_TOKEN = "jwt_not_access_token", "the token has `typ` `JWT` and a claim that only ID tokens, logout tokens and security events carry: `nonce`, `at_hash`, `c_hash` or `events`";
    AUTH0_KIND = "jwt_auth0_kind", "the token has `typ` `JWT` and is no access token of Auth0: it names no client in `azp`, it is for that client, or it has a claim of ID tokens";
    ENTRA_KIND = "jwt_entra_kind", "the token is no access token of Entra ID in the version that is configured: `ver` is another, it names no client (`azp`, in version 1 `appid`), or it has a claim of ID tokens";
    ENTRA_TENANT = "jwt_entra_tenant", "the claim `tid` is not the tenant in `iss`";
    ENTRA_PERMISSION = "jwt_entra_permission", "the token has neither `scp` nor `roles`: every application of the tenant can get one like it. Assign it a role, or see `Issuer::with_clients`";
    KEYCLOAK_TYP = "jwt_keycloak_typ", "the claim `typ` is neither `Bearer`, nor `DPoP` with a `cnf`: Keycloak signs ID tokens and others with the same keys";
    TOKEN_USE = "jwt_token_use", "the claim `token_use` is not `access`: Amazon Cognito signs ID tokens as well";
    OKTA_KIND = "jwt_okta_kind", "the token is no access token of Okta: it names no client in `cid`, it is for that client, or it has a claim of ID tokens";
    GOOGLE_KIND = "jwt_google_kind", "the token is not one that a service account of Google got for itself: `azp` is not its `sub`, or it has a claim of a person's login";
    ASSERTION_KIND = "jwt_assertion_kind", "the header of the proxy holds another kind of token: an access token, or a session of Cloudflare that is of no application (`type` is not `app`)";
    ASSERTION_TWICE = "jwt_assertion_twice", "the header of the proxy is there more than once, or is no text";
    ALG = "jwt_alg", "the header's `alg` is missing, not supported, or not one of `Issuer::with_algorithms`";
    KID = "jwt_kid", "the header's `kid` is no string, empty, or longer than 256 bytes";
    KID_MISSING = "jwt_kid_missing", "the header has no `kid`, and more than one key of the issuer is for this `alg`";
    KID_UNKNOWN = "jwt_kid_unknown", "the issuer's key set holds no usable key for this `kid` and `alg`; keys that were left out are in the log";
    KEY_ALG = "jwt_key_alg", "the key of this `kid` is for another algorithm than the header's `alg`";
    KEY_ISSUER = "jwt_key_issuer", "the key of this `kid` is published for the tokens of another issuer";
    KEYS_UNAVAILABLE = "jwt_keys_unavailable", "the issuer's keys cannot be retrieved; the log says why. Answered with 503, not with 401";
    SIGNATURE = "jwt_signature", "the signature is not that of the chosen key over this token";
    EXP = "jwt_exp", "the claim `exp` is missing or not a number";
    EXPIRED = "jwt_expired", "the token has expired, also with the leeway";
    NBF = "jwt_nbf", "the claim `nbf` is not a number";
    NOT_YET_VALID = "jwt_not_yet_valid", "the time of `nbf` has not come, also with the leeway";
    IAT = "jwt_iat", "the claim `iat` is missing or not a number";
    ISSUED_IN_FUTURE = "jwt_issued_in_future", "the time of `iat` is in the future, also with the leeway";
    LIFETIME = "jwt_lifetime", "`exp` is before `iat`, or further after it than `Jwt::with_max_lifetime`";
    TOKEN_AGE = "jwt_token_age", "the token was issued longer ago than `with_max_token_age`, also with the leeway; or its issuer, who was asked about it, does not say when";
    AUDIENCE = "jwt_audience", "no entry of `aud` equals a configured audience, byte for byte; or `aud` is missing, no string or array of strings, or has more than 64 entries";
    SUB = "jwt_sub", "the claim `sub` is missing, no string or empty";
    CLIENT_ID = "jwt_client_id", "the claim `client_id` is missing or no string (RFC 9068 §2.2)";
    CLIENT = "jwt_client", "the token was given to a client that is none of `Issuer::with_clients`";
    SCOPE = "jwt_scope", "the scopes are no string of scopes (RFC 6749 §3.3)";
    ROLES = "jwt_roles", "the roles that `Issuer::with_roles_as_scopes` takes cannot be read, or there are more than 512";
    CNF = "jwt_cnf", "the claim `cnf` cannot be read (RFC 7800 §3)";
    ACT = "jwt_act", "the claim `act` cannot be read (RFC 8693 §4.1)";
    ACT_DEPTH = "jwt_act_depth", "the chain of actors in `act` is longer than 8";
    AUTH_TIME = "jwt_auth_time", "the time of `auth_time` is later than that of `iat`, also with the leeway: no token knows of a later authentication; an issuer may have written milliseconds";
    CLAIM = "jwt_claim", "one of `jti`, `sid`, `acr`, `amr` and `auth_time` is not of its type";
    DPOP_MISSING = "dpop_missing", "there is no header `DPoP`";
    DPOP_TWICE = "dpop_twice", "the header `DPoP` is there more than once (RFC 9449 §4.3)";
    DPOP_MALFORMED = "dpop_malformed", "the proof is longer than 8 KiB, is not one JWT in its canonical form, or has `b64`, `crit`, `cty` or `zip`";
    DPOP_TYP = "dpop_typ", "the proof's `typ` is not `dpop+jwt`";
    DPOP_ALG = "dpop_alg", "the proof's `alg` is missing, or not one of `Dpop::with_algorithms`";
    DPOP_JWK = "dpop_jwk", "the proof's `jwk` is missing, is no public key for its `alg`, or holds a private member";
    DPOP_SIGNATURE = "dpop_signature", "the proof's signature is not that of its `jwk`";
    DPOP_CLAIMS = "dpop_claims", "one of `jti`, `htm`, `htu`, `iat` and `ath` is missing or not of its type, or `jti` is longer than 256 bytes";
    DPOP_HTM = "dpop_htm", "the proof is for another method";
    DPOP_HTU = "dpop_htu", "the proof is for another URL than this one under the public name of the server (`Dpop::with_origin`)";
    DPOP_IAT = "dpop_iat", "the proof was made too long ago or too far ahead (`Dpop::with_window`)";
    DPOP_NONCE_MISSING = "dpop_nonce_missing", "the proof has no `nonce`";
    DPOP_NONCE = "dpop_nonce", "the proof's `nonce` is none that is good now";
    DPOP_ATH = "dpop_ath", "the proof is for another access token";
    DPOP_KEY = "dpop_key", "the proof is of another key than the one that the access token is bound to";
    DPOP_REPLAYED = "dpop_replayed", "the proof has been used before";
    DPOP_REPLAYS_FULL = "dpop_replays_full", "the store of used proofs has no room for another of this subject. Answered with 503";
    DPOP_REPLAYS_UNAVAILABLE = "dpop_replays_unavailable", "the store of used proofs cannot say whether this one has been used. Answered with 503";
    INTROSPECTION_SIZE = "introspection_size", "the token is longer than 16 KiB";
    INTROSPECTION_INACTIVE = "introspection_inactive", "the issuer says that the token is not active: it has expired, was revoked, is none, or is not for this server (RFC 7662 §2.2)";
    INTROSPECTION_KIND = "introspection_kind", "the issuer does not say that it is an access token: `token_type` is neither `Bearer` nor `DPoP`, or `token_use` or `typ` names another kind. Issuers know of refresh tokens as well. For one that leaves `token_type` out, see `Introspection::allow_missing_token_type`";
    INTROSPECTION_ISSUER = "introspection_issuer", "the `iss` of the answer is not the configured issuer, byte for byte";
    INTROSPECTION_ANSWER = "introspection_answer", "the issuer's answer cannot be read; the log says why. Answered with 503, not with 401";
    INTROSPECTION_CREDENTIALS = "introspection_credentials", "the issuer does not let this server ask: its `ClientCredentials` are refused. Answered with 503, not with 401";
    INTROSPECTION_SIGNATURE = "introspection_signature", "the answer is not signed by the issuer, for this client, within the last minute (RFC 9701 §5). Answered with 503, not with 401";
    INTROSPECTION_UNAVAILABLE = "introspection_unavailable", "the issuer cannot be asked, or does not answer in time; the log says why. Answered with 503, not with 401";
    ALB_MALFORMED = "alb_malformed", "`x-amzn-oidc-data` is longer than 16 KiB, is not three segments of base64url, or its header or claims are no JSON object with every member once";
    ALB_ALG = "alb_alg", "its `alg` is not `ES256`";
    ALB_SIGNER = "alb_signer", "its `signer` is not the ARN of the load balancer: anybody can have one that signs";
    ALB_ISSUER = "alb_issuer", "its `iss` is not the configured issuer, byte for byte";
    ALB_CLIENT = "alb_client", "its `client` is none of `AlbUserClaims::with_clients`";
    ALB_KEY_ID = "alb_key_id", "its `kid` is not a UUID";
    ALB_EXPIRED = "alb_expired", "its `exp` is missing, is no time, or has come, also with the leeway";
    ALB_SUBJECT = "alb_subject", "its `sub` is missing or empty, or a name in it holds a control character";
    ALB_KEY_UNKNOWN = "alb_key_unknown", "there is no key of its `kid`";
    ALB_KEYS_UNAVAILABLE = "alb_keys_unavailable", "the key of its `kid` cannot be retrieved; the log says why. Answered with 503, not with 401";
    ALB_SIGNATURE = "alb_signature", "its signature is not that of the key";
    LOGOUT_ACCEPTED = "logout_accepted", "a logout token was good, and what it ends is over";
    LOGOUT_FORM = "logout_form", "the request is no form with one `logout_token`";
    LOGOUT_MALFORMED = "logout_malformed", "the logout token is longer than 16 KiB, is not one JWT in its canonical form, or has `b64`, `crit`, `cty` or `zip`";
    LOGOUT_TYP = "logout_typ", "its `typ` is not `logout+jwt`. For an issuer that sends `JWT` or none, see `BackChannelLogout::with_legacy_typ`";
    LOGOUT_ISSUER = "logout_issuer", "its `iss` is not the configured issuer, byte for byte";
    LOGOUT_ALG = "logout_alg", "its `alg` is missing, not supported, or not one of `Issuer::with_algorithms`";
    LOGOUT_KEY = "logout_key", "the issuer's key set holds no usable key for its `kid` and `alg`";
    LOGOUT_SIGNATURE = "logout_signature", "its signature is not that of the key";
    LOGOUT_AUDIENCE = "logout_audience", "its `aud` names none of the configured clients";
    LOGOUT_CLAIMS = "logout_claims", "one of `iat`, `exp`, `jti`, `sub` and `sid` is not of its type, or one of the first three is missing";
    LOGOUT_TIME = "logout_time", "it has expired, is dated ahead, or is good for longer than `BackChannelLogout::with_max_lifetime`";
    LOGOUT_EVENTS = "logout_events", "its `events` is not the one of a logout, and nothing else";
    LOGOUT_NONCE = "logout_nonce", "it has a `nonce`, so it may be an ID token";
    LOGOUT_SUBJECT = "logout_subject", "it has neither `sub` nor `sid`";
    LOGOUT_REPLAYED = "logout_replayed", "its `jti` has come before. What it ends was carried out again, which changes nothing";
    LOGOUT_REPLAYS_FULL = "logout_replays_full", "the store of logout tokens has no room. Answered with 503";
    LOGOUT_REPLAYS_UNAVAILABLE = "logout_replays_unavailable", "the store of logout tokens cannot say whether this one has come before. Answered with 503";
    LOGOUT_KEYS_UNAVAILABLE = "logout_keys_unavailable", "the issuer's keys cannot be retrieved; the log says why. Answered with 503";
    SET_CARRIED_OUT = "set_carried_out", "a security event token was good, and what it ends is over";
    SET_NOTED = "set_noted", "a security event token was good, and there was nothing to be done about its event";
    SET_REPEATED = "set_repeated", "a security event token has been carried out before";
    SET_UNKNOWN_EVENT = "set_unknown_event", "its event is of a type that is not known here; it was acknowledged";
    SET_SUBJECT_UNKNOWN = "set_subject_unknown", "its subject is named by what nothing here carries, so it had no effect. See `SharedSignals::with_subjects_by`";
    SET_SUBJECT_FOREIGN = "set_subject_foreign", "its subject is of an issuer that the transmitter does not speak for, so it had no effect. See `SharedSignals::with_subject_issuers`";
    SET_CRITICAL = "set_critical", "its subject has a critical member that is not known here, so it had no effect";
    SET_VERIFIED = "set_verified", "the transmitter has shown that the stream flows";
    SET_STREAM_UPDATED = "set_stream_updated", "the transmitter has said whether the stream flows";
    SET_SENDER = "set_sender", "the push does not bring the token of `SharedSignals::with_token`";
    SET_MEDIA_TYPE = "set_media_type", "the push is not of the media type `application/secevent+jwt`";
    SET_MALFORMED = "set_malformed", "the security event token is longer than 16 KiB, is not one JWT in its canonical form, or has `b64`, `crit`, `cty` or `zip`";
    SET_TYP = "set_typ", "its `typ` is not `secevent+jwt`";
    SET_ISSUER = "set_issuer", "its `iss` is not the configured issuer, byte for byte";
    SET_ALG = "set_alg", "its `alg` is missing, not supported, or not one of `Issuer::with_algorithms`";
    SET_KEY = "set_key", "the issuer's key set holds no usable key for its `kid` and `alg`";
    SET_SIGNATURE = "set_signature", "its signature is not that of the key";
    SET_AUDIENCE = "set_audience", "its `aud` names none of the configured audiences";
    SET_EXP = "set_exp", "it has an `exp`, so it may be a token of another kind";
    SET_SUB = "set_sub", "it has a `sub`, so it may be a token of another kind";
    SET_CLAIMS = "set_claims", "one of `jti`, `iat` and `toe` is not of its type, or one of the first two is missing; or it was polled under another id than its `jti`";
    SET_TIME = "set_time", "its `iat` is in the future, also with the leeway";
    SET_SUBJECT = "set_subject", "its `sub_id` is missing, or is no subject identifier (RFC 9493)";
    SET_EVENTS = "set_events", "its `events` is not an object with exactly one event that can be read";
    SET_STATE = "set_state", "a verification brings another `state` than the one of `SharedSignals::with_verification_state`";
    SET_KEYS_UNAVAILABLE = "set_keys_unavailable", "the issuer's keys cannot be retrieved; the log says why. Answered with 503";
    SET_STREAM_PAUSED = "set_stream_paused", "the stream of events is paused, so nothing is heard";
    SET_STREAM_DISABLED = "set_stream_disabled", "the stream of events is disabled, so nothing is heard";
    SET_SILENT = "set_silent", "nothing was heard for as long as `SharedSignals::with_max_silence`";
    SET_STREAM_ENABLED = "set_stream_enabled", "the stream of events flows again";
    SET_FAIL_SAFE = "set_fail_safe", "while nothing is heard, whoever has authenticated longer ago than `SharedSignals::with_fail_safe` has to do so anew";
    SET_POLL_FAILED = "set_poll_failed", "events could not be asked for; the log says why";
    CLAIM_TEXT = "jwt_claim_text", "a name in the claims is empty, longer than 2048 bytes or holds a control character";
}

/// What a code of this crate means, for people.
#[must_use]
pub fn meaning(code: ReasonCode) -> Option<&'static str> {
    TABLE
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, meaning)| *meaning)
}

/// Says at `DEBUG` why a credential is refused: the code, and what it means, which names claims and
/// settings and no value.
pub(crate) fn note(code: ReasonCode) {
    tracing::debug!(
        reason = %code,
        meaning = meaning(code).unwrap_or_default(),
        "a credential is refused"
    );
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_well_formed() {
        let codes: HashSet<_> = TABLE.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(codes.len(), TABLE.len());
        assert!(
            codes.iter().all(
                |code| ["jwt_", "dpop_", "introspection_", "alb_", "logout_", "set_"]
                    .iter()
                    .any(|prefix| code.starts_with(prefix))
            ),
            "{codes:?}"
        );
    }
}
