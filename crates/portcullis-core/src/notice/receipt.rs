//! What a receiver makes of a delivery.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::Notice;
use crate::{ReasonCode, ReplayKey, ReplayOwner, Timestamp};

/// What a receiver makes of a delivery.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NoticeReceipt {
    /// It is good: its notices are to be carried out. There may be none.
    Accept(AcceptedNotices),
    /// It is not, or nobody can say now.
    Refuse(RefusedNotices),
}

/// A delivery that is good.
#[derive(Clone, Debug)]
#[must_use]
pub struct AcceptedNotices {
    notices: Vec<Notice>,
    reason: ReasonCode,
    reply: NoticeReply,
    mark: Option<NoticeMark>,
}

/// What a delivery is told by from others, for the receiver itself: who has sent it, its id, and
/// until when it could come again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct NoticeMark {
    /// Who has sent it.
    pub owner: ReplayOwner,
    /// Its id.
    pub key: ReplayKey,
    /// Until when it could come again.
    pub until: Timestamp,
}

impl AcceptedNotices {
    /// These notices, what is recorded once they were carried out, and what is then answered.
    pub const fn new(notices: Vec<Notice>, reason: ReasonCode, reply: NoticeReply) -> Self {
        Self {
            notices,
            reason,
            reply,
            mark: None,
        }
    }

    /// What the receiver wants to know again when it is asked to
    /// [confirm](super::NoticeReceiver::confirm).
    pub const fn with_mark(mut self, mark: NoticeMark) -> Self {
        self.mark = Some(mark);
        self
    }

    /// What is to be carried out.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// What is recorded.
    #[must_use]
    pub const fn reason(&self) -> ReasonCode {
        self.reason
    }

    /// What is answered.
    pub const fn reply(&self) -> &NoticeReply {
        &self.reply
    }

    /// What the delivery is told by from others.
    #[must_use]
    pub const fn mark(&self) -> Option<NoticeMark> {
        self.mark
    }
}

/// A delivery that is refused. One with a status of 500 or more is no fault of the sender's, and
/// costs him nothing.
#[derive(Clone, Debug)]
#[must_use]
pub struct RefusedNotices {
    reason: ReasonCode,
    reply: NoticeReply,
}

impl RefusedNotices {
    /// What is recorded, and what is answered.
    pub const fn new(reason: ReasonCode, reply: NoticeReply) -> Self {
        Self { reason, reply }
    }

    /// What is recorded.
    #[must_use]
    pub const fn reason(&self) -> ReasonCode {
        self.reason
    }

    /// What is answered.
    pub const fn reply(&self) -> &NoticeReply {
        &self.reply
    }
}

/// An answer to whoever has sent a delivery. `Cache-Control: no-store` is added to each.
#[derive(Clone, Debug)]
#[must_use]
pub struct NoticeReply {
    status: StatusCode,
    headers: HeaderMap,
    body: Box<str>,
}

impl NoticeReply {
    /// Without a body.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: "".into(),
        }
    }

    /// With a JSON text.
    pub fn json(status: StatusCode, body: impl Into<Box<str>>) -> Self {
        let this = Self::new(status).add_header(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        Self {
            body: body.into(),
            ..this
        }
    }

    /// One more header.
    pub fn add_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }
}
