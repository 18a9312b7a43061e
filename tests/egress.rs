//! A task reaches the places that its job or its class names, and nothing else.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::io::Write as _;
use std::net::TcpListener;

use repower_core::policy::DEFAULT;
use support::by_hand::Cell;
use support::shared::{file, scratch};

/// Says a word to everybody who comes; returns at which port of this machine.
fn speaker(word: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            drop(stream.write_all(word.as_bytes()));
        }
    });
    port
}

/// Bash that says what it hears at two ports.
fn hear(host: &str, ports: [u16; 2]) -> String {
    ports
        .map(|port| format!("(exec 3<>/dev/tcp/{host}/{port} && cat <&3 || echo nothing)"))
        .join(";")
}

#[test]
fn a_task_reaches_what_its_job_or_its_class_names_and_a_job_that_asks_for_more_is_refused() {
    let folder = scratch();
    let (listed, other) = (speaker("listed\n"), speaker("other\n"));
    let place = format!("localhost:{listed}");
    let class = format!("[class.fetching]\ntier = \"permitted\"\negress = [\"{place}\"]\n");
    let policy = file(folder.path(), "policy.toml", format!("{DEFAULT}\n{class}"));
    let mut cell = Cell::start(folder.path(), &["--policy", &policy]);
    cell.add_agent("n1", &["--cpus", "2"]);
    let abilities = cell.cli.json(&["node", "n1"]).to_string();
    if !abilities.contains("egress.allow-list") {
        let job = cell.cli.submit(&["--egress", &place, "--", "true"]);
        let why = cell.cli.json(&["why", &job]);
        assert_eq!(why["code"], "nodes.abilities", "{why}");
        drop(writeln!(std::io::stderr(), "SKIPPED: this host lacks egress.allow-list"));
        return;
    }

    let line = hear("localhost", [listed, other]);
    let by_job = cell.cli.submit(&["--egress", &place, "--", "/bin/bash", "-c", &line]);
    let of_class = ["submit", "--class", "fetching", "-q", "--workdir", "fresh", "--"];
    let of_class = cell.cli.run(&[&of_class[..], &["/bin/bash", "-c", &line]].concat()).ok();

    for job in [by_job.as_str(), of_class.out.trim()] {
        let ended = cell.cli.run(&["wait", job]);
        assert_eq!(ended.code, 0, "{:?}", cell.cli.run(&["show", job]));
        assert_eq!(cell.cli.run(&["logs", job, "--stdout"]).ok().out, "listed\nnothing\n");
        let shown = cell.cli.json(&["show", job]);
        assert_eq!(shown["spec"]["isolation"], "boxed", "{shown}");
        assert_eq!(shown["spec"]["egress"], place.as_str(), "{shown}");
    }
    for more in [format!("localhost:{other}"), "open".to_owned()] {
        let submit = ["submit", "--class", "fetching", "--egress", &more, "--", "true"];
        cell.cli.run(&submit).fails(1, &["egress", "fetching"]);
    }
}
