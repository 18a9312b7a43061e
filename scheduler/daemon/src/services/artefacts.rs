//! The service for artefacts: people and agents bring and fetch files.

mod moving;

use std::sync::Arc;
use std::time::Duration;

use repower_artefacts::{Fault, Mover, PIECE};
use repower_model::{Hash, JobSpec, NodeId, Source};
use repower_proto::v1;
use repower_proto::v1::artefacts_server::Artefacts;
use repower_proto::v1::put_artefact_request::Body;
use tokio::sync::mpsc;
use tonic::{Code, Request, Response, Status, Streaming};

use super::outputs;
use crate::arrivals::Arrivals;
use crate::artefacts::Asker;
use crate::gate::{self, Caller};
use crate::problem::Problem;
use crate::shared::Shared;
use moving::{Incoming, Outgoing};

/// The most digests of one question.
const MOST: usize = 1000;

#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<Shared>);

/// What an agent wants with an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Read(Hash),
    Write,
}

#[tonic::async_trait]
impl Artefacts for Service {
    async fn stat(
        &self,
        request: Request<v1::StatArtefactsRequest>,
    ) -> Result<Response<v1::StatArtefactsReply>, Status> {
        let caller = gate::caller(&request)?;
        let digests = request.into_inner().digests;
        if digests.len() > MOST {
            let text = format!("{} digests were asked for, at most {MOST} may be", digests.len());
            return Err(Problem::bad_request(text).into());
        }
        let mut standings = Vec::with_capacity(digests.len());
        for digest in digests {
            let digest = digest_of(&digest)?;
            self.allow(&caller, Wish::Write)
                .or_else(|_| self.allow(&caller, Wish::Read(digest)))?;
            let asker = match caller {
                Caller::Node(_) => Asker::Agent,
                Caller::Person(_) | Caller::Anyone => Asker::Person,
            };
            let standing = self.0.artefacts.stat(digest, asker).await?;
            standings
                .push(v1::ArtefactStanding { bytes: standing.bytes, received: standing.received });
        }
        Ok(Response::new(v1::StatArtefactsReply { standings }))
    }

    async fn put(
        &self,
        request: Request<Streaming<v1::PutArtefactRequest>>,
    ) -> Result<Response<v1::PutArtefactReply>, Status> {
        let caller = gate::caller(&request)?;
        self.allow(&caller, Wish::Write)?;
        let arrivals = request.extensions().get::<Arrivals>().cloned().unwrap_or_default();
        let messages = request.into_inner();
        let mut incoming = Incoming { messages, arrivals, patience: self.patience() };
        let Some(Body::Start(start)) = incoming.next().await?.and_then(|message| message.body)
        else {
            return Err(Problem::bad_request("the first message is not a start").into());
        };
        let digest = digest_of(&start.digest)?;
        let found = self.0.artefacts.store().stat(digest).await.map_err(Problem::from)?;
        if found.bytes.is_none() {
            self.take(&mover(&caller), digest, &start, &mut incoming).await?;
        }
        Ok(Response::new(v1::PutArtefactReply {}))
    }

    type GetStream = Outgoing;

    async fn get(
        &self,
        request: Request<v1::GetArtefactRequest>,
    ) -> Result<Response<Self::GetStream>, Status> {
        let caller = gate::caller(&request)?;
        let v1::GetArtefactRequest { digest, offset } = request.into_inner();
        let digest = digest_of(&digest)?;
        self.allow(&caller, Wish::Read(digest))?;
        if matches!(caller, Caller::Person(_)) {
            outputs::held_artefact(&self.0, digest).await?;
        }
        let (store, mover) = (self.0.artefacts.store(), mover(&caller));
        let reading = store.get(&mover, digest, offset).await.map_err(Problem::from)?;
        let seat = self.0.artefacts.seat(&mover)?;
        let (sender, stream) = mpsc::channel(moving::WAITING);
        let sending = moving::send(reading, sender.clone(), self.patience());
        self.0.spawn_stream(sender, sending);
        Ok(Response::new(Outgoing::new(stream, seat)))
    }
}

impl Service {
    /// How long a transfer may stand still.
    fn patience(&self) -> Duration {
        Duration::from_millis(self.0.options.transfer_stall_ms)
    }

