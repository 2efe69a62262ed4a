//! Events that are pushed (RFC 8935).

use http::{HeaderValue, StatusCode, header};
use portcullis_core::{
    AcceptedNotices, NoticeDelivery, NoticeMark, NoticeReceipt, NoticeReply, RefusedNotices,
    ReplayKey, ReplayOwner, Timestamp, sabotaged,
};

use super::{
    claims::Wrong,
    receiver::{Declined, Inner},
};
use crate::{logout::unavailable, reason};

impl Inner {
    /// Looks at one delivery.
    pub(super) async fn hear_push(&self, delivery: &NoticeDelivery<'_>) -> NoticeReceipt {
        if let Some(token) = &self.token
            && !delivery
                .request()
                .bearer()
                .is_some_and(|text| token.matches(text.as_bytes()))
            && !sabotaged!("set.sender")
        {
            return refused(Wrong {
                error: "authentication_failed",
                reason: reason::SET_SENDER,
            });
        }
        if !delivery.is_of_type("application/secevent+jwt") && !sabotaged!("set.media_type") {
            return refused(Wrong::request(reason::SET_MEDIA_TYPE));
        }
        let Ok(text) = std::str::from_utf8(delivery.body()) else {
            return refused(Wrong::request(reason::SET_MALFORMED));
        };
        match self.consider(text.trim_ascii_end()).await {
            Ok(considered) => {
                let mark = NoticeMark {
                    owner: ReplayOwner::from_u128(0),
                    key: ReplayKey::from_u128(considered.mark),
                    until: Timestamp::MAX,
                };
                let reply = NoticeReply::new(StatusCode::ACCEPTED);
                let accepted = AcceptedNotices::new(considered.notices, considered.reason, reply);
                NoticeReceipt::Accept(accepted.with_mark(mark))
            }
            Err(Declined::Wrong(wrong)) => refused(wrong),
            Err(Declined::Unavailable(delay)) => {
                NoticeReceipt::Refuse(unavailable(reason::SET_KEYS_UNAVAILABLE, delay))
            }
        }
    }
}

/// What the sender is told: one fixed text for each error.
pub(super) fn description(error: &str) -> &'static str {
    match error {
        "authentication_failed" => "The sender could not be authenticated",
        "invalid_audience" => "The audience is not this receiver",
        "invalid_issuer" => "The issuer is not known",
        "invalid_key" => "The signature could not be verified",
        "invalid_state" => "The state is not the one that was sent",
        _ => "The security event token is not valid",
    }
}

fn refused(wrong: Wrong) -> NoticeReceipt {
    reason::note(wrong.reason);
    let body = format!(
        r#"{{"err":"{}","description":"{}"}}"#,
        wrong.error,
        description(wrong.error)
    );
    let reply = NoticeReply::json(StatusCode::BAD_REQUEST, body)
        .add_header(header::CONTENT_LANGUAGE, HeaderValue::from_static("en"));
    NoticeReceipt::Refuse(RefusedNotices::new(wrong.reason, reply))
}
