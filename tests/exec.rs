//! Commands in the boxes of running tasks, by pipes and on a terminal, with real processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "exec/cards.rs"]
mod cards;
#[path = "exec/left.rs"]
mod left;
#[path = "support/mod.rs"]
mod support;
#[path = "exec/unread.rs"]
mod unread;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::by_hand::{Cell, has_ended};
use support::cli::{Cli, Said};
use support::program;
use support::pty::{lines, on_terminal};
use support::shared::{Sharing, cluster, scratch};

static CLUSTER: Sharing = Sharing::of(cluster);

/// Submits a task that says `up` and runs until it is ended, and waits until it has said so.
fn running(cli: &Cli, arguments: &[&str]) -> String {
    let line = "MINE=yes; export MINE; echo up; exec sleep 3600";
    let line = ["--", "/bin/sh", "-c", line];
    let job =
        cli.submit(&[&["--workdir", "fresh", "--env", "OWN=variable"], arguments, &line].concat());
    let mut logs = cli.command(&["logs", &job, "-f"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(logs.stdout.take().unwrap()).read_line(&mut said).unwrap();
    logs.kill().unwrap();
    logs.wait().unwrap();
    assert!(said.contains("up"), "{said:?} {:?}", cli.run(&["show", &job]));
    job
}

fn exec(cli: &Cli, job: &str, input: &[u8], line: &str) -> Said {
    cli.run_with(&["exec", job, "--", "/bin/sh", "-c", line], input)
}

fn can(cli: &Cli, ability: &str) -> bool {
    let node = cli.json(&["node", "n1"]);
    let can = node["inventory"]["abilities"].as_array().unwrap().iter().any(|one| one == ability);
    if !can {
        drop(writeln!(std::io::stderr(), "SKIPPED: this machine lacks {ability}"));
    }
    can
}

/// What is in the ledger of commands in the boxes of tasks.
fn entered(cli: &Cli) -> Vec<Value> {
    let said = cli.run(&["ledger", "export", "--readable"]).ok().out;
    let entries = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    entries.filter_map(|entry| entry.get("task_entered").cloned()).collect()
}

#[test]
fn a_command_runs_beside_the_task_with_its_variables_and_by_pipes() {
    let shared = CLUSTER.get();
    let cli = &shared.cli;
    let job = running(cli, &[]);

    let line = "cat; echo $OWN $REPOWER_JOB_ID; basename $PWD; echo err >&2; exit 7";
    let said = exec(cli, &job, b"in\n", line);

    assert_eq!(said.code, 7, "{said:?}");
    assert!(said.out.starts_with(&format!("in\nvariable {job}\n")), "{said:?}");
    assert_eq!(said.err, "err\n");
    let much = exec(cli, &job, &vec![b'x'; 3_000_000], "wc -c; head -c 3000000 /dev/zero").ok();
    assert!(much.bytes.starts_with(b"3000000\n") && much.bytes.len() == 3_000_008);
    assert_eq!(exec(cli, &job, b"", "kill -TERM $$").code, 143);
    cli.run(&["cancel", &job]).ok();
}

#[test]
fn a_command_in_a_boxed_task_sees_what_the_task_sees_as_its_user_and_counts_to_its_limits() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "2"]);
    let cli = &cell.cli;
    if !can(cli, "isolation.boxed") || !can(cli, "limit.pids") || !can(cli, "users") {
        return;
    }
    let job = running(cli, &["--isolation", "sealed", "--pids", "8"]);

    let line = "id -u; cat /proc/1/comm; ls /proc | grep -c '^[0-9]'; ls /sys/class/net 2>/dev/null; \
                echo x > here && cat here; grep -c NoNewPrivs:.1 /proc/self/status; \
                grep -c Seccomp:.2 /proc/self/status";
    let said = exec(cli, &job, b"", line).ok();
    let out: Vec<&str> = said.out.lines().collect();
    assert!(out[0].parse::<u32>().unwrap() >= 200_000, "{said:?}");
    assert!(out[2].parse::<u32>().unwrap() < 8, "it sees only the box: {said:?}");
    assert!(said.out.contains("\nx\n1\n1\n"), "{said:?}");
    let bomb = "for i in 1 2 3 4 5 6 7 8 9; do sleep 20 & done; wait";
    let said = exec(cli, &job, b"", bomb);
    assert_ne!(said.code, 0, "more processes than the task may have: {said:?}");
    cli.run(&["cancel", &job]).ok();
}

