//! What the endpoints answer.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::{HeaderMap, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{
    Endpoint, IdentityProvider, Misbehaviour,
    responses::{self, Body},
};

pub(super) async fn answer(
    provider: &IdentityProvider,
    request: Request<Incoming>,
) -> Response<Body> {
    let path = &*provider.path;
    let endpoint = match request.uri().path() {
        asked if asked == format!("{path}/.well-known/openid-configuration") => Endpoint::Discovery,
        asked if asked == format!("/.well-known/oauth-authorization-server{path}") => {
            Endpoint::Discovery
        }
        asked if asked == format!("{path}/jwks") => Endpoint::Jwks,
        asked if asked == format!("{path}/token") => Endpoint::Token,
        asked if asked == format!("{path}/events") => Endpoint::Events,
        _ => return responses::status(StatusCode::NOT_FOUND),
    };
    let misbehaviour = provider.conduct.enter(endpoint);
    let expected = if matches!(endpoint, Endpoint::Token | Endpoint::Events) {
        Method::POST
    } else {
        Method::GET
    };
    if *request.method() != expected {
        return responses::status(StatusCode::METHOD_NOT_ALLOWED);
    }
    let wrong_issuer = match &misbehaviour {
        Some(Misbehaviour::WrongIssuer(issuer)) => Some(&**issuer),
        _ => None,
    };
    let response = match endpoint {
        Endpoint::Discovery => {
            let mut metadata = provider.metadata();
            if let (Some(issuer), Value::Object(members)) = (wrong_issuer, &mut metadata) {
                members.insert("issuer".to_owned(), issuer.into());
            }
            responses::json(StatusCode::OK, &metadata, "")
        }
        Endpoint::Jwks => responses::json(
            StatusCode::OK,
            &provider.jwks(),
            &provider.conduct.cache_control(),
        ),
        Endpoint::Events => match Limited::new(request.into_body(), 65_536).collect().await {
            Ok(body) => {
                let (status, answer) = provider.outbox.poll(&body.to_bytes());
                responses::json(status, &answer, "no-store")
            }
            Err(_) => responses::status(StatusCode::PAYLOAD_TOO_LARGE),
        },
        Endpoint::Token => {
            let (parts, body) = request.into_parts();
            match Limited::new(body, 65_536).collect().await {
                Ok(body) => {
                    let (status, answer) = grant(provider, &parts, &body.to_bytes());
                    responses::json(status, &answer, "no-store")
                }
                Err(_) => responses::status(StatusCode::PAYLOAD_TOO_LARGE),
            }
        }
    };
    match misbehaviour {
        None => response,
        Some(misbehaviour) => responses::spoil(response, misbehaviour, &provider.clock).await,
    }
}

/// The client credentials grant (RFC 6749 §4.4), with a resource (RFC 8707) or an audience.
fn grant(provider: &IdentityProvider, parts: &Parts, body: &[u8]) -> (StatusCode, Value) {
    let form = read_form(body);
    let field = |name: &str| {
        let mut found = form.iter().filter(|(field, _)| field == name);
        found.next().map(|(_, value)| &**value)
    };
    let problem = |status, error: &str| (status, json!({ "error": error }));
    let Some((id, secret)) = basic_credentials(&parts.headers).or_else(|| {
        let pair = (field("client_id")?, field("client_secret")?);
        Some((pair.0.to_owned(), pair.1.to_owned()))
    }) else {
        return problem(StatusCode::UNAUTHORIZED, "invalid_client");
    };
    let mut clients = provider.clients.iter();
    if !clients.any(|client| (&*client.0, &*client.1) == (&*id, &*secret)) {
        return problem(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    if field("grant_type") != Some("client_credentials") {
        return problem(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let mut token = provider.client_token(&id);
    if let Some(audience) = field("resource").or_else(|| field("audience")) {
        token = token.with_audience(audience);
    }
    let mut answer = json!({
        "token_type": "Bearer",
        "expires_in": IdentityProvider::LIFETIME.as_secs(),
    });
    if let Some(scope) = field("scope") {
        token = token.with_scope(scope);
        set(&mut answer, "scope", scope);
    }
    set(&mut answer, "access_token", &token.mint());
    (StatusCode::OK, answer)
}

fn set(object: &mut Value, name: &str, value: &str) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value.into());
    }
}

/// `application/x-www-form-urlencoded`, as far as OAuth clients send it.
fn read_form(body: &[u8]) -> Vec<(String, String)> {
    String::from_utf8_lossy(body)
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (hex(rest.next()), hex(rest.next())) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or(b'?'),
                _ => b'?',
            },
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let text = BASE64.decode(value.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(text).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decode(id), decode(secret)))
}
