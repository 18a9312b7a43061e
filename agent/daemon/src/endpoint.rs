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
pub(crate) const PING: Duration = Duration::from_secs(2);

/// How long it has to answer.
pub(crate) const PONG: Duration = Duration::from_secs(3);

/// An endpoint for the scheduler at `address` that trusts `authority` only.
///
/// `certificate` is this agent's own, with its key; none before enrolment.
pub(crate) fn endpoint(
    address: &str,
    authority: &str,
    certificate: Option<(&str, &str)>,
) -> Result<Endpoint, Error> {
    let malformed = || Error::BadAddress {
        address: address.to_owned(),
    };
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
    let endpoint = endpoint
        .tls_config(tls)
        .map_err(|error| Error::BadCertificates {
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

impl Failure {
    /// What `error` means, by the TLS error in its chain of causes.
    pub(crate) fn of(error: Box<dyn StdError + Send + Sync>) -> Self {
        match tls_cause(&*error) {
            Some(rustls::Error::InvalidCertificate(_)) => Self::WrongAuthority(error),
            Some(rustls::Error::AlertReceived(alert)) => {
                Self::CertificateRefused(format!("TLS alert {alert:?}"))
            }
            _ => Self::Unreachable(error),
        }
    }
}

/// The TLS error in a chain of causes; `io::Error`s hide theirs from `source`.
fn tls_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}
