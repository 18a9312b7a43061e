//! The service for findings.

use std::collections::BTreeSet;
use std::sync::Arc;

use prost::Message as _;
use repower_core::input::{Decide, Input};
use repower_core::policy::{Declared, Exposure};
use repower_core::refusal::Refusal;
use repower_core::state::State;
use repower_model::{Finding, FindingId, FindingState, JobId, Timestamp};
use repower_proto::v1::findings_server::Findings;
use repower_proto::{convert, v1};
use repower_store::sqlite::FindingFilter;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{STREAM, check_reason};
use crate::clock;
use crate::gate::{self, Person};
use crate::problem::Problem;
use crate::shared::Shared;

/// The most findings of one answer.
const MOST: usize = 1000;

#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<Shared>);

#[tonic::async_trait]
impl Findings for Service {
    async fn list(
        &self,
        request: Request<v1::ListFindingsRequest>,
    ) -> Result<Response<v1::ListFindingsReply>, Status> {
        let request = request.into_inner();
        let undecided = FindingState::ALL.into_iter().filter(|state| state.is_undecided());
        let states = if request.all {
            Vec::new()
        } else if request.states.is_empty() {
            undecided.collect()
        } else {
            let named = request.states.iter().map(|state| state_of(*state));
            named.collect::<Result<_, _>>()?
        };
        let limit = match request.limit as usize {
            0 => 100,
            limit => limit.min(MOST),
        };
        let filter = FindingFilter {
            states,
            job: (request.job != 0).then_some(JobId(request.job)),
            before: (request.before != 0).then_some(FindingId(request.before)),
            limit: limit + 1,
        };
        let mut findings = self.find(filter).await?;
        let more = findings.len() > limit;
        findings.truncate(limit);
        Ok(Response::new(v1::ListFindingsReply { findings, more }))
    }

    async fn show(
        &self,
        request: Request<v1::ShowFindingRequest>,
    ) -> Result<Response<v1::FindingReply>, Status> {
        let id = FindingId(request.into_inner().finding);
        Ok(Response::new(one(&self.0, id).await?))
    }

    async fn decide(
        &self,
        request: Request<v1::DecideFindingRequest>,
    ) -> Result<Response<v1::FindingReply>, Status> {
        let Person { name: by, role } = gate::person(&request)?;
        let request = request.into_inner();
        check_reason(&request.reason)?;
        let finding = FindingId(request.finding);
        let state = state_of(request.state)?;
        let asked = Decide {
            finding,
            state,
            by,
            role,
            reason: request.reason,
            quarantine: !request.no_quarantine,
        };
        self.0.keeper.ask(Input::Decide(Box::new(asked))).await?;
        Ok(Response::new(one(&self.0, finding).await?))
    }

    type FollowStream = ReceiverStream<Result<v1::FindingReply, Status>>;

