//! A small scheduler: it enrols, links, gives the orders that a test wants, and remembers what it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, IsCa, Issuer,
    KeyPair,
};
use repower_proto::v1::agents_server::{Agents, AgentsServer};
use repower_proto::v1::from_agent::Body as Up;
use repower_proto::v1::order::Body as OrderBody;
use repower_proto::v1::report::Body as Report;
use repower_proto::v1::to_agent::Body as Down;
use repower_proto::v1::{
    Acknowledged, AttemptRef, Ended, EnrolReply, EnrolRequest, ExecInput, FromAgent, FromSession,
    JobSpec, Order, Orders, ToAgent, Welcome,
};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use crate::memory::Memory;
use crate::orders::{attempt, define, start};

/// The only secret that enrols.
pub(crate) const SECRET: &str = "open sesame";

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// An authority that signs certificates.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn server_identity(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names = vec!["repower-scheduler".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(certificate.pem(), key.serialize_pem())
    }

    fn sign(&self, request_pem: &str) -> String {
        let request = CertificateSigningRequestParams::from_pem(request_pem).unwrap();
        request.signed_by(&self.issuer).unwrap().pem()
    }
}

/// The scheduler.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    pub(crate) authority: Arc<Authority>,
    pub(crate) shared: Arc<Shared>,
    _server: JoinSet<()>,
}

pub(crate) struct Shared {
    memory: Mutex<Memory>,
    changed: Notify,
    authority: Arc<Authority>,
    pub(crate) terms: Welcome,
}

/// What a welcome says unless a test wants otherwise.
pub(crate) fn terms() -> Welcome {
    Welcome {
        node: 1,
        cell: "test".into(),
        lease_ms: 60_000,
        heartbeat_ms: 100,
        output_bytes: 64 << 20,
    }
}

impl Fake {
    pub(crate) async fn start() -> Self {
        Self::start_with(terms()).await
    }

    pub(crate) async fn start_with(terms: Welcome) -> Self {
        let authority = Arc::new(Authority::new());
        let shared = Arc::new(Shared {
            memory: Mutex::default(),
            changed: Notify::new(),
            authority: Arc::clone(&authority),
            terms,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = ServerTlsConfig::new()
            .identity(authority.server_identity())
            .client_ca_root(Certificate::from_pem(&authority.pem))
            .client_auth_optional(true);
        let server = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(AgentsServer::new(Service { shared: Arc::clone(&shared) }))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { server.await.unwrap() });
        Self { address, authority, shared, _server: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.memory.lock().unwrap()
    }

    /// Waits until `found` finds something.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        mut found: impl FnMut(&mut Memory) -> Option<T>,
    ) -> T {
        let wait = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(found) = found(&mut self.memory()) {
                    return found;
                }
                changed.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| {
            panic!("waited too long for {what}; reports: {:?}", self.memory().reports)
        })
    }

    /// Waits until an agent is linked.
    pub(crate) async fn linked(&self) {
        self.until("a link", |memory| memory.link.as_ref().map(drop)).await;
    }

    /// Sends orders over the link that is there.
    pub(crate) async fn order(&self, orders: Vec<OrderBody>) {
        let link = self.until("a link", |memory| memory.link.clone()).await;
        let orders = orders.into_iter().map(|body| Order { body: Some(body) }).collect();
        let message = ToAgent { body: Some(Down::Orders(Orders { orders })) };
        link.send(Ok(message)).await.unwrap();
    }

    /// Sends any message.
    pub(crate) async fn send(&self, body: Down) {
        let link = self.until("a link", |memory| memory.link.clone()).await;
        link.send(Ok(ToAgent { body: Some(body) })).await.unwrap();
    }

    /// Defines a job of one task and starts it.
    pub(crate) async fn run(&self, job: u64, spec: JobSpec) -> AttemptRef {
        let attempt = attempt(job, 0);
        self.order(vec![define(job, spec), start(attempt)]).await;
        attempt
    }

    /// Waits for the end of an attempt.
    pub(crate) async fn ended(&self, attempt: AttemptRef) -> Ended {
        self.until("the end of an attempt", |memory| memory.ended(attempt)).await
    }

