//! `repower sim` from its options to what it prints.

use clap::Parser as _;
use repower_core::engine::Engine;
use repower_core::fact::Entry as Noted;
use repower_core::input::{Input, Report, Submit};
use repower_core::policy::{DEFAULT, hash_of};
use repower_model::{
    Array, AttemptId, Cpus, Dependency, DependencyKind, Hash, IndexRange, Instance, Inventory,
    JobId, JobSpec, Key, NodeId, Outcome, Resources, Role, TaskId, Timestamp, TokenKind, Usage,
};
use repower_store::journal::{Entry, Journal as _};
use repower_store::sqlite::Journal;
use serde_json::Value;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;
use crate::render::Form;
use crate::render::testing::{page, pages};

const SYNTH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scheduler/sim/tests/data/synth64.swf");

fn sim(options: &[&str]) -> Command {
    let words = ["repower", "sim"].iter().chain(options);
    Arguments::try_parse_from(words).expect("options that clap takes").command
}

fn json(options: &[&str]) -> Value {
    let text = page(Form::Json, |screen| sim(options).run(screen).map(drop));
    serde_json::from_str(&text).expect("JSON")
}

fn failure(options: &[&str]) -> (String, String) {
    let (_, _, result) = pages(Form::Table, |screen| sim(options).run(screen));
    let failure: Failure = result.expect_err("it cannot be done");
    (failure.message(), failure.hint().unwrap_or_default())
}

