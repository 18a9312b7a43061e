//! The server's certificate, and how it speaks TLS.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose};
use repower_model::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use x509_parser::extensions::GeneralName;

use super::store::Store;
use super::{Authority, DAY_MS, SERVER_NAME, validity};
use crate::Error;

const CERTIFICATE: &str = "server.pem";
const KEY: &str = "server.key";
const SERVER_DAYS: i64 = 5 * 365;
/// A certificate that ends sooner is made anew at start.
const RENEW_DAYS: i64 = 365;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How the server speaks TLS: with a certificate of its authority for all its names; a client may
/// show a certificate, and then it must be of the same authority.
pub(crate) fn config(
    data: &Path,
    authority: &Authority,
    names: &[String],
    now: Timestamp,
) -> Result<ServerConfig, Error> {
    let store = Store::open(data)?;
    let unusable = |source: Cause| Error::Certificate { path: store.path(CERTIFICATE), source };
    let names = all_names(names)?;
    let known = store.read(CERTIFICATE)?;
    let still_good = |pem: &String| !authority.is_new && is_good(pem, &names, now);
    let pem = match known.filter(still_good) {
        Some(pem) => pem,
        None => make(&store, authority, &names, now)?,
    };
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
    let certificate = certificate.map_err(|error| unusable(error.into()))?;
    let key = PrivateKeyDer::from_pem_slice(store.key(KEY)?.serialize_pem().as_bytes());
    let key = key.map_err(|error| unusable(error.into()))?;
    let config = speak(authority, certificate, key).map_err(unusable)?;
    Ok(config)
}

fn speak(
    authority: &Authority,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, Cause> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone())?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The names that every server has, those of this machine, and those that the operator adds.
fn all_names(more: &[String]) -> Result<BTreeSet<String>, Error> {
    let mut names: BTreeSet<String> =
        [SERVER_NAME, "localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy().to_lowercase();
    if ServerName::try_from(host.as_str()).is_ok() {
        names.insert(host);
    }
    for name in more {
        if ServerName::try_from(name.as_str()).is_err() {
            return Err(Error::BadName { name: name.clone() });
        }
        names.insert(name.parse::<IpAddr>().map_or_else(|_| name.clone(), |ip| ip.to_string()));
    }
    Ok(names)
}

fn make(
    store: &Store,
    authority: &Authority,
    names: &BTreeSet<String>,
    now: Timestamp,
) -> Result<String, Error> {
    let unusable = |source: rcgen::Error| Error::Certificate {
        path: store.path(CERTIFICATE),
        source: source.into(),
    };
    let key = store.key(KEY)?;
    let mut params =
        CertificateParams::new(names.iter().cloned().collect::<Vec<_>>()).map_err(unusable)?;
    (params.not_before, params.not_after) = validity(now, SERVER_DAYS);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let pem = params.signed_by(&key, authority.issuer()).map_err(unusable)?.pem();
    store.write(CERTIFICATE, &pem)?;
    Ok(pem)
}

/// Whether a certificate has these names and is good for long.
fn is_good(pem: &str, names: &BTreeSet<String>, now: Timestamp) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes()) else {
        return false;
    };
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&der) else {
        return false;
    };
    let ends_ms = certificate.validity().not_after.timestamp().saturating_mul(1000);
    let Ok(Some(found)) = certificate.subject_alternative_name() else {
        return false;
    };
    let found: BTreeSet<String> = found.value.general_names.iter().filter_map(name_of).collect();
    found == *names && ends_ms - now.as_millis() > RENEW_DAYS * DAY_MS
}

fn name_of(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) = name {
        return Some((*name).to_owned());
    }
    let GeneralName::IPAddress(bytes) = name else {
        return None;
    };
    let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn the_servers_certificate_is_made_anew_when_its_names_change_or_it_ends_soon() {
        let folder = tempfile::tempdir().unwrap();
        let now = clock::now();
        let make = |names: &[&str], now| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let authority = Authority::open(folder.path(), "cell", now).unwrap();
            config(folder.path(), &authority, &names, now).unwrap();
            std::fs::read_to_string(folder.path().join("tls/server.pem")).unwrap()
        };
        let later = Timestamp::from_millis(now.as_millis() + 4 * 365 * DAY_MS + DAY_MS);

        let first = make(&[], now);
        let same = make(&[], now);
        let renamed = make(&["192.0.2.1"], now);
        let renewed = make(&["192.0.2.1"], later);

        assert_eq!(first, same);
        assert_ne!(same, renamed);
        assert_ne!(renamed, renewed);
    }

    #[test]
    fn a_name_that_no_certificate_can_have_is_refused() {
        let error = all_names(&["a b".to_owned()]).unwrap_err();

        assert_eq!(error.to_string(), "`a b` is neither a DNS name nor an address");
    }
}
