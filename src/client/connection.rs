//! One TLS connection to the scheduler, and the services behind it.

use std::error::Error;
use std::io;
use std::time::Duration;

use repower_proto::v1::access_client::AccessClient;
use repower_proto::v1::artefacts_client::ArtefactsClient;
use repower_proto::v1::findings_client::FindingsClient;
use repower_proto::v1::jobs_client::JobsClient;
use repower_proto::v1::ledger_client::LedgerClient;
use repower_proto::v1::nodes_client::NodesClient;
use repower_proto::v1::policies_client::PoliciesClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use super::{Profile, Refused, SCHEDULER_NAME};
use crate::failure::{Exit, Explain};

/// How long the scheduler may take to answer a new connection.
const ANSWER: Duration = Duration::from_secs(10);

/// Bytes of a stream that may be on their way here.
const WINDOW: u32 = 4 << 20;

/// Bytes of one frame: files are sent in few large ones.
const FRAME: u32 = 256 << 10;

/// The largest answer that is taken, in bytes.
const LARGEST_ANSWER: usize = 64 << 20;

/// A scheduler that cannot be reached, or is not the one that the profile trusts.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// The address makes no sense.
    #[error("`{address}` is not an address of a scheduler")]
    Address {
        /// As given.
        address: String,
    },
    /// The authority in the profile is no certificate.
    #[error("the authority in the client profile is not a certificate")]
    Authority {
        /// What the parser said, if there was anything to parse.
        source: Option<tonic::transport::Error>,
    },
    /// The token in the profile cannot be sent.
    #[error("the token in the client profile has characters that a token cannot have")]
    Token,
    /// Nobody answers there.
    #[error("cannot reach the scheduler at {address}")]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// Why not.
        source: Cause,
    },
    /// Somebody takes connections there, and says nothing.
    #[error("what listens at {address} has not answered within {} s", ANSWER.as_secs())]
    Silent {
        /// Where it is.
        address: String,
    },
    /// Somebody answers, whose certificate another authority has signed.
    #[error("the scheduler at {address} is not the one that the client profile trusts")]
    NotTrusted {
        /// Where it is.
        address: String,
        /// What is wrong with its certificate.
        source: rustls::Error,
    },
    /// Somebody answers, who does not speak TLS.
    #[error("what answers at {address} is not a Repower scheduler")]
    NotTls {
        /// Where it is.
        address: String,
        /// What went wrong.
        source: rustls::Error,
    },
}

/// The innermost cause: those around it only say that there is one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

impl Cause {
    fn of(error: &dyn Error) -> Self {
        let mut innermost = error;
        while let Some(cause) = innermost.source() {
            innermost = cause;
        }
        Self(innermost.to_string())
    }
}

impl Explain for ReachError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Address { .. } => "write it as https://HOST:PORT".to_owned(),
            Self::Authority { .. } | Self::Token => {
                "copy client.toml from the scheduler's data folder once more".to_owned()
            }
            Self::Unreachable { .. } | Self::Silent { .. } => {
                "check that `repower scheduler` runs there; --scheduler names another address".to_owned()
            }
            Self::NotTrusted { .. } => {
                "the profile belongs to another cell: take the client.toml of this one, or check the address".to_owned()
            }
            Self::NotTls { .. } => "check the port: agents and clients share one, metrics have another".to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Address { .. } => Exit::USAGE,
            Self::Authority { .. }
            | Self::Token
            | Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::NotTrusted { .. }
            | Self::NotTls { .. } => Exit::UNREACHABLE,
        }
    }
}

/// Shows the token with each call.
#[derive(Clone)]
pub struct Bearer {
    header: MetadataValue<Ascii>,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.header.clone());
        Ok(request)
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Bearer")
    }
}

/// A connection that shows the token.
pub(super) type Line = InterceptedService<Channel, Bearer>;

