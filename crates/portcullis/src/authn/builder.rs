//! The settings of the `authn` layer.

use std::{fmt, sync::Arc};

use portcullis_core::{
    ConfigError, ConfigErrors, Description, IntoAuthenticator, IntoProofVerifier, RevocationStore,
    Scopes, Secret, Site,
};

use super::{
    AuthnLayer,
    anonymous::AnonymousRoutes,
    chain::{AnyAuthenticator, Planned, plan},
    decide::{Authenticate, Link},
    descriptions::{
        authorization_servers, check_descriptions, consumed, credential_headers, foreign_issuers,
    },
    possession::{self, AnyVerifier, PlannedVerifier, Possession},
};
use crate::{
    ambient::{Ambient, ambient_setters},
    cache::{CacheSettings, cache_setters},
    challenge::{Challenges, Source},
    frame::{CurrentSteps, Steps},
    resource::{Metadata, Published, Resource, ResourceDetails},
    revocation::{RevocationSettings, Revocations},
    session::{self, CookieAuthenticator},
    signal::AnySignalBus,
    tasks::Tasks,
};

/// The settings of an [`AuthnLayer`]. Setters keep their mistakes; [`build`](Self::build)
/// reports them, all at once.
#[must_use = "nothing is guarded until `build` is called and the layer is added"]
pub struct AuthnBuilder {
    pub(crate) ambient: Ambient,
    pub(crate) settings: AuthnSettings,
}

/// What `authn` is made from, beside what every layer has.
#[derive(Default)]
pub(crate) struct AuthnSettings {
    pub(crate) resource: Option<Box<str>>,
    details: ResourceDetails,
    authenticators: Vec<Planned>,
    anonymous: AnonymousRoutes,
    scopes: Option<Box<str>>,
    realm: Option<Box<str>>,
    pub(super) revocations: RevocationSettings,
    pub(super) bus: Option<Arc<dyn AnySignalBus>>,
    pub(crate) cache: CacheSettings,
    verifier: Option<PlannedVerifier>,
    requires_sender_constraint: bool,
}

/// What comes out of the settings.
pub(crate) struct Assembled {
    pub(crate) step: Authenticate,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) authenticators: Vec<Arc<dyn AnyAuthenticator>>,
    pub(crate) revocations: Arc<Revocations>,
}

impl AuthnBuilder {
    pub(super) fn new() -> Self {
        Self {
            ambient: Ambient::default(),
            settings: AuthnSettings::default(),
        }
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work, with its fix; also when there is no authenticator.
    pub fn build(self) -> Result<AuthnLayer, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let resource = self.settings.resource(&mut errors);
        let mut settings = self.settings;
        let signals = settings.signals();
        settings.keep_answers(signals.as_ref(), &Tasks::default(), None, &mut errors);
        let assembled = keep(
            settings.assemble(
                &self.ambient,
                resource.as_ref(),
                |revocations| revocations.assemble(self.ambient.time()).map(Arc::new),
                None,
            ),
            &mut errors,
        );
        let shared = keep(self.ambient.build(), &mut errors);
        match (assembled, shared) {
            (Some(assembled), Some(shared)) if errors.is_empty() => Ok(AuthnLayer {
                steps: CurrentSteps::new(Arc::new(Steps::new(
                    vec![Arc::new(assembled.step)],
                    shared,
                ))),
                metadata: assembled.metadata,
                authenticators: assembled.authenticators.into(),
                revocations: assembled.revocations,
            }),
            _ => Err(errors),
        }
    }

    ambient_setters!();
    authn_setters!();
    cache_setters!();
}

