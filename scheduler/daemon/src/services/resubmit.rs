//! A new job made of another's tasks.

use std::collections::BTreeSet;
use std::sync::Arc;

use prost::Message as _;
use repower_core::refusal::Refusal;
use repower_model::{Array, IndexRange, JobId, JobSpec, Sequel};
use repower_proto::{convert, v1};
use repower_store::journal::ReadError;
use repower_store::sqlite::{AttemptFilter, Reader};
use tonic::{Code, Status};

use super::{submit, summary};
use crate::clock;
use crate::gate::Person;
use crate::problem::Problem;
use crate::shared::Shared;

/// How many attempts are looked up at one time: more than a task can have.
const PAGE: usize = 10_000;

/// Submits the tasks of a job again, or only those that did not succeed.
pub(super) async fn resubmit(
    shared: &Arc<Shared>,
    by: Person,
    request: v1::ResubmitRequest,
) -> Result<v1::SubmitReply, Status> {
    let key = convert::key("key", &request.key).map_err(Problem::from)?;
    let job = JobId(request.job);
    let Known { mut spec, submitter, failed_so_far } = known(shared, job).await?;
    Refusal::unless_own(job, &submitter, (&by.name, by.role)).map_err(Problem::from)?;
    if failed_so_far.is_some() && !request.failed {
        let text = format!("job {job} has not ended, so its tasks are not run again");
        let problem = Problem::new(Code::FailedPrecondition, "resubmit.live", text);
        let hint = format!(
            "wait for it with `repower wait {job}`, or run what has failed so far with --failed"
        );
        return Err(problem.hint(hint).into());
    }
    if request.failed {
        let left = match failed_so_far {
            Some(ranges) => ranges,
            None => not_succeeded(shared, job, spec.array.clone()).await?,
        };
        if left.is_empty() {
            let text = format!("no task of job {job} has failed or was cancelled");
            let problem = Problem::new(Code::FailedPrecondition, "resubmit.nothing-failed", text);
            return Err(problem.hint("leave --failed out to run all of its tasks again").into());
        }
        spec.array = Array::new(left, spec.array.limit)
            .map_err(|error| Problem::from(Refusal::BadArray(error)))?;
    }
    // What it waited for is over, and perhaps its deadline too.
    spec.dependencies.clear();
    spec.start_after = None;
    let soonest = clock::now() + spec.expected.unwrap_or_default();
    spec.deadline = spec.deadline.filter(|deadline| *deadline > soonest);
    submit::spec_of(shared, by.name, key, (&spec).into()).await
}

/// What is known of the job.
struct Known {
    spec: JobSpec,
    submitter: String,
    /// The tasks that have failed, if it has not ended yet.
    failed_so_far: Option<Vec<IndexRange>>,
}

async fn known(shared: &Shared, job: JobId) -> Result<Known, Problem> {
    if let Some(job) = shared.published.read().job(job) {
        let (spec, submitter) = (JobSpec::clone(&job.spec), job.submitter.clone());
        return Ok(Known { spec, submitter, failed_so_far: Some(job.indices_of(&job.failed)) });
    }
    let row = summary::row(shared, job).await?;
    let spec = v1::JobSpec::decode(row.spec.as_slice());
    let spec = spec.map_err(|error| Problem::unreadable(&error))?;
    let (spec, submitter) = (JobSpec::try_from(spec)?, row.submitter);
    Ok(Known { spec, submitter, failed_so_far: None })
}

async fn not_succeeded(
    shared: &Shared,
    job: JobId,
    array: Array,
) -> Result<Vec<IndexRange>, Problem> {
    shared.past(move |history| Ok(without(&array, &succeeded(history, job)?))).await
}

fn succeeded(history: &Reader, job: JobId) -> Result<BTreeSet<u32>, ReadError> {
    let mut found = BTreeSet::new();
    let mut first_task = 0;
    loop {
        let filter = AttemptFilter { first_task, limit: PAGE, ..AttemptFilter::default() };
        let rows = history.attempts(job, &filter)?;
        let last = rows.last().map(|row| row.placed.id.task.index);
        let full = rows.len() == PAGE;
        for row in rows {
            if row.ended.is_some_and(|ended| ended.sequel == Sequel::Succeeded) {
                found.insert(row.placed.id.task.index);
            }
        }
        match last {
            Some(last) if full && last > first_task => first_task = last,
            _ => return Ok(found),
        }
    }
}

/// The indices of an array without some, as ranges of the same steps.
fn without(array: &Array, taken: &BTreeSet<u32>) -> Vec<IndexRange> {
    let mut left: Vec<IndexRange> = Vec::new();
    for range in array.ranges() {
        let mut open: Option<IndexRange> = None;
        for index in (range.first..=range.last).step_by(range.step as usize) {
            if taken.contains(&index) {
                left.extend(open.take());
                continue;
            }
            match &mut open {
                Some(open) => open.last = index,
                None => open = Some(IndexRange { first: index, last: index, step: range.step }),
            }
        }
        left.extend(open);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_an_array_keeps_its_steps() {
        let range = |first, last, step| IndexRange { first, last, step };
        let array = Array::new(vec![range(0, 4, 1), range(10, 20, 5)], None).unwrap();

        let left = without(&array, &[1, 4, 10].into());

        let shown: Vec<_> = left.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["0", "2-3", "15-20:5"]);
        assert!(without(&array, &[0, 1, 2, 3, 4, 10, 15, 20].into()).is_empty());
    }
}