/// A connection to the scheduler; it mends itself when it breaks.
#[derive(Clone)]
pub struct Client {
    line: Line,
    address: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to the scheduler of a profile.
    ///
    /// # Errors
    ///
    /// Any [`ReachError`].
    pub async fn connect(profile: &Profile) -> Result<Self, ReachError> {
        let address = profile.scheduler.clone();
        let header = format!("Bearer {}", profile.token);
        let mut header: MetadataValue<Ascii> = header.parse().map_err(|_| ReachError::Token)?;
        header.set_sensitive(true);
        let bad_address = || ReachError::Address { address: address.clone() };
        if !address.starts_with("https://") {
            return Err(bad_address());
        }
        // A text without any certificate parses as an authority that has signed nothing.
        if !profile.authority.contains("-----BEGIN CERTIFICATE-----") {
            return Err(ReachError::Authority { source: None });
        }
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&profile.authority))
            .domain_name(SCHEDULER_NAME);
        let endpoint = Endpoint::from_shared(address.clone())
            .map_err(|_| bad_address())?
            .tls_config(tls)
            .map_err(|source| ReachError::Authority { source: Some(source) })?
            .connect_timeout(ANSWER)
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(2 * WINDOW)
            .max_frame_size(FRAME)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20));
        // The connect timeout ends with TCP; a handshake that is never answered must end too.
        let channel = tokio::time::timeout(ANSWER, endpoint.connect())
            .await
            .map_err(|_| ReachError::Silent { address: address.clone() })?
            .map_err(|source| unreachable(&address, &source))?;
        Ok(Self { line: InterceptedService::new(channel, Bearer { header }), address })
    }

    /// Returns the address that this client talks to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the service for jobs.
    pub fn jobs(&self) -> JobsClient<Line> {
        JobsClient::new(self.line.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Returns the service for files of jobs.
    pub fn artefacts(&self) -> ArtefactsClient<Line> {
        ArtefactsClient::new(self.line.clone())
    }

    /// Returns the service for nodes.
    pub fn nodes(&self) -> NodesClient<Line> {
        NodesClient::new(self.line.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Returns the service for tokens.
    pub fn access(&self) -> AccessClient<Line> {
        AccessClient::new(self.line.clone())
    }

    /// Returns the service for the ledger.
    pub fn ledger(&self) -> LedgerClient<Line> {
        LedgerClient::new(self.line.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Returns the service for the policy.
    pub fn policies(&self) -> PoliciesClient<Line> {
        PoliciesClient::new(self.line.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Returns the service for findings.
    pub fn findings(&self) -> FindingsClient<Line> {
        FindingsClient::new(self.line.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Returns what a failed call means for a person.
    pub fn refused(&self, status: &tonic::Status) -> Refused {
        Refused::new(&self.address, status)
    }
}

fn unreachable(address: &str, source: &tonic::transport::Error) -> ReachError {
    let address = address.to_owned();
    match tls_cause(source) {
        Some(error @ rustls::Error::InvalidCertificate(_)) => {
            ReachError::NotTrusted { address, source: error }
        }
        Some(error) => ReachError::NotTls { address, source: error },
        None => ReachError::Unreachable { address, source: Cause::of(source) },
    }
}

/// Returns what TLS said, if it was TLS that failed.
fn tls_cause(error: &(dyn Error + 'static)) -> Option<rustls::Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Some(tls.clone());
        }
        // An io::Error does not count what it wraps as its source.
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => cause.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use repower_proto::v1::ListJobsRequest;
    use tokio::net::TcpListener;

    use super::*;
    use crate::client::testing::{Script, Stage};
    use crate::failure::Failure;

    async fn failure(profile: &Profile) -> Failure {
        Client::connect(profile).await.expect_err("it must not connect").into()
    }

    #[tokio::test]
    async fn each_call_shows_the_token_of_the_profile() {
        let stage = Stage::serve(Script::default()).await;

        let client = Client::connect(&stage.profile).await.expect("connected");
        client.jobs().list(ListJobsRequest::default()).await.expect("an answer");

        assert_eq!(stage.look(|script| script.bearer.clone()).as_deref(), Some("Bearer rp_secret"));
    }

    #[tokio::test]
    async fn only_the_authority_of_the_profile_is_trusted() {
        let stage = Stage::serve(Script::default()).await;
        let other = Stage::serve(Script::default()).await;
        let mixed = Profile { authority: other.profile.authority.clone(), ..stage.profile.clone() };

        let failure = failure(&mixed).await;

        assert_eq!(
            failure.message(),
            format!(
                "the scheduler at {} is not the one that the client profile trusts",
                mixed.scheduler
            )
        );
        assert_eq!(failure.exit(), Exit::UNREACHABLE);
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_is_unreachable() {
        let stage = Stage::serve(Script::default()).await;
        let free =
            TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
        let nobody = Profile { scheduler: format!("https://{free}"), ..stage.profile.clone() };

        let failure = failure(&nobody).await;

        assert_eq!(failure.message(), format!("cannot reach the scheduler at https://{free}"));
        assert_eq!(failure.because(), ["Connection refused (os error 111)"]);
        assert_eq!(failure.exit(), Exit::UNREACHABLE);
    }

    #[tokio::test]
    async fn addresses_and_authorities_that_are_none_are_told_apart() {
        let stage = Stage::serve(Script::default()).await;
        let address = Profile { scheduler: "127.0.0.1:7070".into(), ..stage.profile.clone() };
        let authority = Profile { authority: "nonsense".into(), ..stage.profile.clone() };

        assert_eq!(
            failure(&address).await.message(),
            "`127.0.0.1:7070` is not an address of a scheduler"
        );
        assert_eq!(failure(&address).await.exit(), Exit::USAGE);
        assert_eq!(
            failure(&authority).await.message(),
            "the authority in the client profile is not a certificate"
        );
    }
}
