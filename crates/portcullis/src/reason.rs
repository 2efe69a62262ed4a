//! Why the layers of this crate decided as they did.
//!
//! Codes appear in records, counters and logs, never in a response. A released code keeps
//! its meaning. Authenticators have codes of their own.

use portcullis_core::ReasonCode;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: ReasonCode = ReasonCode::new($code);)*

        /// Every code of this module.
        pub const ALL: &[ReasonCode] = &[$($name),*];
    };
}

reasons! {
    /// The authentication context class is none of those that are strong enough.
    ACR_INSUFFICIENT = "acr_insufficient";
    /// The client went away while a layer was still deciding.
    ABANDONED = "abandoned";
    /// Let in, with a principal.
    ADMITTED = "admitted";
    /// Let in without a credential, on a route that is declared anonymous.
    ADMITTED_ANONYMOUS = "admitted_anonymous";
    /// Let in by layers among which there is no `authn`.
    ADMITTED_UNIDENTIFIED = "admitted_unidentified";
    /// A method of authentication was not used that has to be.
    AMR_INSUFFICIENT = "amr_insufficient";
    /// Nothing may be let in without a durable record, and there is none.
    AUDIT_UNAVAILABLE = "audit_unavailable";
    /// The user is said to have authenticated at a time that has not come yet.
    AUTH_TIME_IN_FUTURE = "auth_time_in_future";
    /// The credential does not say when the user authenticated.
    AUTH_TIME_MISSING = "auth_time_missing";
    /// The user authenticated too long ago.
    AUTH_TOO_OLD = "auth_too_old";
    /// The `Authorization` header is there twice, or cannot be read.
    AUTHORIZATION_MALFORMED = "authorization_malformed";
    /// The body is longer than the limit.
    BODY_TOO_LARGE = "body_too_large";
    /// The sender has spent its budget of refusals.
    BUDGET_SPENT = "budget_spent";
    /// A trusted proxy has written a certificate header that is there twice, or cannot be read.
    CERTIFICATE_HEADER_MALFORMED = "certificate_header_malformed";
    /// The credential is bound to a certificate, and the connection has another or none.
    CERTIFICATE_UNMET = "certificate_unmet";
    /// One new token after the other lacked the same, so that a further challenge would not
    /// have helped.
    CHALLENGE_IN_VAIN = "challenge_in_vain";
    /// The method is `CONNECT`.
    CONNECT_REFUSED = "connect_refused";
    /// `Content-Length` is there twice or is no number.
    CONTENT_LENGTH_MALFORMED = "content_length_malformed";
    /// The credential is bound to a key, and nothing has shown that the sender holds it.
    CONFIRMATION_UNMET = "confirmation_unmet";
    /// The credential has expired since the request was let in.
    CREDENTIAL_EXPIRED = "credential_expired";
    /// The credential has been revoked.
    CREDENTIAL_REVOKED = "credential_revoked";
    /// The answer to a request was complete.
    COMPLETED = "completed";
    /// A credential is there, and no authenticator knows it.
    CREDENTIAL_UNKNOWN = "credential_unknown";
    /// There is no credential, and the route is not anonymous, or requires more of the caller.
    CREDENTIALS_MISSING = "credentials_missing";
    /// There are credentials of two kinds.
    CREDENTIALS_OF_TWO_KINDS = "credentials_of_two_kinds";
    /// A page of another site has a browser send a cookie with a request that may change something,
    /// or nobody says whose page it is.
    CROSS_SITE = "cross_site";
    /// An answer was ended because its session was over.
    CUT = "cut";
    /// The session has another device id, or this request has none.
    DRIFT_DEVICE = "drift_device";
    /// The session came from another network.
    DRIFT_NETWORK = "drift_network";
    /// The session has another `User-Agent`, or this request has none.
    DRIFT_USER_AGENT = "drift_user_agent";
    /// The client went away before the answer was complete.
    DROPPED = "dropped";
    /// An authenticator accepted evidence that no consumer may rely on.
    EVIDENCE_INVALID = "evidence_invalid";
    /// An answer failed on its way.
    FAILED = "failed";
    /// The headers are too many or too long.
    HEADERS_TOO_LARGE = "headers_too_large";
    /// `Host` is missing, there twice, or not on the list.
    HOST_NOT_ALLOWED = "host_not_allowed";
    /// There is a session id of MCP that was not given out to this principal in this session.
    MCP_SESSION_UNKNOWN = "mcp_session_unknown";
    /// The handler gave out a session id of MCP that cannot be bound.
    MCP_SESSION_UNUSABLE = "mcp_session_unusable";
    /// The method is longer than any that is registered.
    METHOD_TOO_LONG = "method_too_long";
    /// A path at which notices of issuers are received was asked for by another method.
    NOTICE_METHOD = "notice_method";
    /// A notice of an issuer could not be carried out, because a store cannot say that it was.
    NOTICE_STORE_UNAVAILABLE = "notice_store_unavailable";
    /// The body of a notice broke off, or did not come in time.
    NOTICE_UNREAD = "notice_unread";
    /// The operation that was asked for is not named.
    OPERATION_UNKNOWN = "operation_unknown";
    /// An operator was asked by a caller whom a cookie let in, which a page of others can send along.
    OPERATOR_COOKIE = "operator_cookie";
    /// A form does not say what an operator is to do, or can be read in two ways.
    OPERATOR_FORM = "operator_form";
    /// What an operator was sent is no form.
    OPERATOR_MEDIA_TYPE = "operator_media_type";
    /// An operator was asked by another method.
    OPERATOR_METHOD = "operator_method";
    /// An operator was asked at a path where it does nothing.
    OPERATOR_PATH = "operator_path";
    /// What an operator named is revoked.
    OPERATOR_REVOKED = "operator_revoked";
    /// The sessions that an operator named are over.
    OPERATOR_SESSIONS_ENDED = "operator_sessions_ended";
    /// A token that an operator was given is taken by no authenticator, so there is nothing to revoke.
    OPERATOR_TOKEN_UNKNOWN = "operator_token_unknown";
    /// A token that an operator was given has no id of its own, by which it could be revoked.
    OPERATOR_TOKEN_UNSUPPORTED = "operator_token_unsupported";
    /// A store, or an authenticator, cannot say whether what an operator named is over.
    OPERATOR_UNAVAILABLE = "operator_unavailable";
    /// A form for an operator broke off, or did not come in time.
    OPERATOR_UNREAD = "operator_unread";
    /// `Origin` is there twice, or not on the list.
    ORIGIN_NOT_ALLOWED = "origin_not_allowed";
    /// The path can be read in two ways.
    PATH_AMBIGUOUS = "path_ambiguous";
    /// The operation that was asked for is permitted.
    PERMITTED = "permitted";
    /// A CORS preflight, answered without asking for a credential.
    PREFLIGHT = "preflight";
    /// The credential is bound to a key, and was presented as one that is not.
    PROOF_DOWNGRADED = "proof_downgraded";
    /// The credential is bound to no key, and was presented as one that is.
    PROOF_OF_UNBOUND_CREDENTIAL = "proof_of_unbound_credential";
    /// The client has spent its quota.
    QUOTA_CLIENT = "quota_client";
    /// The principal has spent its quota.
    QUOTA_PRINCIPAL = "quota_principal";
    /// The store of quotas cannot say whether the caller may ask for more.
    QUOTA_STORE_UNAVAILABLE = "quota_store_unavailable";
    /// The resource metadata, answered without asking for a credential.
    RESOURCE_METADATA = "resource_metadata";
    /// The store of revocations has forgotten some, and one may have been of this credential.
    REVOCATION_FORGOTTEN = "revocation_forgotten";
    /// The store of revocations cannot say whether the credential is revoked.
    REVOCATION_STORE_UNAVAILABLE = "revocation_store_unavailable";
    /// A scope was not granted that has to be.
    SCOPE_MISSING = "scope_missing";
    /// The credential is bound to no key, and has to be.
    SENDER_CONSTRAINT_MISSING = "sender_constraint_missing";
    /// The session has lasted as long as it may.
    SESSION_ABSOLUTE = "session_absolute";
    /// The cookie of a session is there twice, spelled otherwise, in quotes, or too long.
    SESSION_COOKIE_AMBIGUOUS = "session_cookie_ambiguous";
    /// The id in a cookie was replaced, or somebody has authenticated in its session since.
    SESSION_COOKIE_STALE = "session_cookie_stale";
    /// A cookie leads to no session, or holds no id.
    SESSION_COOKIE_UNKNOWN = "session_cookie_unknown";
    /// The credential of a request that was running ended.
    SESSION_CREDENTIAL_EXPIRED = "session_credential_expired";
    /// What is kept in the session was changed, moved, or sealed with a key that is not known.
    SESSION_DATA_UNREADABLE = "session_data_unreadable";
    /// A handler ended the session.
    SESSION_ENDED = "session_ended";
    /// The store has forgotten sessions that are over, and this may have been one.
    SESSION_FORGOTTEN = "session_forgotten";
    /// The session was inactive for too long.
    SESSION_IDLE = "session_idle";
    /// The principal has as many sessions as it may.
    SESSION_LIMIT = "session_limit";
    /// A session has begun.
    SESSION_OPENED = "session_opened";
    /// The user authenticated too long ago for anything more in the session, or nobody says when.
    SESSION_REAUTHENTICATION = "session_reauthentication";
    /// Somebody outside of the session ended it.
    SESSION_REVOKED = "session_revoked";
    /// The session store is full of sessions that live.
    SESSION_STORE_FULL = "session_store_full";
    /// The session store cannot say whether the caller is in.
    SESSION_STORE_UNAVAILABLE = "session_store_unavailable";
    /// As many answers of the principal stream as may.
    SESSION_STREAMS = "session_streams";
    /// Nobody could say for too long whether the session lives, so what ran in it was ended.
    SESSION_UNCONFIRMED = "session_unconfirmed";
    /// An answer was ended because the gate was shut down.
    SHUT_DOWN = "shut_down";
    /// The gate is being shut down, and lets nothing more in.
    SHUTTING_DOWN = "shutting_down";
    /// A layer stands where it must not.
    STACK_MISORDERED = "stack_misordered";
    /// An operation was asked for behind layers among which there is no `step_up`.
    STEP_UP_MISSING = "step_up_missing";
    /// There is a token in a cookie.
    TOKEN_IN_COOKIE = "token_in_cookie";
    /// There is a token in the query.
    TOKEN_IN_QUERY = "token_in_query";
    /// The credential was issued too long ago for what is asked for.
    TOKEN_TOO_OLD = "token_too_old";
    /// The handler answered 101, and upgrades are off.
    UPGRADE_REFUSED = "upgrade_refused";
    /// The handler answered 101, and nothing would end the connection with its session.
    UPGRADE_UNWATCHED = "upgrade_unwatched";
    /// The URI is longer than the limit.
    URI_TOO_LONG = "uri_too_long";
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_code_is_well_formed_and_its_own() {
        let mut codes: Vec<_> = super::ALL.iter().map(|code| code.as_str()).collect();
        assert!(!codes.contains(&"unnamed_reason"));
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }
}
