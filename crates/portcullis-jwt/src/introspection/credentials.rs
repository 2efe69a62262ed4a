//! How the agent proves to an issuer that it may ask (RFC 6749 §2.3, RFC 7523, RFC 8705).

use std::{fmt, sync::Arc, time::Duration};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::HeaderValue;
use portcullis_core::{Clock, ConfigError, ConfigErrors, Secret, entropy};
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::{Algorithm, backend::PrivateKey};

/// How long an assertion is good: long enough for a slow connection.
const ASSERTION: Duration = Duration::from_mins(1);
/// What an assertion is of (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What the agent was registered with at the issuer, and how it proves that it is that client.
///
/// The names are those of the registry of client authentication methods (RFC 8414 §2). `Debug`
/// shows the client and the method, no secret.
#[derive(Clone)]
#[must_use]
pub struct ClientCredentials {
    id: Box<str>,
    method: Method,
}

#[derive(Clone)]
enum Method {
    Basic(Secret),
    Post(Secret),
    Key(Algorithm, Secret),
    Connection,
}

impl ClientCredentials {
    /// The secret in the header `Authorization` (RFC 6749 §2.3.1): what issuers have to support.
    pub fn client_secret_basic(client: impl Into<Box<str>>, secret: Secret) -> Self {
        Self::new(client, Method::Basic(secret))
    }

    /// The secret in the form, for issuers that do not take it in the header.
    pub fn client_secret_post(client: impl Into<Box<str>>, secret: Secret) -> Self {
        Self::new(client, Method::Post(secret))
    }

    /// An assertion that is signed with the agent's own key (RFC 7523 §2.2): nothing is sent that
    /// could be used again. It is for this issuer, good for a minute, and each is sent once.
    ///
    /// The key is a PKCS#8 document as PEM (`BEGIN PRIVATE KEY`), for [`Algorithm::Es256`],
    /// [`Algorithm::Es384`] or [`Algorithm::EdDsa`].
    pub fn private_key_jwt(client: impl Into<Box<str>>, algorithm: Algorithm, key: Secret) -> Self {
        Self::new(client, Method::Key(algorithm, key))
    }

    /// The certificate of the connection (RFC 8705 §2): the
    /// [`HttpClient`](crate::HttpClient) that is set is one that shows it. Only the client's name
    /// is sent.
    pub fn tls_client_auth(client: impl Into<Box<str>>) -> Self {
        Self::new(client, Method::Connection)
    }

    fn new(client: impl Into<Box<str>>, method: Method) -> Self {
        Self {
            id: client.into(),
            method,
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether the client that talks has to show a certificate.
    pub(super) fn needs_connection(&self) -> bool {
        matches!(self.method, Method::Connection)
    }

    pub(super) fn prepare(
        &self,
        issuer: &str,
        clock: &Arc<dyn Clock>,
        errors: &mut ConfigErrors,
    ) -> Option<Prepared> {
        if self.id.is_empty() {
            errors.push(ConfigError::new(
                "ClientCredentials",
                "names no client; give the `client_id` of this agent at the issuer",
            ));
            return None;
        }
        let mut complain = |setting: &str, problem: &str| {
            errors.push(ConfigError::new(setting, problem));
            None
        };
        let proof = match &self.method {
            Method::Basic(secret) if secret.expose().is_empty() => {
                return complain("client_secret_basic", "has an empty secret; give it");
            }
            Method::Post(secret) if secret.expose().is_empty() => {
                return complain("client_secret_post", "has an empty secret; give it");
            }
            Method::Basic(secret) => Proof::Header(basic(&self.id, secret)?),
            Method::Post(secret) => {
                let Ok(text) = std::str::from_utf8(secret.expose()) else {
                    return complain(
                        "client_secret_post",
                        "has a secret that is no text; use `client_secret_basic`",
                    );
                };
                Proof::Secret(Secret::from(text))
            }
            Method::Key(algorithm, pem) => {
                let Some(key) = PrivateKey::load(*algorithm, pem) else {
                    return complain(
                        "private_key_jwt",
                        "has a key that is no PKCS#8 document as PEM for this algorithm; give one \
                         for ES256, ES384 or EdDSA",
                    );
                };
                Proof::Assertion(Assertions {
                    issuer: issuer.into(),
                    key,
                    clock: Arc::clone(clock),
                })
            }
            Method::Connection => Proof::Connection,
        };
        Some(Prepared {
            id: self.id.clone(),
            proof,
        })
    }
}

/// `id:secret`, each form-encoded first.
fn basic(id: &str, secret: &Secret) -> Option<HeaderValue> {
    let id: String = byte_serialize(id.as_bytes()).collect();
    let secret: String = byte_serialize(secret.expose()).collect();
    let pair = STANDARD.encode(format!("{id}:{secret}"));
    let mut value = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match &self.method {
            Method::Basic(_) => "client_secret_basic",
            Method::Post(_) => "client_secret_post",
            Method::Key(..) => "private_key_jwt",
            Method::Connection => "tls_client_auth",
        };
        f.debug_struct("ClientCredentials")
            .field("client", &self.id)
            .field("method", &method)
            .finish()
    }
}

/// Credentials that have been looked at.
pub(super) struct Prepared {
    pub(super) id: Box<str>,
    proof: Proof,
}

enum Proof {
    Header(HeaderValue),
    Secret(Secret),
    Assertion(Assertions),
    Connection,
}

impl Prepared {
    /// Adds to a form what proves the client. The rest goes into the header `Authorization`.
    pub(super) fn prove(
        &self,
        form: &mut Serializer<'_, String>,
    ) -> Result<Option<HeaderValue>, &'static str> {
        match &self.proof {
            Proof::Header(value) => return Ok(Some(value.clone())),
            Proof::Secret(secret) => {
                let secret = std::str::from_utf8(secret.expose()).unwrap_or_default();
                form.append_pair("client_id", &self.id)
                    .append_pair("client_secret", secret);
            }
            Proof::Assertion(assertions) => {
                let assertion = assertions.make(&self.id)?;
                form.append_pair("client_id", &self.id)
                    .append_pair("client_assertion_type", ASSERTION_TYPE)
                    .append_pair("client_assertion", &assertion);
            }
            Proof::Connection => {
                form.append_pair("client_id", &self.id);
            }
        }
        Ok(None)
    }
}

