//! The settings of the `perimeter` layer.

mod upgrades;

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use http::HeaderName;
use ipnet::IpNet;
use portcullis_core::{ConfigError, ConfigErrors};

use super::{
    ForwardedHeader, PerimeterLayer,
    address::TrustedProxies,
    authority::{AllowedHosts, AllowedOrigins, shown},
    budget::RefusalBudget,
    certificate_header::CertificateHeader,
    decide::ForwardedCertificates,
    decide::{Inspect, Limits},
    identity_headers::IdentityHeaders,
};
use crate::{
    ambient::{Ambient, ambient_setters},
    authn::keep,
    frame::Steps,
    resource::Resource,
};

/// The settings of a [`PerimeterLayer`]. Setters keep their mistakes; [`build`](Self::build)
/// reports them, all at once.
#[derive(Debug)]
#[must_use = "nothing is guarded until `build` is called and the layer is added"]
pub struct PerimeterBuilder {
    ambient: Ambient,
    settings: PerimeterSettings,
}

/// What `perimeter` is made from, beside what every layer has.
pub(crate) struct PerimeterSettings {
    resource: Option<Box<str>>,
    hosts: AllowedHosts,
    allows_any_host: bool,
    origins: AllowedOrigins,
    proxies: TrustedProxies,
    identity_headers: IdentityHeaders,
    certificate_header: Option<CertificateHeader>,
    proxy_certificates: Vec<Box<str>>,
    limits: Limits,
    budget: Option<Budget>,
    upgrades: Vec<Box<str>>,
    errors: ConfigErrors,
}

#[derive(Debug)]
struct Budget {
    refusals: u32,
    period: Duration,
    prefixes: usize,
}

impl fmt::Debug for PerimeterSettings {
    /// Without the resource: it is not checked yet, and may be a URL with a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerimeterSettings")
            .field("hosts", &self.hosts)
            .field("allows_any_host", &self.allows_any_host)
            .field("origins", &self.origins)
            .field("proxies", &self.proxies)
            .field("identity_headers", &self.identity_headers)
            .field("certificate_header", &self.certificate_header)
            .field("limits", &self.limits)
            .field("budget", &self.budget)
            .field("upgrades", &self.upgrades)
            .field("errors", &self.errors)
            .finish_non_exhaustive()
    }
}

impl Default for PerimeterSettings {
    fn default() -> Self {
        Self {
            resource: None,
            hosts: AllowedHosts::default(),
            allows_any_host: false,
            origins: AllowedOrigins::default(),
            proxies: TrustedProxies::default(),
            identity_headers: IdentityHeaders::default(),
            certificate_header: None,
            proxy_certificates: Vec::new(),
            limits: Limits {
                body: 2 << 20,
                uri: 8 << 10,
                headers: 100,
                header_bytes: 32 << 10,
            },
            budget: Some(Budget {
                refusals: 100,
                period: Duration::from_secs(60),
                prefixes: 100_000,
            }),
            upgrades: Vec::new(),
            errors: ConfigErrors::default(),
        }
    }
}

impl PerimeterBuilder {
    pub(super) fn new() -> Self {
        Self {
            ambient: Ambient::default(),
            settings: PerimeterSettings::default(),
        }
    }

    ambient_setters!();

    /// The public URL of the agent. Its host is allowed, and its own pages may call it.
    pub fn with_resource(mut self, url: impl Into<Box<str>>) -> Self {
        self.settings.resource = Some(url.into());
        self
    }

    /// Allows a host that requests may name: `agent.example`, `127.0.0.1:3000`.
    ///
    /// Without a port, requests that name none, 80 or 443 match. There are no wildcards.
    pub fn add_allowed_host(mut self, host: impl AsRef<str>) -> Self {
        let result = self.settings.hosts.add(host.as_ref());
        self.settings.note("add_allowed_host", result);
        self
    }

    /// Lets requests in whatever host they name, as where a proxy has checked it already.
    ///
    /// A page that points its own name to this server's address (DNS rebinding) is then not
    /// recognised by its host.
    pub fn dangerously_allow_any_host(mut self) -> Self {
        self.settings.allows_any_host = true;
        self
    }

    /// Lets the pages of an origin call: `https://app.example`. Beside these, only pages of
    /// the resource's own origin may, and callers that are no page.
    ///
    /// This says whose requests are let in. Whether the page may read the answer says a CORS
    /// layer, outside the gate.
    pub fn add_allowed_origin(mut self, origin: impl AsRef<str>) -> Self {
        let result = self.settings.origins.add(origin.as_ref());
        self.settings.note("add_allowed_origin", result);
        self
    }