    async fn take(
        &self,
        mover: &Mover,
        digest: Hash,
        start: &v1::PutArtefactStart,
        incoming: &mut Incoming,
    ) -> Result<(), Status> {
        let store = self.0.artefacts.store();
        let told = |brought: Result<(), &Fault>| {
            if let Mover::Node(node) = mover {
                self.0.artefacts.brought(*node, digest, brought);
            }
        };
        let put = store.put(mover, digest, start.bytes, start.offset).await;
        let put = put.map_err(Problem::from)?;
        loop {
            let message = tokio::select! {
                message = incoming.next() => message?,
                fault = put.superseded() => return Err(Problem::from(fault).into()),
            };
            let Some(message) = message else { break };
            let Some(Body::Piece(piece)) = message.body else {
                return Err(Problem::bad_request("a message after the start is no piece").into());
            };
            if piece.len() > PIECE {
                let text = format!("a piece has {} bytes, at most {PIECE} may be", piece.len());
                return Err(Problem::bad_request(text).into());
            }
            if !put.write(piece).await {
                break;
            }
        }
        let finished = put.finish().await;
        told(finished.as_ref().copied());
        Ok(finished.map_err(Problem::from)?)
    }

    /// Whether a caller may do this. An agent needs a reason on its node.
    fn allow(&self, caller: &Caller, wish: Wish) -> Result<(), Problem> {
        match caller {
            Caller::Person(_) => Ok(()),
            Caller::Node(node) if self.has_reason(*node, wish) => Ok(()),
            Caller::Node(_) | Caller::Anyone => Err(Problem::new(
                Code::PermissionDenied,
                "artefact.not-yours",
                "no task on this node needs that artefact",
            )),
        }
    }

    /// Whether a task that is on the node has the artefact as an input or has saved it, or may have outputs or save
    /// its work.
    fn has_reason(&self, node: NodeId, wish: Wish) -> bool {
        let state = self.0.published.read();
        let Some(node) = state.nodes.get(&node) else { return false };
        let mut looked_at = None;
        for task in node.tasks() {
            let saved = state.checkpoint(task).map(|saved| saved.stored.digest);
            if saved.is_some_and(|digest| wish == Wish::Read(digest)) {
                return true;
            }
            // The tasks of a job follow each other.
            if looked_at.replace(task.job) == Some(task.job) {
                continue;
            }
            if state.job(task.job).is_some_and(|job| is_reason(&job.spec, wish)) {
                return true;
            }
        }
        false
    }
}

/// Whose transfers they are.
fn mover(caller: &Caller) -> Mover {
    match caller {
        Caller::Person(person) => Mover::Person(person.name.clone()),
        Caller::Node(node) => Mover::Node(*node),
        // They are let in nowhere.
        Caller::Anyone => Mover::Person(String::new()),
    }
}

fn is_reason(spec: &JobSpec, wish: Wish) -> bool {
    match wish {
        Wish::Write => !spec.outputs.is_empty() || spec.checkpoint,
        Wish::Read(digest) => spec.inputs.iter().any(|input| match &input.source {
            Source::Stored { digest: known, .. } => *known == digest,
            Source::Url { .. } => false,
        }),
    }
}

fn digest_of(bytes: &[u8]) -> Result<Hash, Problem> {
    bytes
        .try_into()
        .map(Hash)
        .map_err(|_| Problem::bad_request(format!("a digest has {} bytes, not 32", bytes.len())))
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let (status, code) = match &fault {
            Fault::Full { .. } | Fault::NoRoom { .. } => (Code::ResourceExhausted, "store.full"),
            Fault::TooLarge { .. } => (Code::FailedPrecondition, "artefact.too-large"),
            Fault::WrongDigest { .. } | Fault::WrongSize { .. } => {
                (Code::InvalidArgument, "artefact.wrong")
            }
            Fault::Gap { .. } => (Code::OutOfRange, "artefact.gap"),
            Fault::Superseded { .. } => (Code::Aborted, "artefact.superseded"),
            Fault::Missing { .. } => (Code::NotFound, "artefact.missing"),
            Fault::Remote { .. } | Fault::Ending => (Code::Unavailable, "store.unreachable"),
            Fault::Io { .. }
            | Fault::BadAddress { .. }
            | Fault::BadCredentials { .. }
            | Fault::Escape(_) => (Code::Internal, "store.unreadable"),
        };
        if matches!(status, Code::ResourceExhausted | Code::Unavailable | Code::Internal) {
            tracing::error!(%fault, "the store of artefacts failed");
        }
        let problem = Self::new(status, code, fault.to_string()).hint(fault.hint());
        match std::error::Error::source(&fault) {
            Some(source) => problem.because(source),
            None => problem,
        }
    }
}
