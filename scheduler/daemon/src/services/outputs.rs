//! What was brought back of jobs.

use repower_model::{FindingId, Hash, JobId, RankId};
use repower_proto::v1;
use repower_store::rows::Collection;
use tonic::{Code, Status};

use super::summary;
use crate::problem::Problem;
use crate::shared::Shared;

/// The most processes of one answer: each may have thousands of files.
const MOST: usize = 1000;
/// An answer ends when it has so many files.
const FILES: usize = 50_000;

/// What was brought back of a job's tasks, by index and rank.
pub(super) async fn outputs(
    shared: &Shared,
    request: v1::OutputsRequest,
) -> Result<v1::OutputsReply, Status> {
    let job = JobId(request.job);
    if shared.published.read().job(job).is_none() {
        summary::row(shared, job).await?;
    }
    held(shared, job, request.index).await?;
    let limit = match request.limit as usize {
        0 => 100,
        limit => limit.min(MOST),
    };
    let after = request.after.map(|place| (place.index, place.rank));
    let index = request.index;
    let rows = shared.past(move |history| history.outputs(job, index, after, limit + 1)).await?;
    let (mut files, all) = (0, rows.len());
    let mut outputs = Vec::new();
    for row in rows.into_iter().take(limit) {
        files += row.artefacts.len();
        if files > FILES && !outputs.is_empty() {
            break;
        }
        outputs.push(kept(row));
    }
    let more = outputs.len() < all;
    Ok(v1::OutputsReply { outputs, more })
}

/// Refuses outputs that a finding holds back.
async fn held(shared: &Shared, job: JobId, index: Option<u32>) -> Result<(), Problem> {
    let Some((finding, task)) =
        shared.past(move |history| history.holds_outputs(job, index)).await?
    else {
        return Ok(());
    };
    let whose = match task {
        Some(index) => format!("task {job}.{index}"),
        None => format!("job {job}"),
    };
    Err(held_back(&format!("the outputs of {whose} are"), finding))
}

/// Refuses an artefact that only outputs are which a finding holds back, by whatever name it is asked for.
pub(super) async fn held_artefact(shared: &Shared, digest: Hash) -> Result<(), Problem> {
    let Some(finding) = shared.past(move |history| history.holds_artefact(digest)).await? else {
        return Ok(());
    };
    Err(held_back(&format!("the artefact {digest} is an output that is"), finding))
}

fn held_back(what: &str, finding: FindingId) -> Problem {
    let text = format!("{what} held back for finding {finding}");
    Problem::new(Code::FailedPrecondition, "finding.outputs-held", text).hint(format!(
        "an operator looks: `repower findings show {finding}`; once it is dismissed, they can be fetched"
    ))
}

fn kept(row: Collection) -> v1::KeptOutputs {
    let RankId { attempt, rank } = row.id;
    v1::KeptOutputs {
        index: attempt.task.index,
        attempt: attempt.number,
        rank,
        artefacts: row.artefacts.iter().map(Into::into).collect(),
        missing: row.missing,
    }
}
