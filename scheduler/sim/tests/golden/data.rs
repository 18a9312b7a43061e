//! Where traces and golden files are, and how they are read.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

use repower_core::plan::Discipline;
use repower_model::Span;
use repower_sim::replay::{Replay, Rule, Run, Setup, policy_text, replay};
use repower_sim::report::Report;
use repower_sim::trace::{Machine, ProjectBy, Wide, Workload, swf};

/// A trace whose results are known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace {
    pub(crate) file: &'static str,
    pub(crate) golden: &'static str,
    pub(crate) jobs: usize,
    pub(crate) processors: u64,
}

pub(crate) const SYNTH: Trace =
    Trace { file: "synth64.swf", golden: "synth64_starts.csv", jobs: 2000, processors: 64 };
pub(crate) const LUBLIN: Trace = Trace {
    file: "swf/lublin_256.swf",
    golden: "golden/lublin_256_n1000_starts.csv",
    jobs: 1000,
    processors: 256,
};
pub(crate) const HPC2N: Trace = Trace {
    file: "swf/HPC2N-first3171lines-alea.swf",
    golden: "golden/hpc2n_n3000_starts.csv",
    jobs: 3000,
    processors: 240,
};

/// The path of a file: of our own, or of the folder of traces; `None`, and said, if that is not there.
pub(crate) fn find(file: &str) -> Option<PathBuf> {
    static SAID: Once = Once::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = here.join("tests/data").join(file);
    if own.exists() {
        return Some(own);
    }
    let folder = std::env::var_os("REPOWER_TRACES").map(PathBuf::from);
    let path = folder.unwrap_or_else(|| here.join("../../../shared/data")).join(file);
    if path.exists() {
        return Some(path);
    }
    // Not `println`, which the harness keeps to itself while tests pass.
    SAID.call_once(|| {
        let path = path.display();
        drop(writeln!(std::io::stderr(), "SKIPPED what needs {path}: set REPOWER_TRACES"));
    });
    None
}

/// The first jobs of a trace, and the machine that it names.
pub(crate) fn load(trace: &Trace, jobs: usize) -> Option<(Workload, Machine)> {
    let mut workload = swf::read(&find(trace.file)?, ProjectBy::Project).expect("a good trace");
    assert_eq!(workload.processors, Some(trace.processors));
    let machine = Machine::uniform(1, trace.processors);
    workload.fit(&machine, Wide::LeaveOut);
    workload.window(0, Some(jobs));
    assert_eq!(workload.jobs.len(), jobs);
    Some((workload, machine))
}

/// The golden columns of a trace by name: the start of each job, in seconds, by its id.
pub(crate) fn columns(trace: &Trace) -> Option<BTreeMap<String, BTreeMap<u64, u64>>> {
    let text = fs::read_to_string(find(trace.golden)?).expect("it is there");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let mut columns: BTreeMap<String, BTreeMap<u64, u64>> = BTreeMap::new();
    for line in lines {
        let row: Vec<u64> = line.split(',').map(|field| field.parse().expect("a number")).collect();
        for (name, value) in header.iter().zip(&row).skip(1) {
            columns.entry((*name).to_owned()).or_default().insert(row[0], *value);
        }
    }
    assert!(columns.values().all(|column| column.len() == trace.jobs));
    Some(columns)
}

/// Runs jobs under a discipline.
pub(crate) fn run(
    workload: &Workload,
    machine: &Machine,
    discipline: Discipline,
    rule: Rule,
) -> (Replay, Report) {
    let mut setup = Setup::new(machine, policy_text(discipline));
    setup.rule = rule;
    let went = replay(workload, &setup, &mut |_| {}).expect("every job can run");
    let report = Report::of(workload, machine, &went);
    (went, report)
}

/// A replay in which the jobs start as a golden column says.
pub(crate) fn as_golden(workload: &Workload, starts: &BTreeMap<u64, u64>) -> Replay {
    let run = |job: &repower_sim::trace::Job| {
        let start = Span::from_secs(starts[&job.id]);
        let end = Span::from_millis(start.as_millis() + job.run.as_millis());
        Run { start, end, node: 0, done: true }
    };
    Replay { runs: workload.jobs.iter().map(run).collect(), ..Replay::default() }
}
