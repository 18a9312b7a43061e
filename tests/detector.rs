//! What comes of a running task that is not what its job declares, with real processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use repower_artefacts::Hasher;
use serde_json::Value;
use support::by_hand::Cell;
use support::cli::Cli;
use support::examples::stand_in;
use support::shared::scratch;

/// A cell with one agent whose detector looks as fast as it can.
fn cell(folder: &Path, options: &[&str]) -> Cell {
    let mut cell = Cell::start(folder, &[]);
    let usual = ["--cpus", "2", "--label", "site=hall-2", "--label", "meter=3301-77"];
    cell.add_agent("n1", &[&usual, options].concat());
    cell
}

/// A job that declares science and runs what stands in for a miner.
struct Science {
    job: String,
    /// It ends when this is there.
    until: PathBuf,
}

impl Science {
    fn submit(cli: &Cli) -> Self {
        let program = cli.folder.join("simulate");
        fs::copy(stand_in(), &program).unwrap();
        let until = cli.folder.join("enough");
        let (program, enough) = (program.to_str().unwrap(), until.to_str().unwrap());
        let job = ["submit", "--class", "sci-simulation", "--outputs", "result", "-q", "--"];
        let line = [program, "--until", enough, "--result", "result"];
        let job = cli.run(&[&job[..], &line].concat()).ok().out.trim().to_owned();
        Self { job, until }
    }

    fn wait(&self, cli: &Cli) -> i32 {
        cli.run(&["wait", &self.job]).code
    }
}

/// Asks until something is as it must be.
#[track_caller]
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2000 {
        if let Some(found) = ask() {
            return found;
        }
    }
    panic!("{what} never came");
}

/// The finding that calls for this, when it is there.
#[track_caller]
fn found(cli: &Cli, response: &str) -> Value {
    until("a finding", || {
        let all = cli.json(&["findings"])["findings"].take();
        let mut all = all.as_array().unwrap().clone().into_iter();
        all.find(|one| one["response"] == response)
    })
}

