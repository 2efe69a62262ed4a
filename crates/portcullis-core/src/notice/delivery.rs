//! What has come.

use std::fmt;

use crate::RequestView;

/// One `POST` to the path of a receiver: its head, and all of its body.
#[derive(Clone, Copy)]
#[must_use]
pub struct NoticeDelivery<'a> {
    request: RequestView<'a>,
    body: &'a [u8],
}

impl<'a> NoticeDelivery<'a> {
    /// From its parts.
    pub const fn new(request: RequestView<'a>, body: &'a [u8]) -> Self {
        Self { request, body }
    }

    /// The head of the request.
    pub const fn request(&self) -> &RequestView<'a> {
        &self.request
    }

    /// The body: at most as long as the receiver has said.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Whether `Content-Type` is there once and is this media type, whatever its parameters.
    #[must_use]
    pub fn is_of_type(&self, media_type: &str) -> bool {
        let value = self.request.single_header(&http::header::CONTENT_TYPE);
        let text = value.and_then(|value| value.to_str().ok());
        text.is_some_and(|text| {
            let named = text.split(';').next().unwrap_or_default();
            named.trim().eq_ignore_ascii_case(media_type)
        })
    }
}

/// Without a word of the body.
impl fmt::Debug for NoticeDelivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoticeDelivery")
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn a_media_type_is_one_header_and_its_parameters_do_not_matter() {
        for (values, expected) in [
            (&["application/secevent+jwt"][..], true),
            (&["Application/SecEvent+JWT; charset=utf-8"], true),
            (&["application/jwt"], false),
            (&[], false),
            (
                &["application/secevent+jwt", "application/secevent+jwt"],
                false,
            ),
            (&["text/plain; application/secevent+jwt"], false),
        ] {
            let request = values
                .iter()
                .fold(http::Request::builder(), |request, value| {
                    request.header("content-type", *value)
                });
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let delivery =
                NoticeDelivery::new(RequestView::new(&parts, Timestamp::UNIX_EPOCH), b"secret");
            assert_eq!(delivery.is_of_type("application/secevent+jwt"), expected);
            assert!(!format!("{delivery:?}").contains("secret"));
        }
    }
}
