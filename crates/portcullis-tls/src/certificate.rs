//! What a certificate says (RFC 5280).

use portcullis_core::Timestamp;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// What is read of a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Names {
    pub(crate) uris: Vec<Box<str>>,
    pub(crate) dns: Vec<Box<str>>,
    pub(crate) common_names: Vec<Box<str>>,
    /// In hexadecimal, as `openssl x509 -serial` prints it.
    pub(crate) serial: Box<str>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Names {
    /// Reads one certificate. `None`, if it is none, if there is something behind it, or if it has
    /// an extension twice.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let (mut uris, mut dns) = (Vec::new(), Vec::new());
        let alternative = certificate.subject_alternative_name().ok()?;
        let names = alternative
            .iter()
            .flat_map(|names| &names.value.general_names);
        for name in names {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).into()),
                GeneralName::DNSName(name) => dns.push((*name).into()),
                _ => {}
            }
        }
        let common_names = certificate.subject().iter_common_name();
        let common_names: Option<Vec<Box<str>>> = common_names
            .map(|name| name.as_str().ok().map(Into::into))
            .collect();
        let validity = certificate.validity();
        Some(Self {
            uris,
            dns,
            common_names: common_names?,
            serial: hexadecimal(certificate.raw_serial()),
            not_before: Timestamp::from_unix_seconds(validity.not_before.timestamp()),
            // It is good within that second (RFC 5280 §4.1.2.5).
            not_after: Timestamp::from_unix_seconds(
                validity.not_after.timestamp().saturating_add(1),
            ),
        })
    }
}

/// Without the zeros in front, which say nothing but that the number is no negative one.
fn hexadecimal(number: &[u8]) -> Box<str> {
    let digits = number.iter().skip_while(|byte| **byte == 0);
    let text: String = digits.map(|byte| format!("{byte:02X}")).collect();
    if text.is_empty() {
        "00".into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn der() -> Vec<u8> {
        let mut parameters =
            rcgen::CertificateParams::new(vec!["agent.example".to_owned()]).unwrap();
        let uri = "spiffe://acme.example/agents/a".try_into().unwrap();
        parameters.subject_alt_names.push(rcgen::SanType::URI(uri));
        parameters.serial_number = Some(vec![0, 0xab, 0x01].into());
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let mut name = rcgen::DistinguishedName::new();
        name.push(rcgen::DnType::CommonName, "agent a");
        parameters.distinguished_name = name;
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_times_are_read() {
        let names = Names::read(&der()).unwrap();
        assert_eq!(names.uris, ["spiffe://acme.example/agents/a".into()]);
        assert_eq!(names.dns, ["agent.example".into()]);
        assert_eq!(names.common_names, ["agent a".into()]);
        assert_eq!(&*names.serial, "AB01");
        assert_eq!(&*hexadecimal(&[0, 0]), "00");
        assert_eq!(
            names.not_before,
            Timestamp::from_unix_seconds(1_767_225_600)
        );
        assert_eq!(names.not_after, Timestamp::from_unix_seconds(1_798_761_601));
    }

    #[test]
    fn what_is_not_one_certificate_is_none() {
        let der = der();
        assert_eq!(Names::read(&[]), None);
        assert_eq!(Names::read(&der[..der.len() - 1]), None);
        assert_eq!(Names::read(&[&*der, &[0]].concat()), None);
        assert_eq!(Names::read(&[&*der, &*der].concat()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(at in 0_usize..400, byte in any::<u8>(), cut in 0_usize..600) {
            static DER: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(der);
            let mut der = DER.clone();
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            let _ = Names::read(&der);
            der.truncate(cut);
            let _ = Names::read(&der);
        }
    }
}
