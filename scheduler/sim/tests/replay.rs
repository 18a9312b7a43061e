//! Traces through the shipping engine.

use std::path::Path;

use repower_core::plan::Discipline;
use repower_model::Span;
use repower_sim::replay::{Faults, Replay, Rule, Setup, policy_text, replay};
use repower_sim::report::Report;
use repower_sim::trace::{Machine, ProjectBy, Rule as Left, Wide, Workload, jobs, swf};

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

#[test]
fn a_preempted_job_makes_room_at_once_and_runs_again_from_its_beginning() {
    let text = "arrival,length,cpus,priority\n0,1000,64,0\n10,100,64,500\n";
    let workload = jobs::read_bytes(text.as_bytes(), ProjectBy::Project).unwrap();
    let machine = Machine::uniform(1, 64);
    let policy = policy_text(Discipline::Repower) + "preempt-from = 100\npreempt-below = 1\n";
    let mut setup = Setup::new(&machine, policy);
    setup.checked = true;

    let went = run(&workload, &setup);

    let secs = |span: Span| span.as_millis() / 1000;
    let times: Vec<_> = went.runs.iter().map(|run| (secs(run.start), secs(run.end))).collect();
    assert_eq!(times, [(110, 1110), (10, 110)]);
    assert_eq!((went.preempted, went.lost), (1, 0));
}

#[test]
fn a_job_that_no_node_could_hold_alone_runs_as_a_gang_where_that_is_asked_for() {
    let machine = Machine::uniform(4, 16);
    let (mut out, mut packed) = (synth(), synth());
    out.fit(&machine, Wide::LeaveOut);
    packed.fit(&machine, Wide::Pack);
    let mut setup = Setup::new(&machine, policy_text(Discipline::Repower));
    setup.checked = true;
    packed.window(0, Some(300));

    let went = run(&packed, &setup);

    let left = out.tally.skipped[&Left::TooLarge];
    assert_eq!(out.jobs.len() as u64 + left, 2000);
    assert_eq!((packed.tally.packed, packed.tally.skipped.get(&Left::TooLarge)), (left, None));
    for (at, (job, run)) in packed.jobs.iter().zip(&went.runs).enumerate() {
        let shares = went.shares(at, job.cpus.as_milli());
        let cpus: u64 = shares.iter().map(|(_, cpu_milli)| cpu_milli / 1000).sum();
        let ran = run.end.as_millis() - run.start.as_millis();
        assert!(run.done && ran == job.run.as_millis() && cpus * 1000 == job.cpus.as_milli());
        let fewest = cpus.div_ceil(16);
        assert!(shares.len() as u64 >= fewest && shares.iter().all(|share| share.1 <= 16_000));
    }
    assert!(went.spread.values().any(|parts| parts.len() == 4));
}

#[test]
fn a_gang_that_loses_a_node_runs_again_as_a_whole() {
    let text = "arrival,length,cpus\n0,40000,48\n10,40000,48\n20,1000,4\n";
    let mut workload = jobs::read_bytes(text.as_bytes(), ProjectBy::Project).unwrap();
    let machine = Machine::uniform(4, 16);
    workload.fit(&machine, Wide::Pack);
    let mut setup = Setup::new(&machine, policy_text(Discipline::Repower));
    let day = Span::from_secs(86_400);
    setup.faults = Some(Faults { mtbf: day, mttr: Span::from_secs(600), seed: 3 });
    (setup.checked, setup.sampled) = (true, true);

    let went = run(&workload, &setup);

    assert!(went.lost > 0 && went.runs.iter().all(|run| run.done));
    let [first, second] = [went.runs[0], went.runs[1]];
    assert!(first.end <= second.start || second.end <= first.start, "both do not fit at once");
    assert!(went.samples.iter().all(|sample| sample.cpu_milli <= 64_000));
}