#[test]
fn a_command_runs_in_the_container_of_a_task() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "2"]);
    let cli = &cell.cli;
    if !can(cli, "container.podman") {
        return;
    }
    let tag = format!("localhost/repower-exec-{}:1", std::process::id());
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for name in ["sh", "sleep", "id", "cat", "tty"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    let archive = folder.path().join("root.tar");
    let archive = archive.to_str().unwrap();
    Said::by(Command::new("tar").arg("-C").arg(&root).args(["-cf", archive, "."]), b"").ok();
    Said::by(Command::new("podman").args(["import", archive, &tag]), b"").ok();
    let id = ["image", "inspect", "--format", "sha256:{{.Id}}", &tag];
    let id = Said::by(Command::new("podman").args(id), b"").ok().out;

    let job = running(cli, &["--image", id.trim(), "--isolation", "boxed"]);
    let said = exec(cli, &job, b"in\n", "cat; id -u; echo $OWN; cat /.repower-status; exit 6");
    let terminal = on_terminal(cli, 80, &["exec", &job, "--", "/bin/tty"]);
    let span = (100_000 + std::process::id()).to_string();
    let line = format!("exec sleep {span}");
    let mut left = cli.command(&["exec", &job, "--", "/bin/sh", "-c", &line]);
    let mut left = left.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let asleep = left::until_asleep(&span, 1);
    left.kill().unwrap();
    left.wait().unwrap();
    let is_over = asleep.into_iter().all(has_ended);
    cli.run(&["cancel", &job]).ok();
    cli.run(&["wait", &job]);
    drop(cell);
    Said::by(Command::new("podman").args(["image", "rm", "--force", &tag]), b"").ok();

    assert!(is_over, "a command in a container ends with whoever listens");
    assert_eq!(said.code, 6, "{said:?}");
    let out: Vec<&str> = said.out.lines().collect();
    assert_eq!((out[0], out[2]), ("in", "variable"), "{said:?}");
    assert!(out[1].parse::<u32>().unwrap() >= 200_000, "{said:?}");
    assert!(lines(&terminal).iter().any(|line| line.starts_with("/dev/")), "{terminal:?}");
}

#[test]
fn on_a_terminal_the_command_has_one_too_of_the_same_size() {
    let shared = CLUSTER.get();
    let job = running(&shared.cli, &[]);

    let said = on_terminal(
        &shared.cli,
        91,
        &["exec", &job, "--", "/bin/sh", "-c", "tty; stty size; exit 5"],
    );
    let shown = lines(&said);

    assert_eq!(said.code, 5, "{said:?}");
    assert!(shown[0].starts_with("/dev/"), "{shown:?}");
    assert_eq!(shown[1], "24 91");
    shared.cli.run(&["cancel", &job]).ok();
}

#[test]
fn ctrl_c_on_a_terminal_goes_to_the_command_and_not_to_repower() {
    let shared = CLUSTER.get();
    let cli = &shared.cli;
    let job = running(cli, &[]);

    let there = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done";
    let line = format!("exec {} exec {job} -- /bin/sh -c \"{there}\"", program().display());
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.env("REPOWER_PROFILE", &cli.profile).env("TERM", "xterm").stdin(Stdio::piped());
    let mut script = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(script.stdout.take().unwrap()).lines();
    assert!(said.by_ref().any(|line| line.unwrap().contains("ready")));
    script.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    assert!(said.by_ref().any(|line| line.unwrap().contains("caught")));

    assert_eq!(script.wait().unwrap().code(), Some(9));
    cli.run(&["cancel", &job]).ok();
}

#[test]
fn a_session_ends_with_its_task() {
    let shared = CLUSTER.get();
    let cli = &shared.cli;
    let job = running(cli, &[]);
    let mut command = cli.command(&["exec", &job, "--", "/bin/sh", "-c", "echo in; sleep 3600"]);
    let mut session = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(session.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "in");

    cli.run(&["cancel", &job]).ok();

    assert_eq!(session.wait().unwrap().code(), Some(137));
}