/// The setters of [`AuthnSettings`], for a builder that has a field `settings` of that type.
macro_rules! authn_setters {
    () => {
        /// Who we are: the public URL of the agent, its resource identifier (RFC 9728 §1.2).
        ///
        /// It is the audience that token authenticators expect unless they are told another,
        /// byte for byte (a slash at the end counts), and the place of the resource metadata
        /// that challenges point to. Its host is the one that requests have to name in `Host`;
        /// for trying things out it may be `http://localhost:3000/`.
        pub fn with_resource(mut self, url: impl Into<Box<str>>) -> Self {
            self.settings.resource = Some(url.into());
            self
        }

        /// What the resource metadata says beside what follows from the rest: a name and pages for
        /// people.
        pub fn with_resource_details(mut self, details: $crate::ResourceDetails) -> Self {
            self.settings.with_details(details);
            self
        }

        /// Lets requests without a credential in on one route: the matched route on axum
        /// (`/notes/{id}`), otherwise the exact path. Never a prefix.
        ///
        /// A request that does carry a credential is let in by that credential or not at all.
        pub fn add_anonymous_route(mut self, route: impl Into<Box<str>>) -> Self {
            self.settings.add_anonymous_route(route.into());
            self
        }

        /// The scopes that a client without a credential is told to ask for, separated by
        /// spaces: in the challenge, and as `scopes_supported` of the metadata.
        pub fn with_challenge_scopes(mut self, scopes: impl Into<Box<str>>) -> Self {
            self.settings.with_scopes(scopes.into());
            self
        }

        /// Where it is kept what has been [revoked](crate::revocation), which is looked up for
        /// each request. In the memory of this process by default, with room for 100 000:
        /// [`MemoryRevocations`](crate::revocation::MemoryRevocations). One that outlasts the
        /// process, or that is shared, needs
        /// [`with_revocation_key`](Self::with_revocation_key).
        pub fn with_revocations(mut self, store: impl $crate::revocation::RevocationStore) -> Self {
            self.settings.with_revocations(store);
            self
        }

        /// The key of the hashes under which revocations are kept: 16 random bytes, kept where
        /// the server's other secrets are, and the same for all who use the store. Without it
        /// one is drawn when the layer is built, which serves a store in memory.
        pub fn with_revocation_key(mut self, key: $crate::Secret) -> Self {
            self.settings.with_revocation_key(key);
            self
        }

        /// What other servers that share the stores are told by of what was revoked or ended, and
        /// tell it. None by default. See [`signal`](crate::signal).
        pub fn with_signals(mut self, bus: impl $crate::signal::SignalBus) -> Self {
            self.settings.with_signals(::std::sync::Arc::new(bus));
            self
        }

        /// Who checks proofs of possession, such as `portcullis::jwt::Dpop`: tokens that are bound to a key (`cnf` with `jkt`, RFC 9449 §6) are then good with a
        /// proof, under the scheme `DPoP`. Without it they are refused, because nothing here
        /// could tell who sends them.
        ///
        /// Tokens that are bound to a certificate (`x5t#S256`, RFC 8705 §3) need no setting: they
        /// are good on a connection with that [certificate](crate::PeerCertificate).
        pub fn with_proof_of_possession(
            mut self,
            verifier: impl $crate::IntoProofVerifier + Send + 'static,
        ) -> Self {
            self.settings.with_verifier(verifier);
            self
        }

        /// Refuses every credential that is not bound to a key or a certificate: whoever steals
        /// one can do nothing with it. API keys are bound to none.
        ///
        /// For some operations only, see
        /// [`Requirement`](crate::step_up::Requirement::with_sender_constraint).
        pub fn require_sender_constraint(mut self) -> Self {
            self.settings.require_sender_constraint();
            self
        }

        /// The realm of challenges where there is no authorization server to point to
        /// (RFC 9110 §11.5). `agent` by default.
        pub fn with_realm(mut self, realm: impl Into<Box<str>>) -> Self {
            self.settings.with_realm(realm.into());
            self
        }
    };
}
pub(crate) use authn_setters;

impl AuthnBuilder {
    /// Adds an authenticator behind those that are there. They are asked in this order.
    pub fn add_authenticator(
        mut self,
        authenticator: impl IntoAuthenticator + Send + 'static,
    ) -> Self {
        self.settings.add_authenticator(authenticator);
        self
    }
}

impl AuthnSettings {
    pub(crate) fn add_authenticator(
        &mut self,
        authenticator: impl IntoAuthenticator + Send + 'static,
    ) {
        self.authenticators.push(plan(authenticator));
    }

    pub(crate) fn add_anonymous_route(&mut self, route: Box<str>) {
        self.anonymous.add(route);
    }

    pub(crate) fn with_details(&mut self, details: ResourceDetails) {
        self.details = details;
    }

    pub(crate) fn with_scopes(&mut self, scopes: Box<str>) {
        self.scopes = Some(scopes);
    }

    pub(crate) fn with_realm(&mut self, realm: Box<str>) {
        self.realm = Some(realm);
    }

    pub(crate) fn with_revocations(&mut self, store: impl RevocationStore) {
        self.revocations.with_store(store);
    }

    pub(crate) fn with_revocation_key(&mut self, key: Secret) {
        self.revocations.with_key(key);
    }

    pub(crate) fn with_signals(&mut self, bus: Arc<dyn AnySignalBus>) {
        self.revocations.with_signals(Arc::clone(&bus));
        self.bus = Some(bus);
    }

    pub(crate) fn with_verifier(&mut self, verifier: impl IntoProofVerifier + Send + 'static) {
        self.verifier = Some(possession::plan(verifier));
    }

    pub(crate) fn require_sender_constraint(&mut self) {
        self.requires_sender_constraint = true;
    }

    /// The resource, if one is set. In place of one that cannot work there is another, so that
    /// nothing else is then said to be missing.
    pub(crate) fn resource(&self, errors: &mut ConfigErrors) -> Option<Resource> {
        let parsed = Resource::parse(self.resource.as_deref()?);
        parsed
            .map_err(|error| errors.push(error))
            .or_else(|()| Resource::parse("https://resource.invalid/").map_err(drop))
            .ok()
    }

