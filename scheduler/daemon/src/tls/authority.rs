//! The authority of the cell: it signs the certificates of its server and its nodes.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use repower_model::{Hash, Timestamp};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, DnsName};
use sha2::{Digest, Sha256};

use super::store::Store;
use super::validity;
use crate::Error;

const CERTIFICATE: &str = "authority.pem";
const KEY: &str = "authority.key";
const AUTHORITY_DAYS: i64 = 20 * 365;
/// There is no renewal yet, so a node's certificate lives as long as a node.
const NODE_DAYS: i64 = 10 * 365;

/// The authority of the cell.
#[derive(Debug)]
pub(crate) struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    pub(super) is_new: bool,
}

/// A request for a certificate that is not granted.
#[derive(Debug, thiserror::Error)]
#[error("the certificate request is not valid")]
pub(crate) struct BadRequest(#[source] rcgen::Error);

/// A node's certificate.
#[derive(Debug)]
pub(crate) struct NodeCertificate {
    pub(crate) pem: String,
    pub(crate) fingerprint: Hash,
}

impl Authority {
    /// The authority of a data folder; made if it is not there.
    pub(crate) fn open(data: &Path, cell: &str, now: Timestamp) -> Result<Self, Error> {
        let store = Store::open(data)?;
        let unusable = |source: Box<dyn std::error::Error + Send + Sync>| Error::Certificate {
            path: store.path(CERTIFICATE),
            source,
        };
        let known = store.read(CERTIFICATE)?;
        if known.is_some() && store.read(KEY)?.is_none() {
            return Err(unusable("its key is missing".into()));
        }
        let key = store.key(KEY)?;
        let is_new = known.is_none();
        let pem = if let Some(pem) = known {
            pem
        } else {
            let made = parameters(cell, now).self_signed(&key);
            let pem = made.map_err(|error| unusable(error.into()))?.pem();
            store.write(CERTIFICATE, &pem)?;
            pem
        };
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| unusable(error.into()))?;
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| unusable(error.into()))?;
        Ok(Self { pem, der, issuer, is_new })
    }

    /// Its certificate, for those who shall trust it.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Signs the key of a request as that of the node `name`. Nothing else of the request is taken.
    pub(crate) fn sign_node(
        &self,
        request_pem: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<NodeCertificate, BadRequest> {
        let request = CertificateSigningRequestParams::from_pem(request_pem).map_err(BadRequest)?;
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = validity(now, NODE_DAYS);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        if DnsName::try_from(name).is_ok()
            && let Ok(name) = name.try_into()
        {
            params.subject_alt_names = vec![SanType::DnsName(name)];
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(&request.public_key, &self.issuer).map_err(BadRequest)?;
        Ok(NodeCertificate { pem: signed.pem(), fingerprint: fingerprint(signed.der()) })
    }
}

/// SHA-256 of a certificate.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> Hash {
    Hash(Sha256::digest(certificate).into())
}

fn parameters(cell: &str, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = validity(now, AUTHORITY_DAYS);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Repower authority of {cell}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_node_gets_the_name_that_we_give_it_not_the_one_that_it_asks_for() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), "cell", clock::now()).unwrap();
        let key = KeyPair::generate().unwrap();
        let asked = CertificateParams::new(vec!["repower-scheduler".to_owned()]).unwrap();
        let request = asked.serialize_request(&key).unwrap().pem().unwrap();

        let signed = authority.sign_node(&request, "n1", clock::now()).unwrap();

        let der = CertificateDer::from_pem_slice(signed.pem.as_bytes()).unwrap();
        let (_, read) = x509_parser::parse_x509_certificate(&der).unwrap();
        assert_eq!(read.subject().to_string(), "CN=n1");
        let names = &read.subject_alternative_name().unwrap().unwrap().value.general_names;
        assert_eq!(format!("{names:?}"), "[DNSName(\"n1\")]");
        assert_eq!(signed.fingerprint, fingerprint(&der));
    }

    #[test]
    fn the_authority_stays_the_same_over_restarts_and_is_not_made_anew_without_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let first = Authority::open(folder.path(), "cell", clock::now()).unwrap();

        let second = Authority::open(folder.path(), "cell", clock::now()).unwrap();
        std::fs::remove_file(folder.path().join("tls/authority.key")).unwrap();
        let without = Authority::open(folder.path(), "cell", clock::now());

        assert_eq!(first.pem(), second.pem());
        assert!(matches!(without, Err(Error::Certificate { .. })), "{without:?}");
    }
}