#[test]
fn policies_stand_side_by_side_with_the_digits_of_other_simulators() {
    let options = ["--swf", SYNTH, "--policy", "fcfs,easy", "--project-by", "user"];

    let text = page(Form::Table, |screen| sim(&options).run(screen).map(drop));

    assert!(text.contains("synth64.swf: 2000 jobs on 1 node with 64 cpus\n"), "{text}");
    assert!(text.contains("\nfcfs    201380.0040      393359     1693400  0.584936 "), "{text}");
    assert!(text.contains("\nfcfs    3477.815670      303.047  22232.400 "), "{text}");
    assert!(text.contains("\neasy      7826.2140      156139     1324987  0.747578 "), "{text}");
    assert!(
        text.contains("\nPOLICY  PROJECT  JOBS  CPU HOURS  MEAN WAIT S  MEAN BSLD\n"),
        "{text}"
    );
    assert!(text.lines().skip(1).all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn what_is_left_out_is_said() {
    let options = ["--swf", SYNTH, "--nodes", "2x32", "--without", "n2", "--limit", "10"];

    let text = page(Form::Table, |screen| sim(&options).run(screen).map(drop));
    let document = json(&options);

    let large = document["left_out"][0]["jobs"].as_u64().unwrap();
    assert!(
        text.contains(&format!("left out: {large} jobs that ask for more than any node has\n"))
    );
    assert!(text.contains(&format!("left out: {} jobs outside of the window\n", 1990 - large)));
    assert_eq!(document["left_out"][0]["rule"], "too-large");
    assert_eq!((&document["jobs"], &document["nodes"]), (&10.into(), &1.into()));
}

#[test]
fn the_loop_of_rlscheduler_has_its_own_policies_and_neither_faults_nor_pictures() {
    let with = |more: &[&str]| {
        let options = ["--swf", SYNTH, "--limit", "50", "--semantics", "rlscheduler-backfill"];
        failure(&[&options[..], more].concat())
    };

    let (faults, hint) = with(&["--policy", "fcfs", "--faults", "1d,1h"]);
    assert_eq!(
        faults,
        "--faults is for the engine, and the loop of RLScheduler has nothing like it"
    );
    assert_eq!(hint, "leave --faults out, or --semantics");
    let (_, hint) = with(&["--policy", "easy"]);
    assert_eq!(hint, "use fcfs, sjf, wfp3, unicef, f1, f2, f3 or f4");
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let of = |more: &[&str]| failure(&[&["--swf", SYNTH], more].concat());

    let (unknown, hint) = of(&["--policy", "easy,conservativ"]);
    assert_eq!(unknown, "there is no policy `conservativ`");
    assert_eq!(hint, "did you mean `conservative`?");
    let (twice, _) = of(&["--policy", "sjf,sjf"]);
    assert_eq!(twice, "the policy `sjf` is named twice");
    let (node, _) = of(&["--nodes", "3x64", "--without", "n4"]);
    assert_eq!(node, "there is no node `n4` to take out; there are 3, from n1 to n3");
    let (window, _) = of(&["--first-index", "2000"]);
    assert_eq!(
        window,
        "no job is left: 2000 were in the trace, 2000 of them outside of the window"
    );
    assert!(Arguments::try_parse_from(["repower", "sim", "--policy", "easy"]).is_err());
    let both = ["repower", "sim", "--swf", "a", "--jobs", "b"];
    assert!(Arguments::try_parse_from(both).is_err());
    assert!(Arguments::try_parse_from(["repower", "sim", "--swf", "a", "--seed", "3"]).is_err());
}

/// A cell that lives for a while, and leaves its journal in a folder.
struct Cell {
    engine: Engine,
    facts: Vec<Noted>,
    secs: i64,
}

impl Cell {
    fn turn(&mut self, input: &Input) {
        let now = Timestamp::from_millis(1_700_000_000_000 + 1000 * self.secs);
        let first = self.engine.state().seq;
        let turn = self.engine.turn(input, now).expect("it is done");
        let at = self.engine.state().now;
        let noted = (first..).zip(turn.facts).map(|(seq, fact)| Noted { seq, at, fact });
        self.facts.extend(noted);
    }

    fn submit(&mut self, key: u8, spec: JobSpec) {
        let spec = JobSpec { class: "sci-simulation".into(), command: vec!["x".into()], ..spec };
        let (submitter, spec_hash) = ("mia".to_owned(), Hash([0; 32]));
        let key = Key([key; 16]);
        let submit = Submit {
            key,
            submitter,
            spec,
            spec_hash,
            past: Vec::new(),
            marks: Vec::new(),
            looked_by: None,
        };
        self.turn(&Input::Submit(Box::new(submit)));
        self.turn(&Input::Schedule);
    }

    fn end(&mut self, job: u64, index: u32, ran_secs: i64) {
        let task = TaskId { job: JobId(job), index };
        let now = self.engine.state().now;
        let ended = Timestamp::from_millis(1_700_000_000_000 + 1000 * self.secs).max(now);
        let report = Report::Ended {
            rank: AttemptId { task, number: 1 }.rank(0),
            outcome: Outcome::Exited { code: 0 },
            usage: Usage::default(),
            started: Some(Timestamp::from_millis(ended.as_millis() - 1000 * ran_secs)),
            ended,
        };
        self.turn(&Input::Report { node: NodeId(1), report });
        self.turn(&Input::Schedule);
    }
}

/// One node with 2 cpus; an array of 3 tasks of 10 s, a job after it of 5 s, and one that is cancelled.
fn lived() -> tempfile::TempDir {
    let mut cell = Cell { engine: Engine::new(), facts: Vec::new(), secs: 0 };
    cell.turn(&Input::Found { cell: "test.example".into(), version: "1".into() });
    cell.turn(&Input::Adopt { text: DEFAULT.into(), by: "op".into(), replaces: None });
    let secret = hash_of(b"secret");
    let (kind, name, by) = (TokenKind::Join, String::new(), "op".to_owned());
    cell.turn(&Input::Issue { kind, role: None, name, hash: secret, expires: None, by });
    let fingerprint = hash_of(b"certificate");
    cell.turn(&Input::Enrol { secret, name: "rig-01".into(), fingerprint });
    let capacity = Resources { cpus: Cpus::from_whole(2), ..Resources::default() };
    let inventory = Box::new(Inventory { capacity, ..Inventory::default() });
    let (node, instance) = (NodeId(1), Instance([1; 16]));
    cell.turn(&Input::Hello { node, instance, inventory, held: Vec::new(), saved: Vec::new() });
    cell.secs = 100;
    let range = IndexRange { first: 0, last: 2, step: 1 };
    let array = Array::new(vec![range], None).unwrap();
    cell.submit(1, JobSpec { array, project: "vision".into(), ..JobSpec::default() });
    let on = Dependency { job: JobId(1), kind: DependencyKind::Ok, per_task: false };
    cell.submit(2, JobSpec { dependencies: vec![on], ..JobSpec::default() });
    cell.submit(3, JobSpec::default());
    let (by, reason) = ("mia".to_owned(), "a mistake".to_owned());
    cell.turn(&Input::Cancel { job: JobId(3), tasks: None, by, role: Role::Operator, reason });
    for (secs, job, index, ran) in
        [(110, 1, 0, 10), (110, 1, 1, 10), (120, 1, 2, 10), (125, 2, 0, 5)]
    {
        cell.secs = secs;
        cell.end(job, index, ran);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), "test.example").unwrap();
    let body = |noted: &Noted| repower_proto::convert::encode(noted);
    let entries: Vec<Entry> =
        cell.facts.iter().map(|noted| Entry { seq: noted.seq, body: body(noted) }).collect();
    journal.append(&entries, &[], cell.engine.state().now).unwrap();
    folder
}

#[test]
fn a_journal_shows_how_it_was_and_how_it_would_have_been() {
    let folder = lived();
    let path = folder.path().to_str().unwrap();

    let same = json(&["--journal", path, "--policy", "fcfs"]);
    let more = json(&["--journal", path, "--policy", "fcfs", "--plus", "1x4"]);
    let less = failure(&["--journal", path, "--without", "rig-01"]);

    assert_eq!(
        (&same["jobs"], &same["nodes"], &same["cpu_milli"]),
        (&4.into(), &1.into(), &2000.into())
    );
    assert_eq!(same["left_out"][0]["rule"], "never-ran");
    let [was, fcfs] = &same["policies"].as_array().unwrap()[..] else { panic!("two rows") };
    assert_eq!((&was["policy"], &fcfs["policy"]), (&"recorded".into(), &"fcfs".into()));
    assert_eq!((&was["makespan_ms"], &fcfs["makespan_ms"]), (&25_000.into(), &25_000.into()));
    assert_eq!((&was["max_wait_ms"], &was["seconds"]), (&10_000.into(), &Value::Null));
    assert_eq!(fcfs["max_wait_ms"], 10_000);
    let projects = was["projects"].as_array().unwrap();
    assert_eq!((&projects[0]["name"], &projects[0]["jobs"]), (&"vision".into(), &3.into()));
    assert_eq!((&more["nodes"], &more["policies"][1]["max_wait_ms"]), (&2.into(), &0.into()));
    assert_eq!(less.0, "the machine of this replay has no nodes");
}

#[test]
fn starts_of_a_journal_are_named_by_task() {
    let folder = lived();
    let starts = folder.path().join("starts.csv");
    let options = [
        "--journal",
        folder.path().to_str().unwrap(),
        "--starts",
        starts.to_str().unwrap(),
        "--policy",
        "easy",
    ];

    page(Form::Table, |screen| sim(&options).run(screen).map(drop));

    let text = std::fs::read_to_string(starts).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "job_id,submit,run,cpus,estimate,start_recorded,start_easy");
    assert_eq!(&lines[1..3], ["1.0,100,10,1,10,100,100", "1.1,100,10,1,10,100,100"]);
    assert_eq!(&lines[3..], ["1.2,100,10,1,10,110,110", "2.0,120,5,1,5,120,120"]);
}