    /// The setters of what is looked up for each request.
    pub(crate) fn stores(&self) -> impl Iterator<Item = &'static str> {
        self.revocations.settings()
    }

    /// Checks every setting and builds the authenticators for the place they will stand in.
    pub(crate) fn assemble(
        self,
        ambient: &Ambient,
        resource: Option<&Resource>,
        revocations: impl FnOnce(RevocationSettings) -> Result<Arc<Revocations>, ConfigErrors>,
        cookies: Option<CookieAuthenticator>,
    ) -> Result<Assembled, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        self.details.check(&mut errors);
        let scopes = keep(parse_scopes(self.scopes.as_deref()), &mut errors).unwrap_or_default();
        for route in self.anonymous.iter() {
            if !route.starts_with('/') || route.contains('*') {
                errors.push(ConfigError::new(
                    "add_anonymous_route",
                    format!(
                        "`{}` is no exact route; give one that starts with `/`, without `*`",
                        route.escape_debug()
                    ),
                ));
            }
        }
        if self.authenticators.is_empty() {
            errors.push(ConfigError::new(
                "add_authenticator",
                "was not called; add at least one, or nobody could ever be let in",
            ));
        }

        let mut site = Site::new(Arc::clone(&ambient.clock));
        if let Some(resource) = resource {
            site = site.with_resource(Arc::clone(resource.identifier()));
        }
        let authenticators: Vec<_> = self
            .authenticators
            .into_iter()
            .filter_map(|planned| keep(planned(&site), &mut errors))
            .collect();
        let descriptions: Vec<_> = authenticators.iter().map(|a| a.describe()).collect();
        check_descriptions(&descriptions, &mut errors);

        let verifier: Option<Arc<dyn AnyVerifier>> = self
            .verifier
            .and_then(|planned| keep(planned(&site), &mut errors));
        let proof = verifier.as_ref().map(|verifier| verifier.describe());

        let servers = authorization_servers(&descriptions);
        // Then a token that is bound to one, or a certificate by itself, does as well as a proof.
        let takes_certificates = self.details.offers_certificate_bound_tokens()
            || descriptions.iter().any(Description::is_certificate);
        let published = Published {
            authorization_servers: &servers,
            scopes: &scopes,
            proof: proof.as_ref(),
            requires_proof: self.requires_sender_constraint && !takes_certificates,
            details: &self.details,
        };
        let metadata = resource.and_then(|resource| Metadata::new(resource, &published));
        let challenges = keep(
            Challenges::render(&Source {
                descriptions: &descriptions,
                proof: proof.as_ref(),
                metadata_url: metadata.as_ref().map(Metadata::url),
                scopes: &scopes,
                realm: self.realm.as_deref().unwrap_or("agent"),
            })
            .map_err(ConfigErrors::from),
            &mut errors,
        );

        let revocations = keep(revocations(self.revocations), &mut errors);
        let (Some(challenges), Some(revocations)) = (challenges, revocations) else {
            return Err(errors);
        };
        let jar = cookies.as_ref().map(|cookies| cookies.cookies().clone());
        // It is nobody's whom the operator has added, so it is not told of in the metadata, and it
        // speaks for whoever was let in before, whoever had vouched for him.
        let of_cookies = cookies.map(|cookies| Link {
            authenticator: Arc::new(cookies),
            name: session::COOKIE_NAME,
            foreign_issuers: Vec::new(),
            is_certificate: false,
        });
        let others = authenticators
            .iter()
            .zip(&descriptions)
            .map(|(a, description)| Link {
                authenticator: Arc::clone(a),
                name: description.name(),
                foreign_issuers: foreign_issuers(&descriptions, description),
                is_certificate: description.is_certificate(),
            });
        let chain = of_cookies.into_iter().chain(others).collect();
        let step = Authenticate {
            chain,
            consumed: consumed(&descriptions, verifier.is_some()),
            credential_headers: credential_headers(&descriptions),
            challenges: Arc::new(challenges),
            anonymous: self.anonymous,
            revocations: Arc::clone(&revocations),
            ahead: None,
            possession: Possession {
                verifier,
                is_required: self.requires_sender_constraint,
            },
            cookies: jar,
        };
        errors.into_result(Assembled {
            step,
            metadata,
            authenticators,
            revocations,
        })
    }
}

/// The value, if there is one; the errors go to the others.
pub(crate) fn keep<T>(result: Result<T, ConfigErrors>, errors: &mut ConfigErrors) -> Option<T> {
    result.map_err(|found| errors.extend(found)).ok()
}

fn parse_scopes(scopes: Option<&str>) -> Result<Scopes, ConfigErrors> {
    let Some(scopes) = scopes else {
        return Ok(Scopes::default());
    };
    let error =
        |problem: String| ConfigErrors::from(ConfigError::new("with_challenge_scopes", problem));
    let scopes = Scopes::parse(scopes)
        .map_err(|problem| error(format!("`{}`: {problem}", scopes.escape_debug())))?;
    if scopes.contains("offline_access") {
        return Err(error(
            "asks for `offline_access`, which a resource must not ask for; remove it".to_owned(),
        ));
    }
    Ok(scopes)
}

impl fmt::Debug for AuthnBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthnBuilder")
            .field("ambient", &self.ambient)
            .finish_non_exhaustive()
    }
}
