//! How long tasks ran before, and what can be foretold from that.
//!
//! The mean of the last two run times of the same user foretells better than users do (Tsafrir,
//! Etsion and Feitelson, TPDS 2007). Whole numbers throughout, and a bound on what is remembered.

use std::collections::BTreeMap;

use repower_model::Span;
use serde::{Deserialize, Serialize};

use super::{Job, State};

/// How many names of jobs are remembered; the one that has not been seen for longest goes first.
const MOST: usize = 4096;
/// How far a name may fall back before it is moved to the front: so that most ends cost one look-up.
const STALE: u64 = MOST as u64 / 4;

/// How long an attempt will take, as far as anybody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// How long.
    pub span: Span,
    /// Who says so.
    pub source: Source,
    /// By how much this source was wrong so far, on average, in percent of the longer of the two;
    /// `None` where nothing has been compared.
    pub error_percent: Option<u32>,
}

/// Who says how long an attempt will take; the earlier, the more it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Tasks of the same job that have succeeded.
    OwnTasks,
    /// The user, by the expected duration.
    Said,
    /// Tasks of earlier jobs of the same name and submitter.
    History,
    /// The time limit: it will not be longer.
    Limit,
}

impl Source {
    /// The name, as JSON shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OwnTasks => "own-tasks",
            Self::Said => "said",
            Self::History => "history",
            Self::Limit => "limit",
        }
    }
}

/// The last run times of something, and how well they have foretold the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Runs {
    /// In microseconds; the latest first. Zero: none.
    last_us: [u64; 2],
    /// How many times a run was foretold.
    foretold: u64,
    /// The sum of their errors, in thousandths.
    error_milli: u64,
}

impl Runs {
    /// How long the next one will take.
    pub fn next(&self) -> Option<Span> {
        let [one, two] = self.last_us;
        let mean_us = match (one, two) {
            (0, _) => return None,
            (one, 0) => one,
            (one, two) => one.midpoint(two),
        };
        Some(Span::from_millis(mean_us.div_ceil(1000)))
    }

    /// The mean error so far, in percent of the longer of foretold and true.
    pub fn error_percent(&self) -> Option<u32> {
        let mean = self.error_milli.checked_div(self.foretold)?;
        u32::try_from(mean.div_ceil(10)).ok()
    }

    /// One has run for `wall_us`.
    fn note(&mut self, wall_us: u64) {
        let wall_us = wall_us.max(1);
        if let Some(foretold) = self.next() {
            let foretold_us = foretold.as_millis().saturating_mul(1000);
            let (less, more) = (foretold_us.min(wall_us), foretold_us.max(wall_us));
            let error = u128::from(more - less) * 1000 / u128::from(more);
            self.error_milli += u64::try_from(error).unwrap_or(1000);
            self.foretold += 1;
        }
        self.last_us = [wall_us, self.last_us[0]];
    }
}

/// The run times of jobs by submitter and name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    known: BTreeMap<String, Known>,
    /// Their keys, the one that fell back furthest first.
    order: BTreeMap<u64, String>,
    tick: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    runs: Runs,
    tick: u64,
}

impl History {
    /// What is known of a submitter's jobs of a name.
    pub fn of(&self, submitter: &str, name: &str) -> Option<&Runs> {
        self.known.get(&key(submitter, name)).map(|known| &known.runs)
    }

    /// How many names are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn note(&mut self, submitter: &str, name: &str, wall_us: u64) {
        let key = key(submitter, name);
        let tick = self.tick + 1;
        if let Some(known) = self.known.get_mut(&key) {
            known.runs.note(wall_us);
            if self.tick - known.tick > STALE {
                self.order.remove(&known.tick);
                known.tick = tick;
                self.tick = tick;
                self.order.insert(tick, key);
            }
            return;
        }
        if self.known.len() >= MOST
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.known.remove(&oldest);
        }
        let mut runs = Runs::default();
        runs.note(wall_us);
        self.tick = tick;
        self.order.insert(tick, key.clone());
        self.known.insert(key, Known { runs, tick });
    }
}

