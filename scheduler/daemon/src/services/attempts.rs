//! The attempts of a job.

use repower_model::JobId;
use repower_proto::v1;
use repower_store::sqlite::AttemptFilter;
use tonic::Status;

use super::summary;
use crate::shared::Shared;

/// The most attempts of one answer.
const MOST: usize = 10_000;

/// Attempts of a job's tasks, by index and number.
pub(super) async fn attempts(
    shared: &Shared,
    request: v1::AttemptsRequest,
) -> Result<v1::AttemptsReply, Status> {
    let job = JobId(request.job);
    if shared.published.read().job(job).is_none() {
        summary::row(shared, job).await?;
    }
    let limit = match request.limit as usize {
        0 => 1000,
        limit => limit.min(MOST),
    };
    let filter = AttemptFilter {
        first_task: request.index.unwrap_or(0),
        last_task: request.index.unwrap_or(u32::MAX),
        failed_only: request.failed,
        limit: limit + 1,
        offset: request.offset as usize,
    };
    let mut rows = shared.past(move |history| history.attempts(job, &filter)).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let state = shared.published.read();
    let attempts = rows.into_iter().map(|row| summary::attempt(row, &state)).collect();
    Ok(v1::AttemptsReply { attempts, more })
}