    async fn follow(
        &self,
        request: Request<v1::FollowFindingsRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let job = request.into_inner().job;
        let (sender, stream) = mpsc::channel(STREAM);
        let (shared, to) = (Arc::clone(&self.0), sender.clone());
        self.0.spawn_stream(sender, async move {
            let mut news = shared.notices.findings();
            loop {
                let all: Vec<FindingId> = {
                    let state = shared.published.read();
                    let open = state.findings.iter().filter(|one| one.state.is_undecided());
                    open.map(|one| one.id).collect()
                };
                for id in all {
                    if !tell(&shared, id, job, &to).await? {
                        return Ok(());
                    }
                }
                // Who is too far behind looks at all of them again.
                if !listen(&shared, &mut news, job, &to).await? {
                    return Ok(());
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn quarantined(
        &self,
        _: Request<v1::ListQuarantinedRequest>,
    ) -> Result<Response<v1::ListQuarantinedReply>, Status> {
        let state = self.0.published.read();
        let all = state.findings.forbidden().iter().map(|(digest, why)| v1::Quarantined {
            digest: digest.0.to_vec(),
            since_ms: why.since.as_millis(),
            by: why.by.clone(),
            reason: why.reason.clone(),
            finding: why.finding.map_or(0, |finding| finding.0),
        });
        Ok(Response::new(v1::ListQuarantinedReply { quarantined: all.collect() }))
    }

    async fn quarantine(
        &self,
        request: Request<v1::QuarantineRequest>,
    ) -> Result<Response<v1::QuarantineReply>, Status> {
        let by = gate::person(&request)?.name;
        let v1::QuarantineRequest { digest, reason, release } = request.into_inner();
        check_reason(&reason)?;
        let digest = convert::hash("digest", &digest).map_err(Problem::from)?;
        let input = if release {
            Input::Release { digest, by, reason }
        } else {
            Input::Quarantine { digest, by, reason }
        };
        self.0.keeper.ask(input).await?;
        Ok(Response::new(v1::QuarantineReply {}))
    }
}

type Sender = mpsc::Sender<Result<v1::FindingReply, Status>>;

impl Service {
    async fn find(&self, filter: FindingFilter) -> Result<Vec<v1::FindingReply>, Problem> {
        let bodies = self.0.past(move |history| history.findings(&filter)).await?;
        let state = self.0.published.read();
        let (declared, now) = (declared(&state), clock::now());
        let replies = bodies.iter();
        replies.map(|body| read(body).map(|one| reply(&state, &one, &declared, now))).collect()
    }
}

/// Sends what is new until the listener is too far behind; false if nobody listens any more.
async fn listen(
    shared: &Shared,
    news: &mut tokio::sync::broadcast::Receiver<FindingId>,
    job: u64,
    to: &Sender,
) -> Result<bool, Problem> {
    loop {
        let id = tokio::select! {
            id = news.recv() => id,
            () = to.closed() => return Ok(false),
        };
        match id {
            Ok(id) => {
                if !tell(shared, id, job, to).await? {
                    return Ok(false);
                }
            }
            Err(RecvError::Lagged(_)) => return Ok(true),
            Err(RecvError::Closed) => return Ok(false),
        }
    }
}

/// Sends a finding if it is wanted; false if nobody listens any more.
async fn tell(shared: &Shared, id: FindingId, job: u64, to: &Sender) -> Result<bool, Problem> {
    let reply = one(shared, id).await?;
    let is_wanted = job == 0 || reply.finding.as_ref().is_some_and(|one| one.job == job);
    Ok(!is_wanted || to.send(Ok(reply)).await.is_ok())
}

/// One finding: from memory, or from the history.
async fn one(shared: &Shared, id: FindingId) -> Result<v1::FindingReply, Problem> {
    {
        let state = shared.published.read();
        if let Some(finding) = state.findings.get(id) {
            return Ok(reply(&state, finding, &declared(&state), clock::now()));
        }
    }
    let body = shared.past(move |history| history.finding(id)).await?;
    let body = body.ok_or(Refusal::FindingUnknown { finding: id })?;
    let finding = read(&body)?;
    let state = shared.published.read();
    Ok(reply(&state, &finding, &declared(&state), clock::now()))
}

/// What the nodes are declared to draw.
fn declared(state: &State) -> Declared {
    Declared::of(state.nodes.iter().map(|(id, node)| (*id, node.inventory.labels.as_slice())))
}

fn read(body: &[u8]) -> Result<Finding, Problem> {
    let wire = v1::Finding::decode(body).map_err(|error| Problem::unreadable(&error))?;
    Finding::try_from(wire).map_err(|error| Problem::unreadable(&error))
}

fn reply(
    state: &State,
    finding: &Finding,
    declared: &Declared,
    now: Timestamp,
) -> v1::FindingReply {
    let attempt = finding.rank.map(|rank| rank.attempt);
    let live = attempt.and_then(|id| Some((id, state.attempts.get(&id.task)?)));
    let is_live = live.is_some_and(|(id, live)| live.number == id.number);
    let is_frozen = is_live && finding.holds_job();
    // What stands still or has ended uses nothing after the last sign of it.
    let end = if is_live && !is_frozen { now } else { finding.last_seen() };
    let policy = state.policy.as_ref().map(|(policy, _)| policy);
    let exposure = Exposure::of(policy, finding, declared, end);
    let forbidden = state.findings.forbidden();
    let own: BTreeSet<_> = finding.images.iter().map(|image| image.digest).collect();
    let quarantined = own.into_iter().filter(|digest| forbidden.contains_key(digest));
    v1::FindingReply {
        finding: Some(finding.into()),
        exposure: Some(exposure.into()),
        holds_outputs: finding.rank.is_some() && finding.holds_outputs(),
        is_frozen,
        is_live,
        quarantined: quarantined.map(|digest| digest.0.to_vec()).collect(),
    }
}

fn state_of(wire: i32) -> Result<FindingState, Problem> {
    let known = convert::known::<v1::FindingState>("state", wire)?;
    Ok(FindingState::try_from(known)?)
}
