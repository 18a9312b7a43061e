//! A scheduler of a few lines, for tests of what the command line does with its answers.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use repower_proto::v1::jobs_server::{Jobs, JobsServer};
use repower_proto::v1::{
    AttemptsReply, AttemptsRequest, CancelReply, CancelRequest, ExecInput, ExecOutput, Explanation,
    JobSummary, ListJobsReply, ListJobsRequest, LogChunk, LogsRequest, OutputsReply,
    OutputsRequest, PlanReply, PlanRequest, ResubmitRequest, ReviewReply, ReviewRequest,
    ShowJobReply, ShowJobRequest, SubmitReply, SubmitRequest, WatchRequest, WhyRequest,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::Iter;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use super::{Profile, SCHEDULER_NAME};

type Answers<T> = Iter<std::vec::IntoIter<Result<T, Status>>>;

/// What the scheduler will answer, and what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Answers to submissions, first one first.
    pub(crate) submit: Vec<Result<SubmitReply, Status>>,
    /// Streams of summaries, first one first.
    pub(crate) watch: Vec<Vec<Result<JobSummary, Status>>>,
    /// Streams of output, first one first.
    pub(crate) logs: Vec<Vec<Result<LogChunk, Status>>>,
    /// The answer to lists.
    pub(crate) list: ListJobsReply,
    /// The answer to questions about one job.
    pub(crate) show: ShowJobReply,
    /// Submissions as they came.
    pub(crate) submitted: Vec<SubmitRequest>,
    /// `authorization` of the last call.
    pub(crate) bearer: Option<String>,
}

#[derive(Clone)]
struct Scheduler {
    script: Arc<Mutex<Script>>,
}

impl Scheduler {
    fn with<T, R>(&self, request: &Request<R>, answer: impl FnOnce(&mut Script) -> T) -> T {
        let mut script = self.script.lock().expect("no test panics while it holds it");
        let bearer = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        script.bearer = bearer.map(str::to_owned);
        answer(&mut script)
    }
}

fn next<T>(answers: &mut Vec<T>) -> Result<T, Status> {
    if answers.is_empty() {
        Err(Status::internal("the script has no more answers"))
    } else {
        Ok(answers.remove(0))
    }
}

fn unused<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("no test asks for it"))
}

#[tonic::async_trait]
impl Jobs for Scheduler {
    type WatchStream = Answers<JobSummary>;
    type LogsStream = Answers<LogChunk>;
    type ExecStream = Answers<ExecOutput>;

    async fn exec(
        &self,
        _: Request<Streaming<ExecInput>>,
    ) -> Result<Response<Self::ExecStream>, Status> {
        unused()
    }

    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitReply>, Status> {
        self.with(&request, |script| {
            script.submitted.push(request.get_ref().clone());
            next(&mut script.submit)?.map(Response::new)
        })
    }

    async fn list(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsReply>, Status> {
        Ok(Response::new(self.with(&request, |script| script.list.clone())))
    }

    async fn show(
        &self,
        request: Request<ShowJobRequest>,
    ) -> Result<Response<ShowJobReply>, Status> {
        Ok(Response::new(self.with(&request, |script| script.show.clone())))
    }

    async fn attempts(
        &self,
        _: Request<AttemptsRequest>,
    ) -> Result<Response<AttemptsReply>, Status> {
        unused()
    }

    async fn outputs(&self, _: Request<OutputsRequest>) -> Result<Response<OutputsReply>, Status> {
        unused()
    }

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let answers = self.with(&request, |script| next(&mut script.watch))?;
        Ok(Response::new(tokio_stream::iter(answers)))
    }

    async fn logs(
        &self,
        request: Request<LogsRequest>,
    ) -> Result<Response<Self::LogsStream>, Status> {
        let answers = self.with(&request, |script| next(&mut script.logs))?;
        Ok(Response::new(tokio_stream::iter(answers)))
    }

    async fn cancel(&self, _: Request<CancelRequest>) -> Result<Response<CancelReply>, Status> {
        unused()
    }

    async fn resubmit(&self, _: Request<ResubmitRequest>) -> Result<Response<SubmitReply>, Status> {
        unused()
    }

    async fn review(&self, _: Request<ReviewRequest>) -> Result<Response<ReviewReply>, Status> {
        unused()
    }

    async fn why(&self, _: Request<WhyRequest>) -> Result<Response<Explanation>, Status> {
        unused()
    }

    async fn plan(&self, _: Request<PlanRequest>) -> Result<Response<PlanReply>, Status> {
        unused()
    }
}

/// A scheduler that serves until it is dropped.
pub(crate) struct Stage {
    /// How to reach it.
    pub(crate) profile: Profile,
    script: Arc<Mutex<Script>>,
    _serving: JoinSet<()>,
}

impl Stage {
    /// Serves a script on a free port, with a new authority.
    pub(crate) async fn serve(script: Script) -> Self {
        let (authority, identity) = certificates();
        let script = Arc::new(Mutex::new(script));
        let service = JobsServer::new(Scheduler { script: Arc::clone(&script) });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let tls = ServerTlsConfig::new().identity(identity);
            let server =
                Server::builder().tls_config(tls).expect("a good certificate").add_service(service);
            server
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .expect("served to the end");
        });
        let profile = Profile {
            scheduler: format!("https://{address}"),
            authority,
            token: "rp_secret".into(),
        };
        Self { profile, script, _serving: serving }
    }

    /// Looks at what was asked.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Script) -> T) -> T {
        look(&self.script.lock().expect("no test panics while it holds it"))
    }
}

/// Returns the certificate of a new authority, and a server's identity signed by it.
fn certificates() -> (String, Identity) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("signed").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![SCHEDULER_NAME.to_owned()]).expect("a good name");
    let certificate = params.signed_by(&key, &issuer).expect("signed").pem();
    (authority, Identity::from_pem(certificate, key.serialize_pem()))
}
