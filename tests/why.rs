//! What `repower why` and `repower plan` say in the situations in which people ask, as golden files
//! that read like a session. `REPOWER_BLESS=1 cargo test --test why` writes them anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use support::by_hand::Cell;
use support::cli::Said;
use support::shared::{file, scratch};

/// The policy that comes with the program, and what these situations need.
const POLICY: &str = include_str!("../scheduler/core/src/policy/default.toml");
const PROJECTS: &str = "\n[project.physics]\nquota-cpus = 2\n";

/// Something that runs until it is cancelled.
const RUN: [&str; 3] = ["--", "sleep", "36000"];

/// A cell, what was typed in it, and what it said.
struct Session {
    cell: Cell,
    told: String,
    jobs: Vec<String>,
    // Behind the cell, which has its files there.
    _folder: tempfile::TempDir,
}

impl Session {
    /// A cell of two nodes: `big` has 8 processors and a label, `small` has 2 and two licences.
    fn start(policy: &str) -> Self {
        let folder = scratch();
        let policy = file(folder.path(), "policy.toml", policy);
        let mut cell = Cell::start(folder.path(), &["--policy", &policy]);
        let amounts = ["--memory", "1GiB", "--disk", "1GiB"];
        cell.add_agent("big", &[&["--cpus", "8", "--label", "gpu=v100"][..], &amounts].concat());
        cell.add_agent("small", &[&["--cpus", "2", "--extra", "licence=2"][..], &amounts].concat());
        Self { cell, told: String::new(), jobs: Vec::new(), _folder: folder }
    }

    /// Types a command, and keeps both sides of what follows.
    fn types(&mut self, words: &[&str]) -> Said {
        let said = self.cell.cli.run(words);
        if ["why", "plan"].contains(&words[0]) {
            let wide = said.out.lines().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None, "wider than a screen: {said:?}");
        }
        let typed: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        self.told.extend(["$ repower ", &typed.join(" "), "\n", &said.out, &said.err]);
        said
    }

    /// Submits a job that runs until it is cancelled; not a part of what is kept.
    #[track_caller]
    fn job(&mut self, options: &[&str]) -> String {
        let usual: &[&str] =
            if options.contains(&"--class") { &[] } else { &["--class", "sci-simulation"] };
        let words = [&["submit", "-q", "--workdir", "fresh"], usual, options, &RUN].concat();
        let job = self.cell.cli.run(&words).ok().out.trim().to_owned();
        let shown = [&["submit"], options, &RUN].concat().join(" ");
        self.told.extend(["$ repower ", &shown, "\n", &job, "\n"]);
        self.jobs.push(job.clone());
        job
    }

    /// Submits a job that is on a node before this returns.
    #[track_caller]
    fn running(&mut self, options: &[&str]) -> String {
        let job = self.job(options);
        self.until(&format!("{job}.0"), "task.on-node");
        job
    }

    /// Asks until a job is where it should be.
    #[track_caller]
    fn until(&self, job: &str, code: &str) {
        let mut found = String::new();
        for _ in 0..1000 {
            found = self.cell.cli.json(&["why", job])["code"].as_str().unwrap().into();
            if found == code {
                return;
            }
        }
        panic!("job {job} does not come to {code}, but is at {found}");
    }

    /// Submits a job, and asks why it waits, which must be for the reason `code`; then compares all
    /// that was told since the last time with the golden file `name`.
    #[track_caller]
    fn waits(&mut self, name: &str, code: &str, options: &[&str]) {
        let job = self.job(options);
        self.asks(name, code, &job);
    }

    /// Asks why a job is where it is.
    #[track_caller]
    fn asks(&mut self, name: &str, code: &str, what: &str) {
        self.until(what, code);
        let said = self.types(&["why", what]).ok();
        assert!(said.out.contains(&format!("[{code}]")), "{said:?}");
        self.matches(name);
    }

    /// Compares what was told since the last time with a golden file, and clears the table.
    #[track_caller]
    fn matches(&mut self, name: &str) {
        golden(name, &masked(&std::mem::take(&mut self.told)));
        for job in std::mem::take(&mut self.jobs) {
            // It may have ended.
            self.cell.cli.run(&["cancel", &job]);
            self.cell.cli.run(&["wait", &job]);
        }
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    if word.contains([' ', '!', '|', '*']) { format!("'{word}'") } else { word.to_owned() }
}

