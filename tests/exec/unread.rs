//! Commands that print and that nobody reads hold up nobody else.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::support::by_hand::Cell;
use super::support::shared::scratch;
use super::{exec, running};

/// More than the windows of a connection and all queues on the way hold together.
const MUCH: usize = 8 << 20;

#[test]
fn commands_that_nobody_reads_hold_up_neither_their_node_nor_each_other() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "2"]);
    let cli = &cell.cli;
    let job = running(cli, &[]);
    let mut unread = Vec::new();
    for _ in 0..6 {
        let mut command = cli.command(&["exec", &job, "--", "yes"]);
        let mut session = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        // It is under way. What it prints from here on, nobody takes.
        BufReader::new(session.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "y\n");
        unread.push(session);
    }

    let read = exec(cli, &job, b"", &format!("head -c {MUCH} /dev/zero")).ok();
    let line = format!("head -c {MUCH} /dev/zero | base64; echo end");
    let task = cli.submit(&["--", "/bin/sh", "-c", &line]);
    let ended = cli.run(&["wait", &task]);
    let logs = cli.run(&["logs", &task]).ok();

    assert_eq!(read.bytes.len(), MUCH);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(logs.out.ends_with("end\n"), "its last line was brought over the link");
    let node = cli.json(&["nodes"])["nodes"][0].take();
    assert_eq!((&node["phase"], &node["connected"]), (&"up".into(), &true.into()), "{node}");
    for session in &mut unread {
        assert_eq!(session.try_wait().unwrap(), None, "it still waits to be read");
        session.kill().unwrap();
        session.wait().unwrap();
    }
    cli.run(&["cancel", &job]).ok();
    cli.run(&["wait", &job]);
}
