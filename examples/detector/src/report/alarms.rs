//! False alarms: honest workloads under dense sampling.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context as _;
use repower_agent::sense::Sensors;
use repower_agent_core::detect::{Tier, Verdict};

use super::family::Family;
use super::honest::{Bench, Workload};
use super::observe::{dense, observe};

/// What one workload has given.
#[derive(Debug, Clone)]
pub struct Row {
    /// The workload.
    pub workload: Workload,
    /// Windows of registers that were filled.
    pub windows: u64,
    /// Those with at least two modes.
    pub restless: u64,
    /// Those that were suspicious.
    pub suspicious: u64,
    /// Looks at files, mappings and images.
    pub looks: u64,
    /// Seconds that it took.
    pub seconds: u64,
    /// What was noticed.
    pub verdicts: Vec<Verdict>,
    /// Samples as recorded.
    pub lines: Vec<String>,
    /// It could not be run.
    pub is_left_out: bool,
}

impl Row {
    /// In how many windows and looks a rule of a tier was broken, once for each rule.
    pub fn of_tier(&self, tier: Tier) -> u64 {
        let of = self.verdicts.iter().filter(|one| one.rule.tier() == tier);
        of.map(|one| one.times).sum()
    }
}

/// Runs workloads, a few at a time, until each has filled `windows` or `limit` has passed.
///
/// # Errors
///
/// A workload that cannot be started.
///
/// # Panics
///
/// If another worker has panicked.
pub fn run(
    bench: &Bench,
    workloads: &[Workload],
    windows: u64,
    limit: Duration,
    at_once: usize,
    said: &(dyn Fn(&Row) + Sync),
) -> anyhow::Result<Vec<Row>> {
    let queue: Mutex<VecDeque<(usize, Workload)>> =
        Mutex::new(workloads.iter().cloned().enumerate().collect());
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let work = || -> anyhow::Result<()> {
            let mut sensors = Sensors::new();
            loop {
                let next = queue.lock().expect("no worker panics").pop_front();
                let Some((place, workload)) = next else { return Ok(()) };
                let row = one(bench, &mut sensors, &workload, windows, limit)?;
                said(&row);
                rows.lock().expect("no worker panics").push((place, row));
            }
        };
        let workers: Vec<_> = (0..at_once.max(1)).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a worker has panicked"))??;
        }
        anyhow::Ok(())
    })?;
    let mut rows = rows.into_inner().expect("no worker panics");
    rows.sort_by_key(|(place, _)| *place);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn one(
    bench: &Bench,
    sensors: &mut Sensors,
    workload: &Workload,
    windows: u64,
    limit: Duration,
) -> anyhow::Result<Row> {
    let mut row = Row {
        workload: workload.clone(),
        windows: 0,
        restless: 0,
        suspicious: 0,
        looks: 0,
        seconds: 0,
        verdicts: Vec::new(),
        lines: Vec::new(),
        is_left_out: !bench.can_run(workload),
    };
    if row.is_left_out {
        return Ok(row);
    }
    let folder = tempfile::tempdir_in(&bench.folder).context("cannot make a folder")?;
    for name in ["data", "unit.cpp", "numpy_work.py", "sklearn_work.py"] {
        std::os::unix::fs::symlink(bench.folder.join(name), folder.path().join(name))?;
    }
    let family = Family::script(workload.script, &bench.arguments(), folder.path())?;
    let observed = observe(sensors, family.members(), dense(), limit, |progress| {
        progress.watch.detector().coverage().windows >= windows
    });
    let detector = observed.watch.detector();
    let coverage = detector.coverage();
    row.windows = coverage.windows;
    row.restless = coverage.restless;
    row.suspicious = coverage.suspicious;
    row.looks = observed.slow_looks;
    row.seconds = observed.elapsed.as_secs();
    row.verdicts = detector.verdicts().collect();
    row.lines = observed.lines;
    Ok(row)
}
