//! What tasks write, as people read it: at once, in order, over restarts, and when the node is gone.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use support::by_hand::Cell;
use support::cli::Cli;
use support::gate::Gate;
use support::shared::{Sharing, cluster, scratch};

static CLUSTER: Sharing = Sharing::of(cluster);

/// Far above what a line needs.
const LONGEST: Duration = Duration::from_mins(1);

/// `repower logs -f`, while it goes on.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(cli: &Cli, arguments: &[&str]) -> Self {
        let mut command = cli.command(&[&["logs", "-f"], arguments].concat());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = sync_channel(10_000);
        let out: BufReader<ChildStdout> = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    #[track_caller]
    fn line(&self) -> String {
        self.line_within(LONGEST)
    }

    #[track_caller]
    fn line_within(&self, limit: Duration) -> String {
        self.lines.recv_timeout(limit).unwrap()
    }

    /// All further lines, to its end, which must be a good one.
    #[track_caller]
    fn rest(mut self) -> Vec<String> {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(LONGEST) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end after {rest:?}"),
            }
        }
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn array(cli: &Cli, tasks: &str, line: &str) -> String {
    cli.submit(&["--array", tasks, "--", "/bin/sh", "-c", line])
}

#[test]
fn what_a_task_writes_is_seen_within_a_second_of_the_write() {
    let shared = CLUSTER.get();
    let gate = Gate::new(&shared.cli.folder, "second");
    // The task waits for the gate, so that the time is that of the write and not of the start.
    let line = format!("echo first; {}", gate.then("echo second"));
    let job = shared.cli.submit(&["--", "/bin/sh", "-c", &line]);
    let follower = Follower::start(&shared.cli, &[&job]);
    assert_eq!(follower.line(), "first");

    gate.open();

    // The gate is looked at every 20 ms.
    assert_eq!(follower.line_within(Duration::from_secs(1)), "second");
    assert_eq!(follower.rest(), [""; 0]);
}

#[test]
fn all_tasks_of_an_array_are_followed_at_once_each_line_with_its_task() {
    let shared = CLUSTER.get();
    let gate = Gate::new(&shared.cli.folder, "both");
    let line = format!("echo begin; {}", gate.then("for n in 1 2 3; do echo $n; done"));
    let job = array(&shared.cli, "0-3", &line);
    let follower = Follower::start(&shared.cli, &[&job]);

    // None has ended, and all are seen.
    let mut begun: Vec<_> = (0..4).map(|_| follower.line()).collect();
    begun.sort();
    let expected: Vec<_> = (0..4).map(|task| format!("{job}.{task} | begin")).collect();
    assert_eq!(begun, expected);
    gate.open();

    let rest = follower.rest();
    for task in 0..4 {
        let prefix = format!("{job}.{task} | ");
        let own: Vec<_> = rest.iter().filter_map(|line| line.strip_prefix(&prefix)).collect();
        assert_eq!(own, ["1", "2", "3"], "in order");
    }
    let plain = shared.cli.run(&["logs", &job, "--no-prefix"]).ok().out;
    assert_eq!(plain, "begin\n1\n2\n3\n".repeat(4));
    let one = shared.cli.run(&["logs", &format!("{job}.2"), "--prefix"]).ok().out;
    assert!(one.starts_with(&format!("{job}.2 | begin\n")), "{one}");
}

#[test]
fn the_last_lines_and_everything_from_a_byte_on_are_printed() {
    let shared = CLUSTER.get();
    let said = shared.cli.wait_for(&[], "seq 1 100000; seq 1 3 >&2").ok();
    let job = said.out.trim().to_owned();
    let logs = |options: &[&str]| shared.cli.run(&[&["logs", &job], options].concat()).ok();

    let last = logs(&["-n", "3"]);
    assert_eq!((last.out.as_str(), last.err.as_str()), ("99998\n99999\n100000\n", "1\n2\n3\n"));
    assert_eq!(logs(&["--tail", "1", "--stdout"]).out, "100000\n");
    assert_eq!(logs(&["--tail", "0", "--stdout"]).out, "");
    let whole = logs(&["--stdout"]).out;
    assert_eq!(logs(&["--stdout", "--offset", "588000"]).out, whole[588_000..]);
    assert_eq!(logs(&["--stdout", "--offset", "999999999"]).out, "");
    let both = ["logs", &job, "--tail", "1", "--offset", "1"];
    let said = shared.cli.run(&both);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("'--tail <LINES>' cannot be used with '--offset"), "{said:?}");
}

#[test]
fn following_goes_on_where_it_was_when_scheduler_and_agent_were_apart() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "2"]);
    let (before, apart) = (Gate::new(folder.path(), "before"), Gate::new(folder.path(), "apart"));
    let line = format!(
        "echo one; {}; {}",
        before.then("echo two"),
        apart.then("for n in 1 2 3 4 5; do echo apart $n; done")
    );
    let job = cell.cli.submit(&["--", "/bin/sh", "-c", &line]);
    let follower = Follower::start(&cell.cli, &[&job, "-n", "5"]);
    assert_eq!(follower.line(), "one");
    before.open();
    assert_eq!(follower.line(), "two");

    // What is printed while nobody is there to take it waits with the agent.
    cell.kill_scheduler();
    apart.open();
    cell.start_scheduler(&[]);

    let expected: Vec<_> = (1..=5).map(|n| format!("apart {n}")).collect();
    assert_eq!(follower.rest(), expected, "nothing twice and nothing lost");
}

#[test]
fn what_was_written_is_there_when_the_node_is_gone() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &["--lease", "1s"]);
    cell.add_agent("n1", &["--cpus", "2"]);
    let job = cell.cli.submit(&["--retries", "0", "--", "/bin/sh", "-c", "echo saved; sleep 300"]);
    let follower = Follower::start(&cell.cli, &[&format!("{job}.0#1")]);
    assert_eq!(follower.line(), "saved");

    cell.kill_agent();

    // It is given up with its lease, and with it the attempt.
    assert_eq!(follower.rest(), [""; 0]);
    assert_eq!(cell.cli.run(&["logs", &format!("{job}.0#1")]).ok().out, "saved\n");
    cell.cli.run(&["cancel", &job]).ok();
}

#[test]
fn removed_output_is_said_to_be_removed() {
    let folder = scratch();
    let config = folder.path().join("scheduler.toml");
    std::fs::write(&config, "output-rest-ms = 50\n").unwrap();
    let config = config.to_str().unwrap();
    let options = ["--config", config, "--output-retention", "1s"];
    let mut cell = Cell::start(folder.path(), &options);
    cell.add_agent("n1", &["--cpus", "2"]);
    let job = cell.cli.wait_for(&[], "echo words").ok().out.trim().to_owned();

    // It is there until it is old, and then it is told that it was.
    let end = (0..10_000).find_map(|_| {
        let said = cell.cli.run(&["logs", &job]).ok();
        if said.err.contains("was removed") {
            return Some(said);
        }
        assert_eq!(said.out, "words\n");
        None
    });

    let said = end.expect("it is removed after a second");
    assert_eq!(
        said.err.trim_end(),
        format!(
            "[{job}.0#1: its output was removed: it was old, or there was too much of all jobs]"
        )
    );
    let bad = ["scheduler", "--output-retention", "soon"];
    let said = cell.cli.run(&bad);
    assert!(said.code == 2 && said.err.contains("`soon` is neither an age ("), "{said:?}");
}
