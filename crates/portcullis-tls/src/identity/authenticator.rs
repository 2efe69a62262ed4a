//! The authenticator.

use std::{fmt, sync::Arc};

use portcullis_core::{
    Authenticator, Check, Confirmation, Description, Evidence, EvidenceKind, PeerCertificate,
    ReasonCode, Rejection, RequestView, Timestamp, Verdict, sabotaged,
};
use quick_cache::sync::Cache;

use super::naming::{Found, Naming};
use crate::{certificate::Names, reason};

/// The name in records.
const NAME: &str = "client_certificate";
/// How many certificates are known that have been read.
const KNOWN: usize = 1024;

/// Accepts clients by their certificates. Made from a
/// [`ClientCertificates`](super::ClientCertificates).
///
/// Cheap to clone: clones share what they have read.
#[derive(Clone)]
pub struct ClientCertificateAuthenticator {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None` where the certificate names it.
    issuer: Option<Box<str>>,
    naming: Naming,
    /// By thumbprint: a certificate is read once.
    known: Cache<Box<str>, Known>,
}

/// What a certificate is worth, but for the time.
#[derive(Clone)]
struct Known {
    evidence: Arc<Evidence>,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
}

/// Why a certificate is not accepted.
enum Stop {
    Stranger,
    Refused(ReasonCode),
}

impl ClientCertificateAuthenticator {
    pub(super) fn new(issuer: Option<Box<str>>, naming: Naming) -> Self {
        let inner = Inner {
            issuer,
            naming,
            known: Cache::new(KNOWN),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// What becomes of a certificate at that time, for a developer who is stuck: its subject, or the
    /// reason why it is refused. `None`, if it names nobody of whom this authenticator knows.
    ///
    /// The text of a code is [`reason::meaning`].
    #[must_use]
    pub fn explain(
        &self,
        certificate: &PeerCertificate,
        at: Timestamp,
    ) -> Option<Result<Box<str>, ReasonCode>> {
        match self.inner.judge(certificate, at) {
            Ok(evidence) => Some(Ok(evidence.subject().into())),
            Err(Stop::Refused(reason)) => Some(Err(reason)),
            Err(Stop::Stranger) => None,
        }
    }
}

impl Inner {
    fn judge(&self, certificate: &PeerCertificate, now: Timestamp) -> Result<Arc<Evidence>, Stop> {
        let known = match self.known.get(certificate.thumbprint()) {
            // What a header says beside a certificate may be another time different.
            Some(known) if certificate.chain().len() > 0 => known,
            _ => self.read(certificate)?,
        };
        if known.not_before.is_some_and(|start| now < start) {
            return Err(Stop::Refused(reason::NOT_YET_VALID));
        }
        let is_over = known.not_after.is_some_and(|end| now >= end);
        if is_over && !sabotaged!("client_certificate.expiry") {
            return Err(Stop::Refused(reason::EXPIRED));
        }
        Ok(known.evidence)
    }

    /// Reads a certificate, and keeps what it is worth.
    fn read(&self, certificate: &PeerCertificate) -> Result<Known, Stop> {
        let names = match certificate.chain().next() {
            None => None,
            Some(der) => Some(Names::read(der).ok_or(Stop::Refused(reason::MALFORMED))?),
        };
        let beside: Vec<Box<str>> = certificate.uris().map(Into::into).collect();
        // What stands in the certificate itself is above what somebody says of it.
        let uris = names.as_ref().map_or(&beside, |names| &names.uris);
        let thumbprint = certificate.thumbprint();
        let found = self.naming.name(thumbprint, uris, names.as_ref());
        let subject = match found.map_err(Stop::Refused)? {
            Found::Named(subject) => subject,
            Found::Stranger => return Err(Stop::Stranger),
        };
        let issuer = self.issuer_of(subject);
        // It proves its holder anew with each connection, and nothing later will ever come with it.
        let mut evidence = Evidence::new(EvidenceKind::Standing, issuer, subject)
            .with_client(subject)
            .with_confirmation(Confirmation::default().with_certificate_thumbprint(thumbprint));
        // By what this one certificate can be revoked: the holder can change its thumbprint, by
        // writing an ECDSA signature in its other form, and not what is signed.
        let id = names.as_ref().map_or(thumbprint, |names| &names.serial);
        evidence = evidence.with_token_id(id);
        if let Some(names) = &names {
            evidence = evidence
                .with_issued_at(names.not_before)
                .with_not_after(names.not_after);
        }
        evidence
            .validate()
            .map_err(|_| Stop::Refused(reason::MALFORMED))?;
        let known = Known {
            evidence: Arc::new(evidence),
            not_before: names.as_ref().map(|names| names.not_before),
            not_after: names.as_ref().map(|names| names.not_after),
        };
        // Not what somebody says of one: the next time the certificate itself may be there.
        if names.is_some() {
            self.known.insert(thumbprint.into(), known.clone());
        }
        Ok(known)
    }

    fn issuer_of<'a>(&'a self, subject: &'a str) -> &'a str {
        match &self.issuer {
            Some(issuer) => issuer,
            // `spiffe://` and the trust domain.
            None => subject
                .match_indices('/')
                .nth(2)
                .and_then(|(at, _)| subject.get(..at))
                .unwrap_or(subject),
        }
    }
}

impl Authenticator for ClientCertificateAuthenticator {
    fn describe(&self) -> Description {
        let description = Description::certificate(NAME);
        match (&self.inner.issuer, &self.inner.naming) {
            (Some(issuer), _) => description.add_issuer(issuer.clone()),
            (None, Naming::Spiffe { domain, .. }) => {
                description.add_issuer(format!("spiffe://{domain}"))
            }
            (None, _) => description,
        }
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let Some(certificate) = request.peer_certificate() else {
            return Check::Done(Verdict::Absent);
        };
        Check::Done(match self.inner.judge(certificate, request.now()) {
            Ok(evidence) => Verdict::Accept(evidence),
            Err(Stop::Stranger) => Verdict::Absent,
            Err(Stop::Refused(reason)) => {
                tracing::debug!(
                    %reason,
                    meaning = reason::meaning(reason).unwrap_or_default(),
                    "a certificate is refused"
                );
                Verdict::Reject(Rejection::invalid_token(reason))
            }
        })
    }
}

impl fmt::Debug for ClientCertificateAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificateAuthenticator")
            .field("issuer", &self.inner.issuer)
            .field("naming", &self.inner.naming)
            .field("known", &self.inner.known.len())
            .finish()
    }
}
