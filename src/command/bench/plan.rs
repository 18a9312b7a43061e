//! `repower bench plan`: what the engine takes for a pass, a submission and an answer, as the queue
//! grows. No process, no network, no disk: the engine alone, with its clock moved by hand.

use repower_core::plan::{Discipline, why};
use repower_model::{JobId, Span};
use repower_sim::crowd::{Crowd, Size};

use super::figures::{Report, number};
use super::load::resident_mib;
use super::{BenchError, Common};
use crate::clock::Stopwatch;
use crate::failure::Failure;
use crate::render::Screen;

/// How many tasks wait, one size after the other.
const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// How often each thing is measured at a size.
const TIMES: usize = 200;

/// Options of `repower bench plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Plan {
    /// Nodes, of 16 to 64 processors
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    nodes: u32,
    /// Different shapes of tasks
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    shapes: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Plan {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Report, Failure> {
        let Self { nodes, shapes, .. } = self;
        let about = format!("{nodes} nodes, {shapes} shapes of tasks, single-task jobs");
        let mut report = Report::new("plan", about);
        // Before anything else has been freed, which this process would use again and not grow.
        screen.note("memory of shapes");
        let shape_bytes = shape_bytes()?;
        let size = Size { nodes, shapes, tasks: 1_000 };
        let mut crowd = Crowd::new(size, Discipline::Repower);
        let started = fill(screen, &mut report, &mut crowd, size)?;
        let mut waiting = 0;
        for tasks in SIZES {
            screen.note(format_args!("{tasks} tasks wait"));
            let before = resident()?;
            let (more, watch) = (tasks - waiting, Stopwatch::start());
            let jobs: Vec<JobId> =
                (waiting..tasks).map(|at| crowd.submit(at % shapes, 1)).collect();
            let each_us = watch.seconds() * 1e6 / f64::from(more);
            report.add(format!("submission, {tasks} wait"), "us", &[each_us]);
            if more >= 100_000 {
                let bytes = (resident()? - before) * number(1 << 20) / f64::from(more);
                report.add(format!("a job that waits, {tasks} wait"), "bytes", &[bytes]);
            }
            crowd.pass();
            waiting = tasks;
            measure(&mut report, &mut crowd, tasks, started, *jobs.last().unwrap_or(&JobId(1)));
        }
        report.add("a shape", "bytes", &[shape_bytes]);
        Ok(report)
    }
}

/// What a shape takes beside its jobs: as many jobs that wait, each of a shape of its own, against
/// all of one.
fn shape_bytes() -> Result<f64, BenchError> {
    const JOBS: u32 = 200_000;
    let grown = |shapes: u32| -> Result<f64, BenchError> {
        let size = Size { nodes: 0, shapes, tasks: 1 };
        let mut crowd = Crowd::new(size, Discipline::Repower);
        let before = resident()?;
        for at in 0..JOBS {
            crowd.submit(at % shapes, 1);
        }
        let after = resident()?;
        // What is freed may stay with this process, and the next would seem to take nothing.
        std::mem::forget(crowd);
        Ok(after - before)
    };
    let (one, many) = (grown(1)?, grown(JOBS)?);
    Ok((many - one) * number(1 << 20) / f64::from(JOBS - 1))
}

/// Fills all nodes from nothing, and leaves nothing waiting.
fn fill(
    screen: &mut Screen,
    report: &mut Report,
    crowd: &mut Crowd,
    size: Size,
) -> Result<usize, Failure> {
    screen.note("a full plan from nothing");
    for shape in 0..size.shapes {
        crowd.submit(shape, size.tasks);
    }
    let (before, watch) = (resident()?, Stopwatch::start());
    let started = crowd.fill();
    report.add("full plan from nothing, 1,000 tasks a shape", "ms", &[watch.seconds() * 1e3]);
    let each = (resident()? - before) * number(1 << 20) / number(started as u64);
    report.add("tasks started by it", "tasks", &[number(started as u64)]);
    report.add("a started task", "bytes", &[each]);
    crowd.clear();
    Ok(started)
}

fn measure(report: &mut Report, crowd: &mut Crowd, tasks: u32, started: usize, last: JobId) {
    let (mut ends, mut passes, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for at in 0..TIMES {
        crowd.wait(Span::from_millis(500));
        let Some(report) = crowd.running(at * 37 % started.max(1)) else { break };
        let watch = Stopwatch::start();
        crowd.complete(report);
        ends.push(watch.seconds() * 1e6);
        let watch = Stopwatch::start();
        crowd.pass();
        passes.push(watch.seconds() * 1e3);
    }
    for _ in 0..TIMES / 10 {
        let watch = Stopwatch::start();
        let answer = why(crowd.state(), last, None, crowd.state().now);
        if answer.is_some() {
            answers.push(watch.seconds() * 1e3);
        }
    }
    report.add(format!("completion, {tasks} wait"), "us", &ends);
    report.add(format!("pass after a completion, {tasks} wait"), "ms", &passes);
    report.add(format!("why, {tasks} wait"), "ms", &answers);
}

fn resident() -> Result<f64, BenchError> {
    resident_mib(std::process::id())
}