/// Neither has a NUL byte in it.
fn key(submitter: &str, name: &str) -> String {
    format!("{submitter}\0{name}")
}

impl State {
    /// How long an attempt of a job will take: what is trusted most of what is known, but never
    /// longer than the time limit. In order: its own tasks that have succeeded, what the user
    /// expects, earlier jobs of the same name and submitter, the time limit.
    pub fn estimate(&self, job: &Job) -> Option<Estimate> {
        let spec = &job.spec;
        let of_runs = |runs: &Runs, source| {
            let (span, error_percent) = (runs.next()?, runs.error_percent());
            Some(Estimate { span, source, error_percent })
        };
        let plain = |span: Option<Span>, source| {
            span.map(|span| Estimate { span, source, error_percent: None })
        };
        let history = || self.history.of(&job.submitter, &spec.name);
        let found = of_runs(&job.runs, Source::OwnTasks)
            .or_else(|| plain(spec.expected, Source::Said))
            .or_else(|| of_runs(history()?, Source::History))
            .or_else(|| plain(spec.time_limit, Source::Limit))?;
        let span = spec.time_limit.map_or(found.span, |limit| found.span.min(limit));
        Some(Estimate { span, ..found })
    }

    /// The longest that an attempt of a job may take, so that others can be promised its place: the
    /// time limit, else what the user expects; `None`: nobody knows.
    pub fn bound(job: &Job) -> Option<Span> {
        job.spec.time_limit.or(job.spec.expected)
    }

    /// A task of a job has succeeded.
    pub(super) fn note_run(&mut self, job: repower_model::JobId, wall_us: u64) {
        let Self { jobs, history, .. } = self;
        if let Some(job) = jobs.get_mut(&job) {
            job.runs.note(wall_us);
            history.note(&job.submitter, &job.spec.name, wall_us);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(walls_ms: &[u64]) -> Runs {
        let mut runs = Runs::default();
        for ms in walls_ms {
            runs.note(ms * 1000);
        }
        runs
    }

    #[test]
    fn the_next_run_takes_as_long_as_the_last_two_on_average() {
        assert_eq!(runs(&[]).next(), None);
        assert_eq!(runs(&[100]).next(), Some(Span::from_millis(100)));
        assert_eq!(runs(&[900, 100, 200]).next(), Some(Span::from_millis(150)));
    }

    #[test]
    fn the_error_is_the_mean_over_all_that_was_foretold() {
        assert_eq!(runs(&[100]).error_percent(), None);
        assert_eq!(runs(&[100, 100]).error_percent(), Some(0));
        // Foretold 100 and was 200: half of the longer. Foretold 150 and was 150.
        assert_eq!(runs(&[100, 200]).error_percent(), Some(50));
        assert_eq!(runs(&[100, 200, 150]).error_percent(), Some(25));
    }

    #[test]
    fn absurd_times_do_no_harm() {
        let mut runs = Runs::default();
        for wall_us in [0, u64::MAX, u64::MAX, 0] {
            runs.note(wall_us);
        }

        assert!(runs.next().is_some());
        assert!(runs.error_percent().is_some_and(|percent| percent <= 100));
    }

    #[test]
    fn what_has_not_been_seen_for_longest_is_forgotten_first() {
        let mut history = History::default();
        for at in 0..MOST {
            history.note("ada", &format!("job-{at}"), 1000);
        }
        history.note("ada", "job-0", 3000);
        history.note("ada", "new", 1000);

        assert_eq!(history.len(), MOST);
        assert_eq!(history.order.len(), MOST);
        assert!(history.of("ada", "job-0").is_some() && history.of("ada", "new").is_some());
        assert!(history.of("ada", "job-1").is_none());
        assert!(history.of("bob", "job-0").is_none());
    }
}
