//! A web server of a few lines.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Serves one file, whatever is asked for; the first answer may break off. Ends with the test's process.
#[derive(Debug)]
pub(crate) struct Web {
    pub(crate) url: String,
    asked: Arc<AtomicUsize>,
}

impl Web {
    /// Serves these bytes; the first answer has only so many of them.
    pub(crate) fn serve(bytes: Vec<u8>, first: usize) -> Self {
        Self::with("http", bytes, first, Some)
    }

    /// Serves these bytes over TLS, with a certificate of an authority that nobody knows; returns that, too, as PEM.
    pub(crate) fn serve_tls(bytes: Vec<u8>) -> (Self, String) {
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = authority.self_signed(&key).unwrap().pem();
        let (issuer, key) = (Issuer::new(authority, key), KeyPair::generate().unwrap());
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            );
        let config = Arc::new(config.unwrap());
        let length = bytes.len();
        let secure = move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(StreamOwned::new(connection, stream))
        };
        (Self::with("https", bytes, length, secure), pem)
    }

    fn with<S: Read + Write>(
        scheme: &str,
        bytes: Vec<u8>,
        first: usize,
        secure: impl Fn(TcpStream) -> Option<S> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}/data/file.bin", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let Some(stream) = secure(stream) else { continue };
                // Who does not trust this one asks for nothing.
                let Some((stream, from)) = question(stream) else { continue };
                let is_first = count.fetch_add(1, Ordering::AcqRel) == 0;
                let end = if is_first { first } else { bytes.len() };
                answer(stream, &bytes, from, end);
            }
        });
        Self { url, asked }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Acquire)
    }
}

/// Reads what is asked for: from which byte on.
fn question<S: Read>(stream: S) -> Option<(S, usize)> {
    let mut reader = BufReader::new(stream);
    let mut from = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            from = range.trim().trim_end_matches('-').parse().unwrap();
        }
        line.clear();
    }
    Some((reader.into_inner(), from))
}

fn answer(mut stream: impl Write, bytes: &[u8], from: usize, end: usize) {
    let all = bytes.len();
    let head = if from > 0 {
        format!("206 Partial Content\r\ncontent-range: bytes {from}-{}/{all}", all - 1)
    } else {
        "200 OK".to_owned()
    };
    let left = all - from;
    let head = format!(
        "HTTP/1.1 {head}\r\netag: \"v1\"\r\nconnection: close\r\ncontent-length: {left}\r\n\r\n"
    );
    // Who asked may be gone.
    drop(stream.write_all(head.as_bytes()));
    drop(stream.write_all(&bytes[from..end.max(from)]));
    drop(stream.flush());
}
