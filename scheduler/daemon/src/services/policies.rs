//! The service for policies and approvals.

use std::collections::BTreeMap;
use std::sync::Arc;

use repower_core::effect::Answer;
use repower_core::engine::Engine;
use repower_core::input::{Approve, Input};
use repower_core::policy::YaraRules;
use repower_core::refusal::Refusal;
use repower_core::state::State;
use repower_model::{Approval, ApprovalId, Hash, Timestamp};
use repower_proto::v1::policies_server::Policies;
use repower_proto::{convert, v1};
use tonic::{Request, Response, Status};

use super::check_reason;
use super::submit::unexpected;
use crate::problem::Problem;
use crate::shared::Shared;
use crate::{clock, gate};

/// The largest policy that is put in force, in bytes: it is kept for ever.
const LARGEST: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<Shared>);

#[tonic::async_trait]
impl Policies for Service {
    async fn show(
        &self,
        _: Request<v1::ShowPolicyRequest>,
    ) -> Result<Response<v1::PolicyReply>, Status> {
        let state = self.0.published.read();
        let (policy, adopted) = state
            .policy
            .as_ref()
            .ok_or_else(|| Problem::not_found("policy.none", "no policy is in force"))?;
        Ok(Response::new(v1::PolicyReply {
            version: policy.version.clone(),
            hash: policy.hash.to_string(),
            text: policy.text.clone(),
            adopted_ms: adopted.as_millis(),
        }))
    }

    async fn apply(
        &self,
        request: Request<v1::ApplyPolicyRequest>,
    ) -> Result<Response<v1::ApplyPolicyReply>, Status> {
        let by = gate::person(&request)?.name;
        let v1::ApplyPolicyRequest { text, replaces, dry_run } = request.into_inner();
        if text.len() > LARGEST {
            let told = format!("the policy has {} bytes, at most {LARGEST} may be", text.len());
            return Err(Problem::bad_request(told).into());
        }
        let replaces = (!replaces.is_empty()).then(|| digest(&replaces)).transpose()?;
        let (version, hash, rules) = named(&text)?;
        self.0.admission.rules(&self.0, rules).await?;
        let input = Input::Adopt { text, by, replaces };
        let answer = if dry_run {
            let mut engine = Engine::from_state(self.0.published.state());
            engine.turn(&input, clock::now()).map_err(Problem::from)?.answer
        } else {
            self.0.keeper.ask(input).await?
        };
        let Answer::Policy { changed, held, running } = answer else { return Err(unexpected()) };
        Ok(Response::new(v1::ApplyPolicyReply { version, hash, changed, held, running }))
    }

    async fn approve(
        &self,
        request: Request<v1::ApproveRequest>,
    ) -> Result<Response<v1::ApproveReply>, Status> {
        let by = gate::person(&request)?.name;
        let v1::ApproveRequest { job_class, project, content, until_ms, reason } =
            request.into_inner();
        check_reason(&reason)?;
        let content = (!content.is_empty()).then(|| convert::hash("content", &content));
        let asked = Approve {
            class: job_class,
            project: Some(project).filter(|project| !project.is_empty()),
            content: content.transpose().map_err(Problem::from)?,
            until: Timestamp::from_millis(until_ms),
            by,
            reason,
        };
        let answer = self.0.keeper.ask(Input::Approve(Box::new(asked))).await?;
        let Answer::Approval { id, jobs } = answer else { return Err(unexpected()) };
        Ok(Response::new(v1::ApproveReply { approval: Some(self.known(id)?), jobs }))
    }

    async fn unapprove(
        &self,
        request: Request<v1::UnapproveRequest>,
    ) -> Result<Response<v1::Approval>, Status> {
        let by = gate::person(&request)?.name;
        let v1::UnapproveRequest { id, reason } = request.into_inner();
        check_reason(&reason)?;
        let id = ApprovalId(id);
        let was = self.known(id)?;
        self.0.keeper.ask(Input::Unapprove { id, by, reason }).await?;
        Ok(Response::new(was))
    }

    async fn approvals(
        &self,
        _: Request<v1::ListApprovalsRequest>,
    ) -> Result<Response<v1::ListApprovalsReply>, Status> {
        let state = self.0.published.read();
        let jobs = resting(&state);
        let of = |id| jobs.get(&id).copied().unwrap_or_default();
        let approvals = state.approvals.iter().map(|one| wire(one, of(one.id))).collect();
        Ok(Response::new(v1::ListApprovalsReply { approvals }))
    }
}

impl Service {
    fn known(&self, id: ApprovalId) -> Result<v1::Approval, Problem> {
        let state = self.0.published.read();
        let one = state.approvals.get(id).ok_or(Refusal::ApprovalUnknown { id })?;
        let jobs = state.jobs.values().filter(|job| job.approval == Some(id)).count();
        Ok(wire(one, jobs as u64))
    }
}

/// Version, hash and rules of a policy's text.
fn named(text: &str) -> Result<(String, String, Option<YaraRules>), Problem> {
    let policy = repower_core::policy::Policy::proposed(text);
    let policy = policy.map_err(|error| Refusal::BadPolicy { problem: error.to_string() })?;
    Ok((policy.version, policy.hash.to_string(), policy.admission.yara_rules))
}

/// The hash of a policy, as `show` has it.
fn digest(text: &str) -> Result<Hash, Problem> {
    let told = || format!("`{text}` is no SHA-256: 64 hexadecimal digits in small letters");
    Hash::from_hex(text).ok_or_else(|| Problem::bad_request(told()))
}

/// How many jobs rest on each approval.
fn resting(state: &State) -> BTreeMap<ApprovalId, u64> {
    let mut jobs = BTreeMap::new();
    for id in state.jobs.values().filter_map(|job| job.approval) {
        *jobs.entry(id).or_default() += 1;
    }
    jobs
}

fn wire(one: &Approval, jobs: u64) -> v1::Approval {
    v1::Approval {
        id: one.id.0,
        job_class: one.class.clone(),
        project: one.project.clone().unwrap_or_default(),
        content: one.content.map(|content| content.0.to_vec()).unwrap_or_default(),
        until_ms: one.until.as_millis(),
        by: one.by.clone(),
        reason: one.reason.clone(),
        jobs,
    }
}
