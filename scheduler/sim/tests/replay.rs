//! Traces through the shipping engine.

use std::path::Path;

use repower_core::plan::Discipline;
use repower_model::Span;
use repower_sim::replay::{Faults, Replay, Rule, Setup, policy_text, replay};
use repower_sim::report::Report;
use repower_sim::trace::{Machine, ProjectBy, Workload, swf};

fn synth() -> Workload {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/synth64.swf");
    swf::read(&path, ProjectBy::Project).expect("a good trace")
}

fn run(workload: &Workload, setup: &Setup<'_>) -> Replay {
    replay(workload, setup, &mut |_| {}).expect("every job can run")
}

#[test]
fn every_job_of_a_trace_runs_once_and_never_above_capacity() {
    let workload = synth();
    let machine = Machine::uniform(1, 64);
    let mut setup = Setup::new(&machine, policy_text(Discipline::Repower));
    (setup.sampled, setup.checked) = (true, true);

    let went = run(&workload, &setup);

    assert_eq!(workload.jobs.len(), 2000);
    for (job, run) in workload.jobs.iter().zip(&went.runs) {
        let ran = run.end.as_millis() - run.start.as_millis();
        assert!(run.done && run.start >= job.submit && ran == job.run.as_millis(), "{job:?}");
    }
    assert!(went.samples.iter().all(|sample| sample.cpu_milli <= 64_000));
    assert_eq!(went.samples.last().map(|last| (last.waiting, last.running)), Some((0, 0)));
}

#[test]
fn the_same_trace_gives_the_same_starts_and_each_event_rule_its_passes() {
    let mut workload = synth();
    workload.window(0, Some(500));
    let machine = Machine::uniform(1, 64);
    let mut setup = Setup::new(&machine, policy_text(Discipline::Repower));

    let (once, again) = (run(&workload, &setup), run(&workload, &setup));
    setup.rule = Rule::Event;
    let by_event = run(&workload, &setup);

    assert_eq!(once.runs, again.runs);
    assert_eq!(once.facts, again.facts);
    assert!(by_event.passes > once.passes);
}

#[test]
fn what_a_failing_node_loses_is_run_again() {
    let mut workload = synth();
    workload.window(0, Some(300));
    let machine = Machine::uniform(2, 64);
    let mut setup = Setup::new(&machine, policy_text(Discipline::Repower));
    let day = Span::from_secs(86_400);
    setup.faults = Some(Faults { mtbf: day, mttr: Span::from_secs(600), seed: 7 });
    setup.checked = true;

    let went = run(&workload, &setup);
    let report = Report::of(&workload, &machine, &went);

    assert!(went.failures > 0 && went.lost > 0, "{} {}", went.failures, went.lost);
    assert_eq!((report.jobs, report.failed), (300, 0));
}
