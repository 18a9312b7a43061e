//! The same within TLS, with a certificate that was made a moment ago.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls::{ConnectionCommon, SideData, StreamOwned};

use super::lines::Patient;

const NAME: &str = "localhost";

/// A key and its certificate.
pub(super) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    pub(super) fn new() -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()])?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let key = key.map_err(|error| anyhow::anyhow!("a key that cannot be read: {error}"))?;
        Ok(Self { certificate: made.cert.der().clone(), key })
    }

    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let path = folder.join("server.der");
        std::fs::write(&path, &self.certificate)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    pub(super) fn accept(self, stream: TcpStream) -> anyhow::Result<impl Patient> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate], self.key)?;
        let connection = ServerConnection::new(Arc::new(config))?;
        Ok(StreamOwned::new(connection, stream))
    }
}

pub(super) fn connect(stream: TcpStream, trust: &Path) -> anyhow::Result<impl Patient + use<>> {
    let bytes = std::fs::read(trust).with_context(|| format!("cannot read {}", trust.display()))?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(bytes))?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(NAME)?)?;
    Ok(StreamOwned::new(connection, stream))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl<C, S> Patient for StreamOwned<C, TcpStream>
where
    C: std::ops::DerefMut + std::ops::Deref<Target = ConnectionCommon<S>>,
    S: SideData,
    Self: Read + Write,
{
    fn wait(&self, time: Duration) -> io::Result<()> {
        self.sock.wait(time)
    }
}