/// Makes assertions for one issuer.
struct Assertions {
    issuer: Box<str>,
    key: PrivateKey,
    clock: Arc<dyn Clock>,
}

impl Assertions {
    fn make(&self, client: &str) -> Result<String, &'static str> {
        let id: [u8; 16] =
            entropy::bytes().map_err(|_| "an assertion needs randomness, and there is none")?;
        let now = self.clock.now();
        let header = serde_json::json!({
            "typ": "client-authentication+jwt",
            "alg": self.key.algorithm().as_str(),
        });
        let claims = serde_json::json!({
            "iss": client,
            "sub": client,
            // The issuer and nothing else: an assertion for one endpoint of one issuer must not
            // be good at another.
            "aud": self.issuer,
            "jti": URL_SAFE_NO_PAD.encode(id),
            "iat": now.unix_seconds(),
            "exp": (now + ASSERTION).unix_seconds(),
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self
            .key
            .sign(signed.as_bytes())
            .ok_or("the key of `private_key_jwt` cannot sign")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::SystemClock;

    use super::*;

    /// What is sent: the form, and the header.
    fn sent(credentials: &ClientCredentials) -> (Vec<(String, String)>, Option<String>) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut errors = ConfigErrors::default();
        let prepared = credentials.prepare("https://idp.example", &clock, &mut errors);
        let prepared = prepared.unwrap_or_else(|| panic!("{errors}"));
        let mut form = Serializer::new(String::new());
        let header = prepared.prove(&mut form).unwrap();
        let header = header.map(|value| value.to_str().unwrap().to_owned());
        let form = form.finish();
        let pairs = url::form_urlencoded::parse(form.as_bytes());
        (pairs.into_owned().collect(), header)
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn both_halves_of_a_header_are_form_encoded() {
        let secret = Secret::from("a:b c%\u{e4}");
        let (form, header) = sent(&ClientCredentials::client_secret_basic("my:id", secret));
        assert_eq!(form, []);
        let header = header.unwrap();
        let decoded = STANDARD.decode(header.strip_prefix("Basic ").unwrap());
        assert_eq!(decoded.unwrap(), b"my%3Aid:a%3Ab+c%25%C3%A4");
    }

    #[test]
    fn the_other_forms_are_in_the_body() {
        let secret = Secret::from("a&b");
        let (form, header) = sent(&ClientCredentials::client_secret_post("id", secret));
        assert_eq!(
            form,
            [pair("client_id", "id"), pair("client_secret", "a&b")]
        );
        assert_eq!(header, None);
        let (form, header) = sent(&ClientCredentials::tls_client_auth("id"));
        assert_eq!(form, [pair("client_id", "id")]);
        assert_eq!(header, None);
    }

    #[test]
    fn what_cannot_work_is_named() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let empty = || Secret::from("");
        for (credentials, setting) in [
            (ClientCredentials::tls_client_auth(""), "ClientCredentials"),
            (
                ClientCredentials::client_secret_basic("id", empty()),
                "client_secret_basic",
            ),
            (
                ClientCredentials::client_secret_post("id", empty()),
                "client_secret_post",
            ),
            (
                ClientCredentials::client_secret_post("id", Secret::new([0xff])),
                "client_secret_post",
            ),
            (
                ClientCredentials::private_key_jwt("id", Algorithm::Es256, empty()),
                "private_key_jwt",
            ),
            (
                ClientCredentials::private_key_jwt("id", Algorithm::Rs256, Secret::from("a")),
                "private_key_jwt",
            ),
        ] {
            let mut errors = ConfigErrors::default();
            let prepared = credentials.prepare("https://idp.example", &clock, &mut errors);
            assert!(prepared.is_none());
            let settings: Vec<_> = errors.iter().map(ConfigError::setting).collect();
            assert_eq!(settings, [setting]);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!(
            "{:?}",
            ClientCredentials::client_secret_basic("id", Secret::from("canary"))
        );
        assert!(shown.contains("id") && !shown.contains("canary"), "{shown}");
    }
}