/// How the kernel says that a process stands.
fn state(process: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Submits science that is none, and waits until it stands still; its finding, and its process.
#[track_caller]
fn frozen(cli: &Cli) -> (Science, String, String) {
    let science = Science::submit(cli);
    let finding = found(cli, "freeze");
    let number = finding["id"].to_string();
    assert_eq!((&finding["state"], &finding["class"]), (&"open".into(), &"sci-simulation".into()));
    assert_eq!((&finding["site"], &finding["meter"]), (&"hall-2".into(), &"3301-77".into()));
    assert_eq!(finding["verdicts"][0]["rule"], "registers.rounding-modes");
    let evidence = cli.run(&["findings", "evidence", &number]).ok().out;
    assert!(evidence.contains("verdict registers.rounding-modes version 1 tier 1"), "{evidence}");
    let policy = finding["policy_hash"].as_str().unwrap();
    assert!(evidence.contains(&format!("policy {policy}")), "{policy} {evidence}");
    let line = evidence.lines().find(|line| line.contains("simulate")).unwrap();
    let process = line.split(' ').nth(1).unwrap().to_owned();
    until("a task that stands still", || state(&process).filter(|state| "TD".contains(*state)));
    let why = cli.run(&["why", &science.job]).ok().out;
    assert!(why.contains("finding.frozen"), "{why}");
    cli.run(&["fetch", &science.job, "--to", "early"])
        .fails(1, &["finding.outputs-held", &format!("finding {number}")]);
    (science, number, process)
}

#[test]
fn science_that_looks_like_mining_stands_still_and_goes_on_to_its_end_when_that_is_dismissed() {
    let folder = scratch();
    let cell = cell(folder.path(), &["--detector-pace", "50"]);
    let cli = &cell.cli;
    let (science, finding, process) = frozen(cli);

    fs::write(&science.until, "").unwrap();
    assert!(state(&process).is_some(), "what stands still does not see that it has done enough");
    cli.run(&["findings", "dismiss", &finding, "--reason", "interval arithmetic"]).ok();

    assert_eq!(science.wait(cli), 0);
    cli.run(&["fetch", &science.job, "--to", "late"]).ok();
    let result = fs::read_to_string(cli.folder.join("late/result")).unwrap();
    assert!(result.trim().parse::<u64>().unwrap() > 0);
    assert_eq!(cli.json(&["findings", "show", &finding])["state"], "dismissed");
    cli.run(&["ledger", "verify"]).ok();
}

#[test]
fn what_is_confirmed_ends_and_its_program_is_refused_by_every_agent_from_then_on() {
    let folder = scratch();
    let cell = cell(folder.path(), &["--detector-pace", "50"]);
    let cli = &cell.cli;
    let (science, finding, process) = frozen(cli);

    cli.run(&["findings", "confirm", &finding, "--reason", "it is the stand-in"]).ok();

    assert_eq!(science.wait(cli), 77, "{:?}", cli.run(&["show", &science.job]));
    until("the end of its process", || state(&process).is_none().then_some(()));
    let again = Science::submit(cli);
    assert_eq!(again.wait(cli), 77);
    let why = cli.run(&["show", &again.job]).ok().out;
    assert!(why.contains("is in quarantine") && why.contains("it is the stand-in"), "{why}");
    cli.run(&["fetch", &science.job, "--to", "never"]).fails(1, &["finding.outputs-held"]);
}

/// Submits a line for a shell that comes along and is called `program` where the task works.
fn submit_shell(cli: &Cli, line: &str) -> String {
    let shell = cli.folder.join("program");
    fs::copy("/bin/sh", &shell).unwrap();
    let input = ["--input", shell.to_str().unwrap()];
    let words = ["submit", "--class", "sci-simulation", "-q", "--", "./program", "-c", line];
    let (before, command) = words.split_at(3);
    cli.run(&[before, &input, command].concat()).ok().out.trim().to_owned()
}

fn digest(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish().to_string()
}

/// The rules of a finding with their tiers, in order.
fn rules(finding: &Value) -> Vec<(&str, u64)> {
    let verdicts = finding["verdicts"].as_array().unwrap();
    let rule = |one| -> (&str, u64) {
        let one: &Value = one;
        (one["rule"].as_str().unwrap(), one["tier"].as_u64().unwrap())
    };
    let mut rules: Vec<_> = verdicts.iter().map(rule).collect();
    rules.sort_unstable();
    rules
}

#[test]
fn a_job_that_runs_another_program_in_the_place_of_its_input_stands_still_and_honest_ones_do_not() {
    let folder = scratch();
    let cell = cell(folder.path(), &["--detector-pace", "50"]);
    let cli = &cell.cli;
    let honest = "/bin/sleep 3600 & cp program built && ./built -c '/bin/sleep 3600; true' & wait";
    let changed = "cp /bin/sleep fresh && mv fresh program && exec ./program 3600";

    let (honest, changed) = (submit_shell(cli, honest), submit_shell(cli, changed));
    let finding = found(cli, "freeze");

    assert_eq!(finding["job"].to_string(), changed);
    assert_eq!(rules(&finding), [("executable.changed", 1)]);
    let number = finding["id"].to_string();
    let evidence = cli.run(&["findings", "evidence", &number]).ok().out;
    let sleep = digest(&fs::read("/bin/sleep").unwrap());
    let line = evidence.lines().find(|line| line.contains("/program\"")).unwrap();
    assert!(line.ends_with(&format!("sha256 {sleep}")), "{line}");
    let why = cli.run(&["why", &changed]).ok().out;
    assert!(why.contains("finding.frozen"), "{why}");
    cli.run(&["findings", "dismiss", &number, "--reason", "it was built anew"]).ok();
    cli.run(&["cancel", &changed]).ok();
    cli.run(&["cancel", &honest]).ok();
    assert_eq!([&changed, &honest].map(|job| cli.run(&["wait", job]).code), [130, 130]);
    let all = cli.json(&["findings"])["findings"].take();
    assert!(all.as_array().unwrap().iter().all(|one| one["job"] == finding["job"]), "{all}");
}

#[test]
fn two_witnesses_that_have_nothing_in_common_end_a_task_at_once_and_for_good() {
    let folder = scratch();
    let cell = cell(folder.path(), &["--detector-pace", "50"]);
    let cli = &cell.cli;
    // Not what it came as, and known.
    let line =
        "cp /bin/sleep fresh && printf x >> fresh && mv fresh program && exec ./program 3600";
    let known = [&fs::read("/bin/sleep").unwrap()[..], b"x"].concat();
    let digest = digest(&known);
    cli.run(&["quarantine", "--add", &digest, "--reason", "a known miner"]).ok();

    let job = submit_shell(cli, line);

    assert_eq!(cli.run(&["wait", &job]).code, 77, "{:?}", cli.run(&["show", &job]));
    let finding = found(cli, "kill");
    assert_eq!(finding["job"].to_string(), job);
    assert_eq!(rules(&finding), [("content.known-digest", 1), ("executable.changed", 1)]);
    assert_eq!(finding["programs"][0]["sha256"], digest.as_str(), "{finding}");
    let shown = cli.json(&["show", &format!("{job}.0")]);
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 1, "it is not tried again: {shown}");
    let why = cli.run(&["show", &job]).ok().out;
    assert!(why.contains("content.known-digest") && why.contains("executable.changed"), "{why}");
    cli.run(&["ledger", "verify"]).ok();
}

