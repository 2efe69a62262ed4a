//! What an authenticator declares about itself.

use http::HeaderName;

/// What an authenticator declares about itself, once, when the layer is built.
///
/// The layer renders the challenges from it, removes the headers it names before the
/// handler, and publishes its authorization servers in the resource metadata.
///
/// # Example
///
/// ```
/// use portcullis_core::Description;
///
/// let described = Description::bearer("jwt").add_authorization_server("https://idp.example");
/// assert_eq!(described.name(), "jwt");
/// assert_eq!(described.scheme(), Some("Bearer"));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Description {
    name: &'static str,
    scheme: Option<&'static str>,
    headers: Vec<HeaderName>,
    authorization_servers: Vec<Box<str>>,
    issuers: Vec<Box<str>>,
    is_certificate: bool,
}

impl Description {
    /// An authenticator of `Authorization: Bearer` credentials (RFC 6750).
    ///
    /// The name appears in records, in the form of a [`ReasonCode`](crate::ReasonCode).
    pub fn bearer(name: &'static str) -> Self {
        Self {
            name,
            scheme: Some("Bearer"),
            headers: vec![http::header::AUTHORIZATION],
            authorization_servers: Vec::new(),
            issuers: Vec::new(),
            is_certificate: false,
        }
    }

    /// An authenticator of `Authorization` credentials of any other scheme, such as `Basic`
    /// (RFC 9110 §11.6.2). Its challenge carries the realm, and none of OAuth's parameters.
    pub fn authorization(name: &'static str, scheme: &'static str) -> Self {
        Self {
            scheme: Some(scheme),
            ..Self::bearer(name)
        }
    }

    /// An authenticator of credentials in a header of their own. HTTP knows no challenge for
    /// such headers; where all authenticators are of this kind, the layer sends one of the
    /// unregistered scheme `ApiKey`, because a 401 has to carry some (RFC 9110 §15.5.2).
    pub fn header(name: &'static str, header: HeaderName) -> Self {
        Self {
            name,
            scheme: None,
            headers: vec![header],
            authorization_servers: Vec::new(),
            issuers: Vec::new(),
            is_certificate: false,
        }
    }

    /// An authenticator of the certificate with which a client proved itself
    /// ([`RequestView::peer_certificate`](crate::RequestView::peer_certificate)). No header carries
    /// it, and there is no challenge for it.
    pub fn certificate(name: &'static str) -> Self {
        Self {
            name,
            scheme: None,
            headers: Vec::new(),
            authorization_servers: Vec::new(),
            issuers: Vec::new(),
            is_certificate: true,
        }
    }

    /// One more header that carries a part of the credential, such as a proof. It is removed
    /// before the handler like the first, and is no credential of its own.
    pub fn add_header(mut self, header: HeaderName) -> Self {
        self.headers.push(header);
        self
    }

    /// One more authorization server whose tokens are accepted, by its issuer identifier. It
    /// is published in the resource metadata (RFC 9728), and the same one twice in a stack, under
    /// one name, is a configuration error.
    pub fn add_authorization_server(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.authorization_servers.push(issuer.into());
        self
    }

    /// One more issuer whose subjects are vouched for, of which clients are not told: they cannot
    /// get such a credential themselves, as with what a proxy says. Needed where another
    /// authenticator of the stack may declare the issuer as its own.
    pub fn add_issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// The name in records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The authentication scheme of the challenge.
    #[must_use]
    pub fn scheme(&self) -> Option<&'static str> {
        self.scheme
    }

    /// The headers that carry the credential: the first names it, all are removed before the
    /// handler.
    #[must_use]
    pub fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    /// Whether the credential is the certificate of the connection, which no header carries.
    #[must_use]
    pub fn is_certificate(&self) -> bool {
        self.is_certificate
    }

    /// Whether subjects of this issuer are vouched for, whether or not clients are told.
    #[must_use]
    pub fn declares(&self, issuer: &str) -> bool {
        self.issuers().any(|own| own == issuer)
    }

    /// The issuers whose subjects are vouched for, whether or not clients are told.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        let declared = self.authorization_servers.iter().chain(&self.issuers);
        declared.map(|issuer| &**issuer)
    }

    /// The authorization servers whose tokens are accepted.
    pub fn authorization_servers(&self) -> impl Iterator<Item = &str> {
        self.authorization_servers.iter().map(|issuer| &**issuer)
    }
}