    /// Waits for the start of an attempt.
    pub(crate) async fn started(&self, attempt: AttemptRef) {
        let is_it = |report: &Report| matches!(report, Report::Started(one) if one.attempt == Some(attempt));
        self.until("the start of an attempt", |memory| {
            memory.reports.iter().any(is_it).then_some(())
        })
        .await;
    }

    /// Breaks the link, and refuses others as long as `away` is set.
    pub(crate) fn cut(&self) {
        self.memory().link = None;
    }
}

struct Service {
    shared: Arc<Shared>,
}

#[tonic::async_trait]
impl Agents for Service {
    type LinkStream = ReceiverStream<Result<ToAgent, Status>>;
    type SessionStream = ReceiverStream<Result<ExecInput, Status>>;

    async fn session(
        &self,
        _: Request<Streaming<FromSession>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        Err(Status::not_found("nobody waits for a session here"))
    }

    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolReply>, Status> {
        let request = request.into_inner();
        let mut memory = self.shared.memory.lock().unwrap();
        if request.secret != SECRET {
            return Err(Status::permission_denied("the token is unknown or used"));
        }
        if memory.names.contains(&request.name) {
            return Err(Status::already_exists("the name is taken"));
        }
        memory.names.push(request.name);
        memory.enrolled += 1;
        Ok(Response::new(EnrolReply {
            node: memory.enrolled,
            certificate_pem: self.shared.authority.sign(&request.request_pem),
            authority_pem: self.shared.authority.pem.clone(),
        }))
    }

    async fn link(
        &self,
        request: Request<Streaming<FromAgent>>,
    ) -> Result<Response<Self::LinkStream>, Status> {
        if request.peer_certs().is_none_or(|certificates| certificates.is_empty()) {
            return Err(Status::unauthenticated("no certificate"));
        }
        let mut inbound = request.into_inner();
        let Some(FromAgent { body: Some(Up::Hello(hello)) }) = inbound.message().await? else {
            return Err(Status::invalid_argument("the first message must be a hello"));
        };
        let (sender, receiver) = mpsc::channel(64);
        {
            let mut memory = self.shared.memory.lock().unwrap();
            if memory.away {
                return Err(Status::unavailable("away"));
            }
            let first = if let Some(dismissed) = memory.dismiss.clone() {
                Down::Dismissed(dismissed)
            } else {
                memory.link = Some(sender.clone());
                Down::Welcome(self.shared.terms.clone())
            };
            sender.try_send(Ok(ToAgent { body: Some(first) })).unwrap();
            memory.hellos.push(hello.clone());
        }
        self.shared.changed.notify_waiters();
        let shared = Arc::clone(&self.shared);
        let weak = sender.downgrade();
        drop(sender);
        #[expect(clippy::disallowed_methods, reason = "ends with the stream that it reads")]
        tokio::spawn(async move { listen(&shared, inbound, weak, &hello.instance).await });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Takes in what the agent says until the stream ends.
async fn listen(
    shared: &Shared,
    mut inbound: Streaming<FromAgent>,
    sender: mpsc::WeakSender<Result<ToAgent, Status>>,
    instance: &[u8],
) {
    while let Ok(Some(message)) = inbound.message().await {
        let Some(link) = sender.upgrade() else { break };
        let acknowledged = {
            let mut memory = shared.memory.lock().unwrap();
            match message.body.unwrap() {
                Up::Hello(_) => panic!("a second hello"),
                Up::Claims(claims) => {
                    let link = memory.hellos.len();
                    memory.claims.push((link, claims));
                    None
                }
                Up::Samples(samples) => {
                    memory.samples.push(samples);
                    None
                }
                Up::Heartbeat(_) => {
                    memory.heartbeats += 1;
                    Some(0)
                }
                Up::Reports(reports) => {
                    let through = memory.take(instance, reports);
                    (!memory.withhold).then_some(through)
                }
                Up::Goodbye(goodbye) => {
                    memory.goodbyes.push(goodbye);
                    memory.link = None;
                    None
                }
            }
        };
        if let Some(through) = acknowledged {
            let body = Some(Down::Acknowledged(Acknowledged { through, hold_output: false }));
            if link.send(Ok(ToAgent { body })).await.is_err() {
                break;
            }
        }
        shared.changed.notify_waiters();
    }
    shared.changed.notify_waiters();
}
