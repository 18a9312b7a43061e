//! What would come of a submission: it is played through on a copy of what is durable now, by the
//! engine itself, so that the answer is what would happen.

use std::collections::BTreeSet;
use std::sync::Arc;

use prost::Message as _;
use repower_core::effect::Answer;
use repower_core::engine::Engine;
use repower_core::fact::Fact;
use repower_core::input::{Input, Submit};
use repower_core::plan;
use repower_core::policy::hash_of;
use repower_model::{JobId, Key, NodeId};
use repower_proto::{convert, v1};
use tonic::Status;

use super::submit::{read, unexpected};
use super::why::wire;
use crate::admission::{Files, Look};
use crate::clock;
use crate::problem::Problem;
use crate::shared::Shared;

/// How many nodes are named.
const NAMED: usize = 16;

/// Plays a submission through.
pub(super) async fn plan(
    shared: &Shared,
    submitter: String,
    request: v1::PlanRequest,
) -> Result<v1::PlanReply, Status> {
    let spec = convert::present("spec", request.spec).map_err(Problem::from)?;
    let spec_hash = hash_of(&spec.encode_to_vec());
    let spec = read(spec)?;
    Engine::bounds(&spec).map_err(Problem::from)?;
    let others: Vec<JobId> = spec.dependencies.iter().map(|one| one.job).collect();
    let past = shared
        .past(move |history| {
            let rows = others.into_iter().map(|job| history.job(job));
            let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
            Ok(rows.into_iter().flatten().map(|row| (row.id, row.state)).collect())
        })
        .await?;
    // No client makes this key: a UUID is never all zeros.
    let key = Key([0; 16]);
    // Files that are not in the store yet are looked at when they are submitted.
    let Look { marks, looked_by } = shared.admission.look(shared, &spec, Files::Known).await?;
    let submit = Submit { key, submitter, spec, spec_hash, past, marks, looked_by };
    let input = Input::Submit(Box::new(submit));
    // A copy of everything: few are made at one time.
    let published = Arc::clone(&shared.published);
    shared.aside.run(move || play(Engine::from_state(published.state()), &input)).await?
}

fn play(mut engine: Engine, input: &Input) -> Result<v1::PlanReply, Status> {
    let now = clock::now();
    let answer = engine.turn(input, now).map_err(Problem::from)?.answer;
    let (job, tasks) = match answer {
        Answer::Job { job, tasks, .. } => (job, tasks),
        Answer::Refused(refusal) => return Err(Problem::from(refusal).into()),
        Answer::Done
        | Answer::Cancelled { .. }
        | Answer::Entered { .. }
        | Answer::Token(_)
        | Answer::Node(_)
        | Answer::Approval { .. }
        | Answer::Policy { .. }
        | Answer::Reservation(_) => {
            return Err(unexpected());
        }
    };
    let tier = engine.state().job(job).map(|job| job.tier.as_str().to_owned()).unwrap_or_default();
    let pass = engine.turn(&Input::Schedule, now).map_err(Problem::from)?;
    let mut nodes: BTreeSet<NodeId> = BTreeSet::new();
    let mut starts = 0;
    for fact in &pass.facts {
        if let Fact::AttemptPlaced { attempt, node, runway: false, parts, .. } = fact
            && attempt.task.job == job
        {
            starts += 1;
            nodes.insert(*node);
            nodes.extend(parts.iter().map(|part| part.node));
        }
    }
    let state = engine.state();
    let names = nodes.iter().take(NAMED).map(|node| state.nodes[node].name.clone());
    let waits = state.job(job).filter(|job| !job.pending.is_empty());
    let waits = waits.and_then(|job| plan::why(state, job.id, None, now)).map(wire);
    Ok(v1::PlanReply { tasks, tier, starts, nodes: names.collect(), waits })
}
