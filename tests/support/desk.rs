//! A handler at which people log in and out with a cookie.

use std::convert::Infallible;

use http::{Request, Response, StatusCode, header};
use portcullis::{Exchange, RequestBody};

/// `/login` asks for a cookie, and says why it was given none; `/logout` ends the session; everything
/// else says who is asking, with which scopes, and which cookies have come through.
///
/// # Errors
///
/// None.
pub async fn desk<B>(request: Request<RequestBody<B>>) -> Result<Response<String>, Infallible> {
    let exchange = Exchange::of(request.extensions()).cloned();
    let cookies = request.headers().get_all(header::COOKIE).iter();
    let cookies: Vec<_> = cookies
        .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
        .collect();
    let path = request.uri().path().to_owned();
    // The body is not asked for, and need not be `Sync`.
    drop(request);
    let session = exchange.as_ref().and_then(Exchange::session);
    let text = match (&*path, session) {
        ("/login", Some(session)) => match session.issue_cookie().await {
            Ok(()) => "in".to_owned(),
            Err(problem) => problem.to_string(),
        },
        ("/logout", Some(session)) => match session.end().await {
            Ok(()) => "out".to_owned(),
            Err(problem) => {
                let mut response = Response::new(problem.to_string());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                return Ok(response);
            }
        },
        _ => match exchange.as_ref().and_then(Exchange::principal) {
            Some(principal) => format!(
                "{} {} {}",
                principal.subject(),
                principal.scopes().as_str(),
                cookies.join("|")
            ),
            None => format!("nobody {}", cookies.join("|")),
        },
    };
    Ok(Response::new(text))
}

/// The cookie that an answer sets, as a browser sends it back.
#[must_use]
pub fn cookie_of<B>(response: &Response<B>) -> Option<String> {
    let set = response.headers().get(header::SET_COOKIE)?;
    let pair = set.to_str().ok()?.split(';').next()?;
    (!pair.ends_with('=')).then(|| pair.to_owned())
}
