//! Who waits for news of a job.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repower_model::{FindingId, JobId};
use tokio::sync::{Notify, broadcast};

/// How many findings a listener may be behind; one that is further behind looks at all again.
const BEHIND: usize = 256;

/// Who waits for news of which job. News is never lost: whoever looks, then waits, is woken if
/// something has come in between.
#[derive(Debug)]
pub(crate) struct Notices {
    waiting: Mutex<BTreeMap<JobId, Vec<Arc<Notify>>>>,
    count: AtomicUsize,
    findings: broadcast::Sender<FindingId>,
}

impl Default for Notices {
    fn default() -> Self {
        let findings = broadcast::Sender::new(BEHIND);
        Self { waiting: Mutex::default(), count: AtomicUsize::default(), findings }
    }
}

/// Somebody who waits; ends with it.
#[derive(Debug)]
pub(crate) struct Waiting {
    notices: Arc<Notices>,
    jobs: Vec<JobId>,
    news: Arc<Notify>,
}

impl Notices {
    /// Waits for news of these jobs from now on.
    pub(crate) fn of(self: &Arc<Self>, jobs: Vec<JobId>) -> Waiting {
        let news = Arc::new(Notify::new());
        let mut waiting = self.lock();
        for job in &jobs {
            waiting.entry(*job).or_default().push(Arc::clone(&news));
        }
        self.count.fetch_add(jobs.len(), Ordering::Relaxed);
        drop(waiting);
        Waiting { notices: Arc::clone(self), jobs, news }
    }

    /// There is news of these jobs.
    pub(crate) fn tell(&self, jobs: impl IntoIterator<Item = JobId>) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let waiting = self.lock();
        for job in jobs {
            for news in waiting.get(&job).into_iter().flatten() {
                news.notify_one();
            }
        }
    }

    /// Findings that were opened, seen again or decided, from now on.
    pub(crate) fn findings(&self) -> broadcast::Receiver<FindingId> {
        self.findings.subscribe()
    }

    /// There is news of these findings.
    pub(crate) fn tell_findings(&self, findings: &[FindingId]) {
        for finding in findings {
            // Nobody listens: then nobody misses it.
            let _ = self.findings.send(*finding);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, Vec<Arc<Notify>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Returns when there has been news since the last time.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Lets the next wait return at once: the news has not been looked at yet.
    pub(crate) fn again(&self) {
        self.news.notify_one();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.notices.lock();
        for job in &self.jobs {
            if let Some(all) = waiting.get_mut(job) {
                all.retain(|news| !Arc::ptr_eq(news, &self.news));
                if all.is_empty() {
                    waiting.remove(job);
                }
            }
        }
        self.notices.count.fetch_sub(self.jobs.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn news_between_looking_and_waiting_is_not_lost() {
        let notices = Arc::new(Notices::default());
        let waiting = notices.of(vec![JobId(1), JobId(2)]);

        notices.tell([JobId(3), JobId(2)]);

        waiting.news().await;
        drop(waiting);
        assert!(notices.lock().is_empty());
    }
}
