//! Where a task is, as far as its output goes.

use repower_model::TaskId;
use repower_store::rows::AttemptRow;
use repower_store::sqlite::AttemptFilter;

use super::Logs;
use crate::problem::Problem;

/// Where a task is, as far as its output goes.
pub(super) struct Standing {
    /// The latest attempt; none yet.
    pub(super) latest: Option<u32>,
    /// Whether the latest goes on.
    pub(super) live: bool,
    /// Whether there will be no further attempt.
    pub(super) over: bool,
}

impl Logs {
    pub(super) async fn standing(&self, index: u32) -> Result<Standing, Problem> {
        let task = TaskId { job: self.job(), index };
        let waits = {
            let state = self.shared.published.read();
            if let Some(live) = state.attempts.get(&task) {
                return Ok(Standing { latest: Some(live.number), live: true, over: false });
            }
            state
                .job(self.job())
                .is_some_and(|job| job.place(task).is_some_and(|place| job.pending.contains(place)))
        };
        let latest = self.rows(index).await?.last().map(|row| row.placed.id.number);
        Ok(Standing { latest, live: false, over: !waits })
    }

    pub(super) async fn rows(&self, index: u32) -> Result<Vec<AttemptRow>, Problem> {
        let job = self.job();
        let filter = AttemptFilter {
            first_task: index,
            last_task: index,
            limit: 10_000,
            ..AttemptFilter::default()
        };
        self.shared.past(move |history| history.attempts(job, &filter)).await
    }
}