#[test]
fn what_runs_a_deleted_program_loses_its_connection_and_goes_on_with_its_outputs_held() {
    let folder = scratch();
    let cell = cell(folder.path(), &["--detector-pace", "50"]);
    let cli = &cell.cli;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = format!("localhost:{port}");
    if !cli.json(&["node", "n1"])["inventory"]["abilities"]
        .to_string()
        .contains("egress.allow-list")
    {
        drop(writeln!(std::io::stderr(), "SKIPPED: this host lacks egress.allow-list"));
        return;
    }
    // It waits on its connection, and ends when it has neither that nor another one.
    let line = format!(
        "exec 3<>/dev/tcp/localhost/{port} || exit 2; cp /bin/sleep old; ./old 3600 & \
         until [ /proc/$!/exe -ef old ]; do :; done; rm old; cat <&3; echo cut > result; \
         (exec 4<>/dev/tcp/localhost/{port} && cat <&4) || echo again >> result; kill $!"
    );
    let (tell, told) = sync_channel(1);
    std::thread::spawn(move || {
        let heard = listener.accept().and_then(|(mut stream, _)| stream.read(&mut [0]));
        tell.send((heard.map_err(|error| error.kind()), listener)).unwrap();
    });

    let outputs = ["--egress", &place, "--outputs", "result", "--"];
    let job = cli.submit(&[&outputs[..], &["/bin/bash", "-c", &line]].concat());

    let finding = found(cli, "hold");
    assert_eq!(rules(&finding), [("executable.deleted", 2)]);
    let (heard, listener) = told.recv_timeout(Duration::from_mins(1)).unwrap();
    assert_eq!(heard, Err(ErrorKind::ConnectionReset));
    assert_eq!(cli.run(&["wait", &job]).code, 0, "{:?}", cli.run(&["logs", &job]));
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "it came no more");
    let number = finding["id"].to_string();
    let held = ["finding.outputs-held", &format!("finding {number}")];
    cli.run(&["fetch", &job, "--to", "early"]).fails(1, &held);
    cli.run(&["findings", "dismiss", &number, "--reason", "an upgrade"]).ok();
    cli.run(&["fetch", &job, "--to", "late"]).ok();
    let result = fs::read_to_string(cli.folder.join("late/result")).unwrap();
    assert_eq!(result, "cut\nagain\n");
}

#[test]
fn an_agent_says_which_sensors_it_has_and_why_it_lacks_others_and_so_does_the_report() {
    let folder = scratch();
    let mut cell = cell(folder.path(), &[]);
    cell.add_agent("n2", &["--detector", "off"]);
    let cli = &cell.cli;
    let told = |node: &str| cli.json(&["node", node])["inventory"].take();

    let (one, two) = (told("n1"), told("n2"));

    let has = one["abilities"].as_array().unwrap();
    for sensor in ["sensor.connections", "sensor.images", "sensor.registers"] {
        let is_told = has.contains(&sensor.into()) || one["lacks"][sensor].is_string();
        assert!(is_told, "{sensor}: {one}");
        assert_eq!(two["lacks"][sensor], "the agent was started with --detector off");
    }
    let shown = cli.run(&["node", "n2"]).ok().out;
    assert!(
        shown.contains("sensor.registers: the agent was started with --detector off"),
        "{shown}"
    );
    let report = cli.run(&["report", "compliance", "-o", "json"]).ok().json();
    let lines = report["coverage"].as_array().unwrap();
    let off = lines.iter().find(|line| line["name"] == "n2").unwrap();
    assert_eq!(off["sensors"], serde_json::json!([]));
    assert_eq!(off["blind"]["registers"], "the agent was started with --detector off");
}