/// A text in which moments and the spans up to them are alike in every run, and as wide.
fn masked(text: &str) -> String {
    let (mut masked, mut ahead) = (String::new(), false);
    for line in text.split_inclusive('\n') {
        if line.starts_with("$ ") {
            masked += line;
            continue;
        }
        for word in line.split_inclusive([' ', '\n']) {
            let moves = is_moment(word) || (is_span(word) && ahead);
            if moves {
                masked += &word.replace(|letter: char| letter.is_ascii_digit(), "#");
            } else {
                masked += word;
            }
            if word.trim().is_empty() {
                // A line goes on behind its indent.
                continue;
            }
            // `in 1h 59m`, `(in 1h59m)`, `below 1h 59m`, `--time-limit 1h59m`.
            let word = word.trim();
            ahead =
                moves && is_span(word) || ["in", "(in", "below", "--time-limit"].contains(&word);
        }
    }
    masked
}

fn is_moment(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let marks = word.matches('-').count() == 2 || word.matches(':').count() == 2;
    marks && (digits == 8 || digits == 6) && word.starts_with(|c: char| c.is_ascii_digit())
}

fn is_span(word: &str) -> bool {
    let word = word.trim().trim_end_matches([')', ',', ':']);
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.ends_with(['d', 'h', 'm', 's'])
        && word.chars().all(|c| c.is_ascii_digit() || "dhms.".contains(c))
}

#[track_caller]
fn golden(name: &str, told: &str) {
    let path = golden_path(name);
    if std::env::var_os("REPOWER_BLESS").is_some() {
        std::fs::write(&path, told).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(known, told, "{}: REPOWER_BLESS=1 writes it anew", path.display());
}

fn golden_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/why/{name}.txt"))
}

fn usual() -> Session {
    Session::start(&format!("{POLICY}{PROJECTS}"))
}

#[test]
fn why_a_job_waits_that_waits_for_no_node() {
    let mut session = usual();

    session.waits("policy.review", "policy.review", &["--class", "hash-heavy"]);

    let first = session.running(&["--name", "prepare"]);
    session.waits("dependency.waiting", "dependency.waiting", &["--after", &first]);

    let first = session.running(&["--name", "prepare", "--array", "0-3"]);
    let then = session.job(&["--array", "0-3", "--after", &format!("{first}:each")]);
    session.asks("dependency.task-waiting", "dependency.task-waiting", &format!("{then}.2"));

    session.waits("time.start-after", "time.start-after", &["--start-after", "+2h"]);

    let sweep = session.running(&["--array", "0-9%2"]);
    session.asks("array.limit", "array.limit", &format!("{sweep}.5"));

    session.running(&["--project", "physics", "--cpus", "2"]);
    session.waits("project.quota", "project.quota", &["--project", "physics"]);

    let running = session.running(&[]);
    session.asks("task.on-node", "task.on-node", &running);

    let job = session.running(&[]);
    session.types(&["cancel", &job]).ok();
    session.cell.cli.run(&["wait", &job]);
    session.asks("job.ended", "job.ended", &job);
}