#[test]
fn what_cannot_be_entered_is_told_and_who_enters_is_in_the_ledger() {
    let shared = CLUSTER.get();
    let cli = &shared.cli;
    let job = running(cli, &[]);
    let other = cli.run(&["token", "user", "stranger"]).ok().out;
    let profile = shared.folder("stranger").join("client.toml");
    std::fs::write(&profile, other).unwrap();
    let stranger = Cli::new(Path::new(&profile), &cli.folder);
    let ended = cli.submit(&["--", "true"]);
    cli.run(&["wait", &ended]).ok();
    let waits = cli.submit(&["--start-after", "+1h", "--", "true"]);

    exec(&stranger, &job, b"", "true").fails(4, &["is admin's, and stranger is no operator"]);
    let json = cli.run(&["exec", &job, "--json", "--", "true"]);
    assert!(json.code != 0 && json.err.contains("has no form in JSON"), "{json:?}");
    exec(cli, &ended, b"", "true").fails(1, &["has ended"]);
    exec(cli, &waits, b"", "true").fails(1, &["does not run now"]);
    exec(cli, "999999", b"", "true").fails(1, &["999999"]);
    let missing = cli.run(&["exec", &job, "--", "no-such-program"]);
    assert_eq!(missing.code, 126, "{missing:?}");
    assert!(missing.err.contains("cannot start no-such-program"), "{missing:?}");
    exec(cli, &job, b"", "echo seen").ok();

    let facts = entered(cli);
    let mine = facts.iter().filter(|fact| fact["job"].to_string().contains(&job));
    let commands: Vec<String> = mine.map(|fact| fact["command"].to_string()).collect();
    assert_eq!(commands.len(), 2, "{facts:?}");
    assert!(commands[1].contains("echo seen"), "{commands:?}");
    assert!(facts.iter().all(|fact| fact["by"] == "admin"), "{facts:?}");
    for job in [&job, &waits] {
        cli.run(&["cancel", job]).ok();
    }
}

#[test]
fn a_command_that_prints_before_it_reads_gets_all_of_its_input() {
    const MUCH: usize = 24 << 20;
    let shared = CLUSTER.get();
    let job = running(&shared.cli, &[]);

    let folder = shared.folder("much");
    std::fs::write(folder.join("in"), vec![b'x'; MUCH]).unwrap();
    let there = format!("head -c {MUCH} /dev/zero; wc -c");
    let line = format!("{} exec {job} -- /bin/sh -c '{there}' < in > out", program().display());
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &line]).current_dir(&folder).env("REPOWER_PROFILE", &shared.cli.profile);
    Said::by(&mut command, b"").ok();

    let out = std::fs::read(folder.join("out")).unwrap();
    assert!(out.len() > MUCH && out.ends_with(format!("\0{MUCH}\n").as_bytes()), "{}", out.len());
    shared.cli.run(&["cancel", &job]).ok();
}

#[test]
fn a_command_ends_though_it_leaves_something_in_the_background_that_holds_its_output() {
    let shared = CLUSTER.get();
    let cli = &shared.cli;
    let job = running(cli, &[]);
    let go = shared.folder("background").join("go");

    let wait = format!("until [ -e {} ]; do sleep 0.05; done", go.display());
    let piped = exec(cli, &job, b"", &format!("({wait}) & echo started; exit 4"));
    let line = format!("trap '' HUP; ({wait}) & echo started; exit 5");
    let shown = on_terminal(cli, 80, &["exec", &job, "--", "/bin/sh", "-c", &line]);
    std::fs::write(go, "").unwrap();

    assert_eq!((piped.code, piped.out.as_str()), (4, "started\n"), "{piped:?}");
    assert_eq!(shown.code, 5, "{shown:?}");
    assert_eq!(lines(&shown), ["started"]);
    cli.run(&["cancel", &job]).ok();
}

#[test]
fn who_reads_no_more_ends_the_command_without_a_word() {
    let shared = CLUSTER.get();
    let cli = &shared.cli;
    let job = running(cli, &[]);
    let mut command = cli.command(&["exec", &job, "--", "yes"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut session = command.spawn().unwrap();
    let mut first = String::new();

    BufReader::new(session.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let said = session.wait_with_output().unwrap();

    assert_eq!(first, "y\n");
    assert_eq!((said.status.code(), said.stderr.as_slice()), (Some(0), &b""[..]), "{said:?}");
    cli.run(&["cancel", &job]).ok();
}

#[test]
fn a_session_that_the_scheduler_leaves_ends_and_says_that_it_is_over() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "2"]);
    let job = running(&cell.cli, &[]);
    let mut command =
        cell.cli.command(&["exec", &job, "--", "/bin/sh", "-c", "echo in; sleep 3600"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut session = command.spawn().unwrap();
    let mut said = BufReader::new(session.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "in");

    cell.kill_scheduler();
    let ended = session.wait_with_output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    cell.start_scheduler(&[]);
    cell.cli.run(&["cancel", &job]).ok();
    cell.cli.run(&["wait", &job]);

    assert_eq!(ended.status.code(), Some(3), "{told}");
    assert!(told.starts_with("error: the scheduler went away: the command has ended"), "{told}");
}
