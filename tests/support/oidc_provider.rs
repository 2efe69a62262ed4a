//! The OpenID provider that the tests set up, and a client of it.
#![expect(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a provider that answers something else fails the test"
)]

use std::{collections::BTreeMap, net::SocketAddr};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use portcullis_testing::counterpart::RunningCounterpart;
use serde_json::Value;

use crate::{servers, wire};

/// How its clients are named, and what their tokens are signed with.
pub const ALGORITHMS: [(&str, &str); 4] = [
    ("es256", "ES256"),
    ("eddsa", "EdDSA"),
    ("rs256", "RS256"),
    ("ps256", "PS256"),
];

const REDIRECT_URI: &str = "http://127.0.0.1/callback";
/// The pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// How often a login is sent on at most.
const MAX_REDIRECTS: usize = 8;

/// A provider that runs.
#[derive(Debug)]
pub struct Provider {
    address: SocketAddr,
    issuer: String,
    _running: RunningCounterpart,
}

/// What a login gives.
#[derive(Debug)]
pub struct Tokens {
    /// For a resource server.
    pub access: String,
    /// For the client.
    pub id: String,
}

impl Provider {
    /// Starts one.
    pub async fn start() -> Self {
        let running = servers::oidc_provider().start().await;
        let address = SocketAddr::from(([127, 0, 0, 1], running.port()));
        Self {
            address,
            issuer: format!("http://{address}"),
            _running: running,
        }
    }

    /// Its issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Puts new keys in front of the old ones.
    pub async fn rotate(&self) {
        let response = self.send("POST", "/test/rotate", &[], &[]).await;
        assert_eq!(response.status(), 200);
    }

    /// The key of the resource server `resource-key`, as PEM.
    pub async fn resource_key(&self) -> String {
        let response = self.send("GET", "/test/resource-key", &[], &[]).await;
        assert_eq!(response.status(), 200);
        String::from_utf8(response.body().to_vec()).unwrap()
    }

    /// Has an application take a token back (RFC 7009).
    pub async fn revoke(&self, client: &str, token: &str) {
        let form = [("token", token), ("client_id", client)];
        let response = self.send("POST", "/token/revocation", &[], &form).await;
        assert_eq!(response.status(), 200, "{:?}", response.body());
    }

    /// An access token by client credentials (RFC 6749 §4.4) for a resource (RFC 8707).
    pub async fn machine_token(&self, name: &str, resource: &str) -> String {
        self.client_token(&format!("machine-{name}"), resource, &[])
            .await
    }

    /// The same, bound to a certificate by its DER (RFC 8705 §3).
    pub async fn bound_token(&self, name: &str, resource: &str, certificate: &[u8]) -> String {
        let certificate = STANDARD.encode(certificate);
        let shown = [("x-client-certificate", &*certificate)];
        self.client_token(&format!("bound-{name}"), resource, &shown)
            .await
    }

    async fn client_token(&self, client: &str, resource: &str, headers: &[(&str, &str)]) -> String {
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "notes.read"),
            ("resource", resource),
        ];
        // RFC 6749 §2.3.1: both halves are form-encoded first.
        let secret = escaped("a secret of nobody");
        let basic = STANDARD.encode(format!("{}:{secret}", escaped(client)));
        let basic = format!("Basic {basic}");
        let headers = [headers, &[("authorization", &*basic)]].concat();
        let answer = json(&self.send("POST", "/token", &headers, &form).await);
        text(&answer, "access_token")
    }

    /// What a person gets by an authorization code with PKCE (RFC 7636).
    pub async fn log_in(&self, person: &str, name: &str, resource: &str) -> Tokens {
        let client = format!("app-{name}");
        let code = self.authorize(person, &client, resource).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", REDIRECT_URI),
            ("client_id", &client),
            ("resource", resource),
        ];
        let answer = json(&self.send("POST", "/token", &[], &form).await);
        Tokens {
            access: text(&answer, "access_token"),
            id: text(&answer, "id_token"),
        }
    }

    /// Follows the provider as a browser does, until it comes back with a code.
    async fn authorize(&self, person: &str, client: &str, resource: &str) -> String {
        let query = form_text(&[
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid notes.read notes.write"),
            ("resource", resource),
            ("login_hint", person),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "of the client"),
        ]);
        let mut cookies = BTreeMap::new();
        let mut place = format!("/auth?{query}");
        let mut been = Vec::new();
        for _ in 0..MAX_REDIRECTS {
            let line: Vec<String> = cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let response = self
                .send("GET", &place, &[("cookie", &line.join("; "))], &[])
                .await;
            for set in response.headers().get_all(header::SET_COOKIE) {
                let pair = set.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                cookies.insert(name.to_owned(), value.to_owned());
            }
            let to = response.headers().get(header::LOCATION);
            let body = String::from_utf8_lossy(response.body());
            let to = to.unwrap_or_else(|| panic!("{}: {body}", response.status()));
            let to = to.to_str().unwrap();
            if let Some(answer) = to.strip_prefix(REDIRECT_URI) {
                let mut parameters = answer.trim_start_matches('?').split('&');
                let code = parameters.find_map(|one| one.strip_prefix("code="));
                return code.unwrap_or_else(|| panic!("no code: {to}")).to_owned();
            }
            been.push(place.clone());
            to.strip_prefix(&self.issuer)
                .unwrap_or(to)
                .clone_into(&mut place);
        }
        panic!("sent on and on: {been:#?}");
    }

    async fn send(
        &self,
        method: &str,
        place: &str,
        headers: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Response<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(place)
            .header("host", self.address.to_string());
        if !form.is_empty() {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let body = Full::from(form_text(form)).boxed();
        wire::http1(self.address, request.body(body).unwrap())
            .await
            .unwrap()
    }
}

fn form_text(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    pairs.join("&")
}

/// Whatever is no letter or digit is escaped: more than has to be, and always right.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn json(response: &Response<Bytes>) -> Value {
    let body = String::from_utf8_lossy(response.body());
    assert_eq!(response.status(), 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn text(answer: &Value, name: &str) -> String {
    let text = answer.get(name).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no {name}")).to_owned()
}

fn header_of(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

/// What a token says it is signed with.
#[must_use]
pub fn algorithm_of(token: &str) -> String {
    text(&header_of(token), "alg")
}

/// Which key a token names.
#[must_use]
pub fn key_of(token: &str) -> String {
    text(&header_of(token), "kid")
}
