//! Telling what running tasks use, while somebody watches.

use std::time::Duration;

use repower_proto::v1::{RunningProcess, Sample, SampleTasks};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::{clock, samples};

/// The shortest time between two looks, and the longest.
const OFTEN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_mins(1));
/// The longest that it goes on without being asked again.
const LONGEST: Duration = Duration::from_mins(10);

/// Whether and when the next look is due, and what comes of the last.
#[derive(Debug)]
pub(super) struct Sampling {
    /// Which processes run, as the executor answers.
    running: watch::Receiver<Vec<RunningProcess>>,
    every: Duration,
    next: Option<Instant>,
    until: Instant,
    /// The look that is being taken.
    looks: JoinSet<Vec<Sample>>,
}

/// What comes next of it.
#[derive(Debug)]
pub(super) enum News {
    /// It is time to ask the executor what runs.
    Ask,
    /// This is what it uses.
    Samples(Vec<Sample>),
}

impl Sampling {
    /// Nobody watches yet.
    pub(super) fn new(running: watch::Receiver<Vec<RunningProcess>>) -> Self {
        let until = Instant::from_std(clock::instant());
        Self { running, every: OFTEN.0, next: None, until, looks: JoinSet::new() }
    }

    /// Somebody watches.
    pub(super) fn begin(&mut self, asked: SampleTasks) {
        let now = Instant::from_std(clock::instant());
        self.every = Duration::from_millis(asked.every_ms).clamp(OFTEN.0, OFTEN.1);
        self.until = now + Duration::from_millis(asked.for_ms).min(LONGEST);
        self.next.get_or_insert(now);
    }

    /// Waits for what comes next; for ever, if nobody watches.
    pub(super) async fn news(&mut self) -> News {
        loop {
            let next = self.next;
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {
                    let now = Instant::from_std(clock::instant());
                    self.next = Some(now + self.every).filter(|next| *next <= self.until);
                    return News::Ask;
                }
                Ok(()) = self.running.changed() => {
                    let running = self.running.borrow_and_update().clone();
                    // One look at a time: on a machine that is that slow, it is asked again soon enough.
                    if self.looks.is_empty() && !running.is_empty() {
                        self.looks.spawn_blocking(move || samples::samples(&running));
                    }
                }
                Some(Ok(samples)) = self.looks.join_next() => return News::Samples(samples),
            }
        }
    }
}