    /// Believes the proxies of a network, such as `10.0.0.0/8`, about where a request comes
    /// from. None are believed by default.
    pub fn add_trusted_proxy(mut self, network: impl AsRef<str>) -> Self {
        let text = network.as_ref();
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let result = match network {
            Ok(network) if network.prefix_len() == 0 => Err(format!(
                "`{network}` believes everybody; name the networks of the proxies"
            )),
            Ok(network) => {
                self.settings.proxies.networks.push(network.trunc());
                Ok(())
            }
            Err(_) => Err(format!(
                "`{}` is no network; give one like `10.0.0.0/8` or `::1`",
                shown(text),
            )),
        };
        self.settings.note("add_trusted_proxy", result);
        self
    }

    /// Which header the trusted proxies write. `X-Forwarded-For` by default; the other one is
    /// not read.
    pub fn with_forwarded_header(mut self, header: ForwardedHeader) -> Self {
        self.settings.proxies.header = header;
        self
    }

    /// Takes the certificate of a client from this header, where a
    /// [trusted proxy](Self::add_trusted_proxy) has written it: it is then the one of the request, as
    /// if the client had shown it to this server. Off by default.
    pub fn with_certificate_header(mut self, header: CertificateHeader) -> Self {
        self.settings.certificate_header = Some(header);
        self
    }

    /// The proxy proves itself with a certificate of its own, with this thumbprint (the SHA-256 digest
    /// of its DER as base64url): its [header](Self::with_certificate_header) counts on such
    /// connections, and on no others. An address alone is then not enough.
    ///
    /// Name the next one before the proxy's certificate is renewed. A connection that shows another
    /// one, and brings the header or comes from a trusted network, is taken for that of a proxy that
    /// is not known: its requests come without a certificate, so clients that have one of their own
    /// have to come from elsewhere.
    pub fn add_proxy_certificate(mut self, thumbprint: impl Into<Box<str>>) -> Self {
        self.settings.proxy_certificates.push(thumbprint.into());
        self
    }

    /// One more header that names a caller in this deployment, and is removed from requests
    /// in every spelling. The usual ones are known: `X-Forwarded-User`, `X-Auth-Request-*`,
    /// `X-Goog-IAP-*`, `Client-Cert` and their like.
    pub fn add_identity_header(mut self, name: HeaderName) -> Self {
        self.settings.identity_headers.add(name);
        self
    }

    /// Lets a header through that would be removed, because here it names no caller, or because
    /// an authenticator behind this layer reads it. (A stack sees that by itself.)
    pub fn without_identity_header(mut self, name: HeaderName) -> Self {
        self.settings.identity_headers.keep(name);
        self
    }

    /// The most bytes of a body. 2 MiB by default.
    pub fn with_max_body(mut self, bytes: u64) -> Self {
        self.settings.limits.body = bytes;
        self
    }

    /// The most bytes of path and query together. 8 KiB by default.
    pub fn with_max_uri(mut self, bytes: usize) -> Self {
        self.settings.limits.uri = bytes;
        self
    }

    /// The most header lines, and the most bytes of all names and values together. 100 and
    /// 32 KiB by default.
    pub fn with_max_headers(mut self, lines: usize, bytes: usize) -> Self {
        self.settings.limits.headers = lines;
        self.settings.limits.header_bytes = bytes;
        self
    }

    /// How many refusals an address prefix (IPv4 /32, IPv6 /64) has, all at once or spread
    /// over the period. 100 a minute by default.
    ///
    /// Only refusals are counted, of callers who are not known. Who has spent them is let in
    /// with a credential that is already known to be good, and answered 429 otherwise.
    pub fn with_refusal_budget(mut self, refusals: u32, period: Duration) -> Self {
        let prefixes = self
            .settings
            .budget
            .as_ref()
            .map_or(100_000, |budget| budget.prefixes);
        self.settings.budget = Some(Budget {
            refusals,
            period,
            prefixes,
        });
        self
    }

