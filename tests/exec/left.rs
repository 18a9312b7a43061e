//! What commands leave behind ends with them, whatever they have done to get away.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use rustix::process::Pid;

use super::support::by_hand::{Cell, has_ended};
use super::support::cli::Cli;
use super::support::shared::scratch;
use super::{can, exec, running};

/// Whether a process that is left heeds SIGTERM.
#[derive(Debug, Clone, Copy)]
enum Left {
    Polite,
    Deaf,
}

/// A line that leaves a process behind, in another session and without a parent of its own, and goes on once that
/// runs; the process is known by how long it sleeps.
fn leaving(left: Left, span: &str) -> String {
    let inner = match left {
        // A shell that waits in `wait` heeds a signal at once.
        Left::Polite => {
            format!("trap \"echo asked > asked; exit\" TERM; sleep {span} & echo > up-{span}; wait")
        }
        Left::Deaf => format!("trap \"\" TERM; echo > up-{span}; exec sleep {span}"),
    };
    format!("(setsid sh -c '{inner}' &); until [ -s up-{span} ]; do sleep 0.02; done")
}

/// A time that nothing else on this machine sleeps for.
fn span(seconds: u32) -> String {
    format!("{seconds}.{}", std::process::id())
}

/// The processes that sleep for so long.
fn sleepers(span: &str) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    let pids = entries.filter_map(|name| name.to_str().and_then(|name| name.parse().ok()));
    let line = format!("sleep\0{span}\0");
    let sleeps = |pid: &i32| {
        let said = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        said == line.as_bytes()
    };
    pids.filter(sleeps).filter_map(Pid::from_raw).collect()
}

/// Waits until so many processes sleep for so long.
pub(super) fn until_asleep(span: &str, count: usize) -> Vec<Pid> {
    // Nothing tells when a process that is not a child has become another program: it is asked.
    loop {
        let found = sleepers(span);
        if found.len() >= count {
            return found;
        }
        std::thread::yield_now();
    }
}

/// Starts a command that leaves somebody behind who is deaf, and then sleeps for as long itself.
fn staying(cli: &Cli, job: &str, span: &str) -> (Child, Vec<Pid>) {
    let line = format!("{}; echo up; exec sleep {span}", leaving(Left::Deaf, span));
    let mut command = cli.command(&["exec", job, "--", "/bin/sh", "-c", &line]);
    let mut session = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(session.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "up\n");
    (session, until_asleep(span, 2))
}

/// Tries it in a task that was submitted like this.
fn try_in(cli: &Cli, arguments: &[&str], base: u32) {
    let job = running(cli, arguments);

    // The command ends.
    for (at, left) in [Left::Polite, Left::Deaf].into_iter().enumerate() {
        let span = span(base + u32::try_from(at).unwrap());
        let line = format!("{}; echo started; exit 4", leaving(left, &span));
        let said = exec(cli, &job, b"", &line);
        assert_eq!((said.code, said.out.as_str()), (4, "started\n"), "{said:?}");
        assert_eq!(sleepers(&span), [], "{left:?} {arguments:?}");
    }
    assert_eq!(exec(cli, &job, b"", "cat asked").ok().out, "asked\n", "it could tidy up");

    // Nobody listens any more.
    let (mut session, asleep) = staying(cli, &job, &span(base + 2));
    session.kill().unwrap();
    session.wait().unwrap();
    assert!(asleep.into_iter().all(has_ended), "{arguments:?}");

    // The task ends.
    let (mut session, asleep) = staying(cli, &job, &span(base + 3));
    cli.run(&["cancel", &job]).ok();
    assert_eq!(session.wait().unwrap().code(), Some(137));
    assert!(asleep.into_iter().all(has_ended), "{arguments:?}");
}

#[test]
fn what_a_command_leaves_behind_ends_with_it_in_a_task_without_a_box_and_without_groups() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "2", "--task-pids", "0"]);

    try_in(&cell.cli, &[], 3600);
}

#[test]
fn what_a_command_leaves_behind_ends_with_it_in_a_boxed_task() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "2"]);
    if !can(&cell.cli, "isolation.boxed") {
        return;
    }

    try_in(&cell.cli, &["--isolation", "boxed"], 3700);
}

#[test]
fn what_a_command_has_started_ends_with_the_agent_even_if_that_is_killed() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "2", "--task-pids", "0"]);
    let job = running(&cell.cli, &[]);
    let (mut session, asleep) = staying(&cell.cli, &job, &span(3800));

    cell.kill_agent();

    assert!(asleep.into_iter().all(has_ended));
    assert_ne!(session.wait().unwrap().code(), Some(0));
    cell.restart_agent("n1");
    assert_eq!(cell.cli.json(&["show", &job])["tasks"]["running"], 1, "the task goes on");
    cell.cli.run(&["cancel", &job]).ok();
    cell.cli.run(&["wait", &job]);
}