#[test]
fn why_a_job_waits_that_no_node_could_hold() {
    let mut session = usual();

    session.waits("nodes.label", "nodes.label", &["--label", "gpu=a100"]);

    let rules = ["--label", "gpu=v100", "--label", "!gpu"];
    session.waits("nodes.label.not", "nodes.label", &rules);

    session.types(&["drain", "big", "--reason", "new fans"]).ok();
    session.waits("resources.too-large", "resources.too-large", &["--cpus", "4"]);

    session.types(&["drain", "small", "--reason", "new fans"]).ok();
    session.waits("nodes.none", "nodes.none", &[]);
    session.types(&["resume", "big"]).ok();
    session.types(&["resume", "small"]).ok();
    session.told.clear();

    let reserve = ["reserve", "--nodes", "big,small", "--until", "+2h", "--reason", "a deadline"];
    session.types(&[&reserve[..], &["--project", "vision"]].concat()).ok();
    session.waits("nodes.reserved", "nodes.reserved", &[]);
    session.types(&["unreserve", "1"]).ok();
    session.told.clear();

    let reserve = ["reserve", "--nodes", "big,small", "--from", "+2h", "--until", "+4h"];
    session.types(&[&reserve[..], &["--reason", "new fans"]].concat()).ok();
    session.waits("nodes.reserved.ahead", "nodes.reserved", &["--time-limit", "3h"]);
}

#[test]
fn why_a_job_waits_whose_nodes_are_busy() {
    let mut session = usual();
    let (two, whole) = (["--time-limit", "2h"], ["--cpus", "8", "--time-limit", "2h"]);

    session.running(&whole);
    session.waits("resources.busy", "resources.busy", &["--cpus", "8"]);

    session.running(&whole);
    session.job(&["--name", "first", "--cpus", "8", "--time-limit", "3h"]);
    session.waits("estimate.in-order", "resources.busy", &["--cpus", "8"]);

    session.running(&["--cpus", "8"]);
    session.waits("estimate.unknown-ends", "resources.busy", &["--cpus", "8"]);

    session.running(&[&two[..], &["--extra", "licence=2"]].concat());
    session.waits("resources.busy.extra", "resources.busy", &["--extra", "licence=1"]);

    session.running(&two);
    session.running(&[&two[..], &["--cpus", "7"]].concat());
    session.waits("nodes.occupied", "nodes.occupied", &["--exclusive"]);

    session.running(&[&two[..], &["--extra", "licence=2"]].concat());
    session.running(&[&two[..], &["--cpus", "8"]].concat());
    let ranks = ["--nodes", "2", "--time-limit", "1h"];
    session.waits("gang.waiting", "gang.waiting", &ranks);

    session.running(&[&two[..], &["--cpus", "4"]].concat());
    session.running(&["--cpus", "2", "--extra", "licence=1"]);
    session.job(&["--name", "wide", "--cpus", "8", "--time-limit", "1h"]);
    let long = ["--cpus", "4", "--time-limit", "3h"];
    session.waits("backfill.would-delay", "backfill.would-delay", &long);
}

#[test]
fn why_a_job_waits_that_nothing_may_overtake() {
    let mut session = Session::start(&format!("{POLICY}\n[scheduling]\npolicy = \"fcfs\"\n"));

    session.running(&["--cpus", "4", "--time-limit", "2h"]);
    session.job(&["--name", "wide", "--cpus", "8", "--time-limit", "1h"]);
    session.waits("queue.behind", "queue.behind", &["--cpus", "2"]);
}

#[test]
fn what_would_come_of_a_submission() {
    let mut session = usual();
    let class = ["plan", "--class", "sci-simulation"];
    let asks = |session: &mut Session, options: &[&str]| {
        session.types(&[&class[..], options, &["--", "./train"]].concat())
    };

    asks(&mut session, &["--cpus", "2", "--array", "0-3"]).ok();
    session.matches("plan.starts");

    session.running(&["--cpus", "8", "--time-limit", "2h"]);
    asks(&mut session, &["--cpus", "4"]).ok();
    session.matches("plan.waits");

    asks(&mut session, &["--cpus", "4", "--array", "0-3", "--time-limit", "1h"]).ok();
    session.matches("plan.some");

    asks(&mut session, &["--cpus", "64"]).fails(1, &["[job.task-too-large]"]);
    session.matches("plan.refused");
}
