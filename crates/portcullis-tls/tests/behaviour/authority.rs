//! An authority of this process.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::Arc;

use portcullis_core::Secret;
use portcullis_tls::TlsSettings;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key.
pub(crate) struct Pair {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
    pub(crate) key: String,
}

/// What a certificate is to say.
#[derive(Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) uris: Vec<&'static str>,
    pub(crate) dns: Vec<&'static str>,
    pub(crate) common_names: Vec<&'static str>,
    pub(crate) serial: u64,
    /// Years.
    pub(crate) from: Option<i32>,
    pub(crate) until: Option<i32>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters.distinguished_name = named(&[name]);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(parameters, key),
        }
    }

    pub(crate) fn sign(&self, wanted: &Wanted) -> Pair {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = named(&wanted.common_names);
        parameters.serial_number = Some(SerialNumber::from(wanted.serial));
        let uris = wanted.uris.iter().map(|uri| (*uri).try_into().unwrap());
        let dns = wanted.dns.iter().map(|name| (*name).try_into().unwrap());
        parameters.subject_alt_names = uris
            .map(SanType::URI)
            .chain(dns.map(SanType::DnsName))
            .collect();
        parameters.not_before = rcgen::date_time_ymd(wanted.from.unwrap_or(2020), 1, 1);
        parameters.not_after = rcgen::date_time_ymd(wanted.until.unwrap_or(2090), 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        Pair {
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            key: key.serialize_pem(),
        }
    }

    /// A list of revoked serial numbers.
    pub(crate) fn revoke(&self, serials: &[u64], until: i32) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: rcgen::date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let parameters = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2021, 1, 1),
            next_update: rcgen::date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        parameters.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// A server, and the settings of one that trusts this authority's clients.
    pub(crate) fn settings(&self) -> TlsSettings {
        let server = self.sign(&Wanted {
            dns: vec!["localhost"],
            serial: 1,
            ..Wanted::default()
        });
        TlsSettings::new(server.pem, Secret::from(server.key)).with_client_authorities(&*self.pem)
    }

    /// A client that trusts this authority, with a certificate or without.
    pub(crate) fn client(&self, pair: Option<&Pair>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = vec![CertificateDer::from(pair.der.clone())];
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }
}

fn named(names: &[&str]) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    for name in names {
        named.push(DnType::CommonName, *name);
    }
    named
}
