//! A scheduler in a temporary folder, and ways to reach it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use repower_proto::v1;
use repower_proto::v1::access_client::AccessClient;
use repower_proto::v1::jobs_client::JobsClient;
use repower_proto::v1::nodes_client::NodesClient;
use repower_scheduler::{Error, Options, Ready, run};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::agent::Agent;

/// What `client.toml` has.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Profile {
    pub(crate) scheduler: String,
    pub(crate) authority: String,
    pub(crate) token: String,
}

/// A scheduler that runs.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) options: Options,
    pub(crate) ready: Ready,
    stop: oneshot::Sender<()>,
    running: JoinSet<Result<(), Error>>,
}

/// Shows a token with each call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

pub(crate) type Line = InterceptedService<Channel, Bearer>;

impl World {
    /// A new scheduler with everything at its default.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A new scheduler with other options.
    pub(crate) async fn with(set: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut options = Options {
            data: folder.path().join("data"),
            listen: ([127, 0, 0, 1], 0).into(),
            ..Options::default()
        };
        set(&mut options);
        Self::start(folder, options).await.expect("the scheduler starts")
    }

    pub(crate) async fn start(folder: TempDir, options: Options) -> Result<Self, Error> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = oneshot::channel();
        let mut running = JoinSet::new();
        let given = options.clone();
        running.spawn(async move {
            let stopped = async {
                drop(stopped.await);
            };
            run(given, |told| drop(ready.send(told)), stopped).await
        });
        tokio::select! {
            ready = is_ready => {
                if let Ok(ready) = ready {
                    return Ok(Self { folder, options, ready, stop, running });
                }
            }
            () = tokio::time::sleep(Duration::from_mins(1)) => panic!("the scheduler does not start"),
        }
        let end = running.join_next().await.expect("it runs").expect("it does not panic");
        Err(end.expect_err("it ended before it was ready"))
    }

    /// Stops the scheduler in order.
    pub(crate) async fn stop(mut self) -> (TempDir, Options) {
        drop(self.stop);
        let end = self.running.join_next().await.expect("it runs").expect("it does not panic");
        end.expect("it ends well");
        (self.folder, self.options)
    }

    /// Stops the scheduler and starts it again in the same folder.
    pub(crate) async fn restart(self) -> Self {
        let (folder, options) = self.stop().await;
        Self::start(folder, options).await.expect("the scheduler starts again")
    }

    pub(crate) fn data(&self) -> &Path {
        &self.options.data
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.data().join(name)
    }

    pub(crate) fn profile(&self) -> Profile {
        let text = std::fs::read_to_string(self.file("client.toml")).expect("client.toml");
        toml::from_str(&text).expect("a profile")
    }

    /// A connection without any credentials.
    pub(crate) async fn channel(&self) -> Channel {
        self.connect(None).await
    }

    /// A connection with a certificate and its key.
    pub(crate) async fn connect(&self, identity: Option<Identity>) -> Channel {
        let profile = self.profile();
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&profile.authority))
            .domain_name("repower-scheduler");
        if let Some(identity) = identity {
            tls = tls.identity(identity);
        }
        let endpoint = Endpoint::from_shared(profile.scheduler).expect("an address");
        let endpoint = endpoint.tls_config(tls).expect("TLS");
        endpoint.connect().await.expect("a connection")
    }

    /// A connection that shows the first person's token.
    pub(crate) async fn line(&self) -> Line {
        self.line_with(&self.profile().token).await
    }

    /// A connection that shows a token.
    pub(crate) async fn line_with(&self, token: &str) -> Line {
        InterceptedService::new(self.channel().await, bearer(token))
    }

    /// A new token for a person.
    pub(crate) async fn person(&self, name: &str, role: v1::Role) -> v1::IssueReply {
        let (kind, role) = (v1::TokenKind::Person.into(), role.into());
        let request = v1::IssueRequest { kind, role, name: name.to_owned(), valid_for_ms: 0 };
        self.access().await.issue(request).await.expect("a token").into_inner()
    }

    /// A connection that shows the token of another person, a submitter.
    pub(crate) async fn line_of(&self, name: &str) -> Line {
        self.line_with(&self.token_of(name).await).await
    }

    /// A new token of another person, a submitter.
    pub(crate) async fn token_of(&self, name: &str) -> String {
        self.person(name, v1::Role::Submitter).await.secret
    }

    pub(crate) async fn jobs(&self) -> JobsClient<Line> {
        JobsClient::new(self.line().await)
    }

    pub(crate) async fn nodes(&self) -> NodesClient<Line> {
        NodesClient::new(self.line().await)
    }

    pub(crate) async fn access(&self) -> AccessClient<Line> {
        AccessClient::new(self.line().await)
    }

    /// The secret of a new join token.
    pub(crate) async fn join_secret(&self, name: &str) -> String {
        let kind = v1::TokenKind::Join.into();
        let request =
            v1::IssueRequest { kind, name: name.to_owned(), ..v1::IssueRequest::default() };
        self.access().await.issue(request).await.expect("a token").into_inner().secret
    }

    /// An agent that has enrolled and said hello.
    pub(crate) async fn agent(&self, name: &str, cpus: u64) -> Agent {
        let secret = self.join_secret(name).await;
        let mut agent = Agent::enrol(self, &secret, name, cpus).await.expect("it enrols");
        agent.link(self, &[]).await;
        agent
    }

    /// Submits a job of one class; returns its id.
    pub(crate) async fn submit(&self, spec: v1::JobSpec) -> u64 {
        let reply = self.jobs().await.submit(submission(rand_key(), spec)).await;
        reply.expect("it is accepted").into_inner().job
    }

    /// Waits until a job has ended.
    pub(crate) async fn wait(&self, job: u64) -> v1::JobSummary {
        let request = v1::WatchRequest { jobs: vec![job] };
        let mut watch = self.jobs().await.watch(request).await.expect("a watch").into_inner();
        let mut last = None;
        while let Some(summary) = watch.message().await.expect("a summary") {
            last = Some(summary);
        }
        last.expect("at least one summary")
    }
}

pub(crate) fn bearer(token: &str) -> Bearer {
    Bearer(format!("Bearer {token}").parse().expect("a header"))
}

/// A key that nobody else has.
pub(crate) fn rand_key() -> Vec<u8> {
    let mut key = vec![0; 16];
    getrandom::fill(&mut key).expect("random numbers");
    key
}

pub(crate) fn submission(key: Vec<u8>, spec: v1::JobSpec) -> v1::SubmitRequest {
    v1::SubmitRequest { key, spec: Some(spec) }
}

/// A job that runs `true`.
pub(crate) fn job() -> v1::JobSpec {
    v1::JobSpec {
        job_class: "software-build".to_owned(),
        command: vec!["true".to_owned()],
        ..v1::JobSpec::default()
    }
}

/// An array of so many tasks of `true`.
pub(crate) fn array(count: u32) -> v1::JobSpec {
    let range = v1::IndexRange { first: 0, last: count - 1, step: 1 };
    let array = Some(v1::Array { ranges: vec![range], limit: 0 });
    v1::JobSpec { array, ..job() }
}

/// The stable code that a refused call carries.
pub(crate) fn code(status: &Status) -> String {
    text_of(status, "repower-code-bin")
}

/// Another part of what a refused call carries.
pub(crate) fn text_of(status: &Status, key: &str) -> String {
    let value = status.metadata().get_bin(key).and_then(|value| value.to_bytes().ok());
    value.map(|bytes| String::from_utf8(bytes.to_vec()).expect("UTF-8")).unwrap_or_default()
}