    /// Refuses without counting.
    pub fn without_refusal_budget(mut self) -> Self {
        self.settings.budget = None;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work, with its fix; also when no host is allowed.
    pub fn build(self) -> Result<PerimeterLayer, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let resource = match self.settings.resource.as_deref().map(Resource::parse) {
            None => None,
            Some(Ok(resource)) => Some(resource),
            Some(Err(error)) => {
                errors.push(error);
                None
            }
        };
        let step = keep(
            self.settings.assemble(&self.ambient, resource.as_ref()),
            &mut errors,
        );
        let shared = keep(self.ambient.build(), &mut errors);
        match (step, shared) {
            (Some(step), Some(shared)) if errors.is_empty() => Ok(PerimeterLayer::new(Arc::new(
                Steps::new(vec![Arc::new(step)], shared),
            ))),
            _ => Err(errors),
        }
    }

    pub(crate) fn into_settings(self) -> PerimeterSettings {
        self.settings
    }
}

impl PerimeterSettings {
    fn note(&mut self, setting: &'static str, result: Result<(), String>) {
        if let Err(problem) = result {
            self.errors.push(ConfigError::new(setting, problem));
        }
    }

    /// Who may hand on certificates, and how.
    fn certificates(&mut self) -> Option<ForwardedCertificates> {
        let mut complain =
            |setting, problem: &str| self.errors.push(ConfigError::new(setting, problem));
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_digest = |text: &str| text.len() == 43 && text.bytes().all(is_digit);
        if !self.proxy_certificates.iter().all(|text| is_digest(text)) {
            complain(
                "add_proxy_certificate",
                "is no SHA-256 digest as base64url without padding; give the thumbprint of the \
                 proxy's certificate",
            );
        }
        let Some(header) = self.certificate_header.clone() else {
            if !self.proxy_certificates.is_empty() {
                complain(
                    "add_proxy_certificate",
                    "was called without `with_certificate_header`; call that as well, or leave it \
                     out",
                );
            }
            return None;
        };
        if let Some(problem) = header.problem() {
            complain("with_certificate_header", problem);
        }
        if self.proxies.networks.is_empty() {
            // Also where its certificate is named: the next one would make it a client.
            complain(
                "with_certificate_header",
                "is set and no network of a proxy is known, so that a proxy could be taken for a \
                 client; name it with `add_trusted_proxy`",
            );
        }
        self.identity_headers.add(header.name().clone());
        Some(ForwardedCertificates {
            header,
            proxies: std::mem::take(&mut self.proxy_certificates).into(),
        })
    }

    /// Lets the headers through that an authenticator reads, each in its one spelling. The
    /// authenticator's layer takes them away.
    pub(crate) fn keep_credentials<'n>(&mut self, names: impl IntoIterator<Item = &'n HeaderName>) {
        for name in names {
            self.identity_headers.keep(name.clone());
        }
    }

    /// Checks every setting against the place where the layer will stand.
    pub(crate) fn assemble(
        mut self,
        ambient: &Ambient,
        resource: Option<&Resource>,
    ) -> Result<Inspect, ConfigErrors> {
        if let Some(resource) = resource {
            self.hosts.add_url(resource.url());
            self.origins.add_url(resource.url());
        }
        if self.hosts.is_empty() && !self.allows_any_host {
            self.errors.push(ConfigError::new(
                "add_allowed_host",
                "was not called and there is no resource, so every request would be refused; \
                 name the host that clients use",
            ));
        }
        let certificates = self.certificates();
        let Limits {
            uri,
            headers,
            header_bytes,
            ..
        } = self.limits;
        for (setting, limit) in [
            ("with_max_uri", uri),
            ("with_max_headers", headers.min(header_bytes)),
        ] {
            if limit == 0 {
                let problem = "is zero, so every request would be refused; raise it";
                self.errors.push(ConfigError::new(setting, problem));
            }
        }
        let budget = self.budget.as_ref().and_then(|budget| {
            let Budget {
                refusals,
                period,
                prefixes,
            } = *budget;
            RefusalBudget::new(refusals, period, prefixes, Arc::clone(&ambient.clock))
                .map_err(|problem| {
                    self.errors
                        .push(ConfigError::new("with_refusal_budget", problem));
                })
                .ok()
        });
        self.errors.into_result(Inspect {
            proxies: self.proxies,
            hosts: (!self.allows_any_host).then_some(self.hosts),
            origins: self.origins,
            identity_headers: self.identity_headers,
            certificates,
            limits: self.limits,
            budget: budget.map(Arc::new),
            upgrades: self.upgrades,
            has_warned: AtomicBool::new(false),
            has_warned_of_proxy: AtomicBool::new(false),
        })
    }
}
