//! The way to the scheduler: TLS that trusts one authority only, and what its failures mean.

use std::error::Error as StdError;
use std::time::Duration;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::Error;

/// The name in every scheduler's certificate, whatever its address.
const SCHEDULER: &str = "repower-scheduler";

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(10);

/// How long nothing may come before the other side is asked whether it is there.
const PING: Duration = Duration::from_secs(2);

/// How long it has to answer.
const PONG: Duration = Duration::from_secs(3);

/// Bytes that may be on their way here on a connection with one stream.
const WINDOW: u32 = 256 << 10;

/// An endpoint for the scheduler at `address` that trusts `authority` only.
///
/// `certificate` is this agent's own, with its key; none before enrolment.
pub(crate) fn endpoint(
    address: &str,
    authority: &str,
    certificate: Option<(&str, &str)>,
) -> Result<Endpoint, Error> {
    let malformed = || Error::BadAddress { address: address.to_owned() };
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|_| malformed())?;
    if endpoint.uri().scheme_str() != Some("https") || endpoint.uri().port().is_none() {
        return Err(malformed());
    }
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority))
        .domain_name(SCHEDULER);
    if let Some((certificate, key)) = certificate {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let endpoint = endpoint.tls_config(tls).map_err(|error| Error::BadCertificates {
        scheduler: address.to_owned(),
        source: error.into(),
    })?;
    Ok(endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .keep_alive_while_idle(true))
}

/// The same for a connection with one stream, of which little may be on its way here.
pub(crate) fn of_one(endpoint: Endpoint) -> Endpoint {
    endpoint.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW)
}

/// Connects once.
pub(crate) async fn connect(endpoint: &Endpoint) -> Result<Channel, Failure> {
    match tokio::time::timeout(CONNECT, endpoint.connect()).await {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(error)) => Err(Failure::of(error.into())),
        Err(late) => Err(Failure::Unreachable(late.into())),
    }
}

/// Why a connection did not come about or ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody answers, or what answers is not gRPC.
    Unreachable(Box<dyn StdError + Send + Sync>),
    /// The other side's certificate is of another authority, or for another name.
    WrongAuthority(Box<dyn StdError + Send + Sync>),
    /// The other side refuses this agent's certificate.
    CertificateRefused(String),
}

/// The alerts by which the other side says that it does not like a certificate.
const ABOUT_CERTIFICATES: [&str; 9] = [
    "AccessDenied",
    "BadCertificate",
    "CertificateExpired",
    "CertificateRequired",
    "CertificateRevoked",
    "CertificateUnknown",
    "DecryptError",
    "UnknownCA",
    "UnsupportedCertificate",
];

impl Failure {
    /// What `error` means, by the TLS error in its chain of causes.
    ///
    /// In TLS 1.3 a client learns only after the handshake that its certificate is refused, from an
    /// alert; HTTP/2 passes that on as text, and loses it if the connection is closed at once. Then
    /// the next try tells.
    pub(crate) fn of(error: Box<dyn StdError + Send + Sync>) -> Self {
        if let Some(rustls::Error::InvalidCertificate(_)) = tls_cause(&*error) {
            return Self::WrongAuthority(error);
        }
        let alert = causes(&*error).find_map(|cause| alert(&cause.to_string()));
        match alert {
            Some(alert) => Self::CertificateRefused(format!("TLS alert {alert}")),
            None => Self::Unreachable(error),
        }
    }
}

/// The alert about a certificate that a text tells of.
fn alert(text: &str) -> Option<&'static str> {
    let (_, name) = text.split_once("received fatal alert: ")?;
    ABOUT_CERTIFICATES.into_iter().find(|known| *known == name)
}

/// The TLS error among the causes of an error.
fn tls_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())
}

/// An error and its causes; that of an `io::Error` is what it was made of, which its `source` skips.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        inner.map_or_else(|| error.source(), |inner| Some(inner as &(dyn StdError + 'static)))
    })
}