#[test]
fn a_full_disk_takes_the_file_but_not_what_was_found() {
    let options = ["--swf", SYNTH, "--limit", "20", "--starts", "/dev/full"];

    let (out, _, result) = pages(Form::Json, |screen| sim(&options).run(screen));

    let failure: Failure = result.expect_err("it is not written");
    assert_eq!(failure.message(), "cannot write /dev/full");
    assert_eq!(failure.hint().unwrap(), "free some space there, or name another place");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["policies"][0]["jobs"], 20);
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none/starts.csv");
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "").unwrap();
    for place in [["--starts", missing.to_str().unwrap()], ["--plot", taken.to_str().unwrap()]] {
        let options = [&["--swf", SYNTH][..], &place].concat();

        let (out, _, result) = pages(Form::Json, |screen| sim(&options).run(screen));

        let told = result.expect_err("it cannot be written").message();
        assert!(told.starts_with("cannot") && out.is_empty(), "{told} {out}");
    }
}

#[test]
fn jobs_that_no_node_holds_alone_run_as_gangs_where_that_is_asked_for() {
    let options = ["--swf", SYNTH, "--nodes", "4x16", "--limit", "100"];

    let gangs = [&options[..], &["--gangs"]].concat();
    let text = page(Form::Table, |screen| sim(&gangs).run(screen).map(drop));
    let (without, with) = (json(&options), json(&gangs));

    let wide = with["as_gangs"].as_u64().unwrap();
    assert!(text.contains(&format!("\nas gangs: {wide} jobs that no node could hold alone\n")));
    assert_eq!(
        (without["as_gangs"].as_u64(), without["left_out"][0]["rule"].as_str()),
        (Some(0), Some("too-large"))
    );
    assert!(with["left_out"].as_array().unwrap().is_empty() && wide > 0);
}
