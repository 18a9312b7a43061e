//! Files that go along with jobs and come back, with real processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use support::by_hand::Cell;
use support::bytes::{noise, sha256};
use support::cli::{Cli, Said};
use support::line::Line;
use support::shared::{Sharing, cluster, file, scratch};
use support::web::Web;

static CLUSTER: Sharing = Sharing::of(cluster);

/// Submits a line of shell with these further arguments, and returns the number of the job once it has ended.
fn ran(cli: &Cli, arguments: &[&str], line: &str, code: i32) -> String {
    let job = submitted(cli, arguments, line);
    assert_eq!(cli.run(&["wait", &job]).code, code, "{:?}", cli.run(&["show", &job]));
    job
}

fn submitted(cli: &Cli, arguments: &[&str], line: &str) -> String {
    cli.submit(&[arguments, &["--", "/bin/sh", "-c", line]].concat())
}

/// Waits until there are so many bytes below a folder.
fn wait_for_bytes(folder: &Path, bytes: u64) {
    for _ in 0..3_000_000 {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let found: u64 =
            entries.filter_map(|entry| entry.metadata().ok()).map(|one| one.len()).sum();
        if found >= bytes {
            return;
        }
        std::thread::yield_now();
    }
    panic!("{} never has {bytes} bytes", folder.display());
}

/// The files of a store, with what tells one writing of them from another.
fn objects(data: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for shard in fs::read_dir(data.join("artefacts/objects")).unwrap() {
        for entry in fs::read_dir(shard.unwrap().path()).unwrap() {
            let entry = entry.unwrap();
            found.push((entry.path(), entry.metadata().unwrap().ino()));
        }
    }
    found.sort();
    found
}

#[test]
fn files_folders_and_addresses_go_along_and_outputs_come_back_with_their_digests() {
    let shared = CLUSTER.get();
    let (cli, folder) = (&shared.cli, shared.folder("along"));
    let plain = file(&folder, "plain.txt", "plain\n");
    fs::create_dir_all(folder.join("tree/deep")).unwrap();
    file(&folder.join("tree"), "deep/leaf", "leaf\n");
    symlink("deep/leaf", folder.join("tree/link")).unwrap();
    let web = Web::serve(noise(100_000, 7), 100_000);
    let address = format!("{}#sha256={}:in/file", web.url, sha256(&noise(100_000, 7)));
    let tree = folder.join("tree");

    let inputs = ["--input", &plain, "--input", tree.to_str().unwrap(), "--input", &address];
    let outputs = ["--outputs", "out", "--outputs", "*.sum"];
    let line = "mkdir out && cat plain.txt tree/link > out/joined && sha256sum < in/file > web.sum";
    let job = ran(cli, &[&inputs[..], &outputs].concat(), line, 0);
    let to = folder.join("back");
    let fetched = cli.json(&["fetch", &job, "--to", to.to_str().unwrap()]);
    let shown = cli.json(&["show", &job]);

    assert_eq!(fs::read_to_string(to.join("out/joined")).unwrap(), "plain\nleaf\n");
    let sum = fs::read_to_string(to.join("web.sum")).unwrap();
    assert!(sum.starts_with(&sha256(&noise(100_000, 7))), "{sum}");
    assert_eq!(fetched["files"][0]["sha256"], sha256(b"plain\nleaf\n"));
    assert_eq!(fetched["missing"].as_array().unwrap().len(), 0);
    assert_eq!(shown["outputs"][0]["files"][0]["path"], "out/joined");
    assert_eq!(shown["spec"]["inputs"][0]["sha256"], sha256(b"plain\n"));
    assert_eq!(shown["spec"]["inputs"][1]["unpack"], true);
}

#[test]
fn the_same_content_is_sent_and_kept_once() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    let name = file(folder.path(), "data", noise(300_000, 3));
    let other = file(folder.path(), "other", noise(300_000, 3));

    submitted(&cell.cli, &["--input", &name], "true");
    let first = objects(&cell.data());
    cell.kill_scheduler();
    cell.start_scheduler(&[]);
    submitted(&cell.cli, &["--input", &other], "true");

    assert_eq!(first.len(), 1);
    assert_eq!(objects(&cell.data()), first, "it was not written again");
}

#[test]
fn outputs_come_back_after_the_ends_that_were_asked_for() {
    let shared = CLUSTER.get();
    let (cli, folder) = (&shared.cli, shared.folder("ends"));
    let fetch = |job: &str| {
        let to = folder.join(job);
        cli.run(&["fetch", job, "--to", to.to_str().unwrap(), "-q"])
    };

    let failed = ran(cli, &["--outputs", "log"], "echo why > log; exit 7", 7);
    let success = ["--outputs", "log", "--keep-outputs", "success"];
    let unwanted = ran(cli, &success, "echo why > log; exit 7", 7);

    assert!(fetch(&failed).ok().out.ends_with("/log\n"));
    assert_eq!(fs::read_to_string(folder.join(&failed).join("log")).unwrap(), "why\n");
    fetch(&unwanted).fails(1, &["has brought nothing back"]);
}

#[test]
fn what_matches_nothing_or_leads_out_is_said_and_does_not_come_back() {
    let shared = CLUSTER.get();
    let (cli, folder) = (&shared.cli, shared.folder("out"));

    let outputs = ["--outputs", "*.png", "--outputs", "leak", "--outputs", "fine"];
    let line = "ln -s /etc/hostname leak; ln -s kept fine; echo ok > kept";
    let job = ran(cli, &outputs, line, 0);
    let shown = cli.json(&["show", &job]);
    let said = cli.run(&["show", &job]).ok();
    cli.run(&["fetch", &job, "--to", folder.join("to").to_str().unwrap()]).ok();

    let missing = &shown["outputs"][0]["missing"];
    let leak = "leak: a symbolic link that leads out of the folder, or nowhere";
    assert_eq!(*missing, serde_json::json!(["*.png", leak]));
    assert!(said.err.contains(&format!("not brought back of {job}.0: *.png")), "{said:?}");
    assert_eq!(fs::read_to_string(folder.join("to/fine")).unwrap(), "ok\n");
    assert!(!folder.join("to/leak").exists());
    let submit = ["submit", "--class", "software-build"];
    let refused = |words: &[&str]| cli.run(&[&submit, words, &["--", "true"]].concat());
    for words in [["--outputs", "../x"], ["--input", "/etc/hostname:../x"]] {
        let said = refused(&words);
        assert!(said.code == 2 && said.err.contains("has `..` in it"), "{said:?}");
    }
    refused(&["--input", "/nothing/there"]).fails(2, &["cannot read the input"]);
}

#[test]
fn an_input_that_is_not_what_it_should_be_starts_nothing_and_says_so() {
    let shared = CLUSTER.get();
    let web = Web::serve(b"other bytes".to_vec(), 11);
    let address = format!("{}#sha256={}:x", web.url, sha256(b"these bytes"));
    let hosts = "file:///etc/hostname";

    let wrong = ran(&shared.cli, &["--input", &address], "true", 126);
    let secret = ran(&shared.cli, &["--input", hosts], "true", 126);

    let detail = |job: &str| {
        let shown = shared.cli.json(&["show", job, "-n", "10"]);
        shown["attempts"].as_array().unwrap().last().unwrap()["outcome"]["detail"].to_string()
    };
    assert!(detail(&wrong).contains(&sha256(b"these bytes")), "{}", detail(&wrong));
    assert!(detail(&secret).contains("no --share of the agent"), "{}", detail(&secret));
}

#[test]
fn a_download_from_elsewhere_goes_on_where_it_broke_off() {
    let shared = CLUSTER.get();
    let bytes = noise(3_000_000, 11);
    let web = Web::serve(bytes.clone(), 1_000_000);

    let input = format!("{}:data", web.url);
    let line = format!("sha256sum data | grep -q {}", sha256(&bytes));
    ran(&shared.cli, &["--input", &input], &line, 0);

    assert_eq!(web.asked(), 2);
}

/// The bytes of the one file that is on its way into a folder.
fn arrived(folder: &Path) -> u64 {
    let mut all = fs::read_dir(folder).unwrap();
    let one = all.next().unwrap().unwrap().metadata().unwrap().len();
    assert!(all.next().is_none(), "there is another one");
    one
}

/// Asserts that what was carried is the rest of a file, and not all of it once more.
fn is_the_rest(carried: u64, bytes: &[u8], before: u64) {
    let rest = bytes.len() as u64 - before;
    // What is said besides, and what protects it, is far less than a quarter of what was there before.
    let most = rest + before / 4;
    assert!((rest..most).contains(&carried), "{carried} bytes for the last {rest}");
}

#[test]
fn an_agent_that_is_killed_while_inputs_come_goes_on_where_it_was() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    let line = Line::to(cell.address());
    let options = [
        "--cpus",
        "1",
        "--transfer-rate",
        "1M",
        "--scheduler",
        &format!("https://{}", line.address),
    ];
    cell.add_agent("n1", &options);
    let bytes = noise(6 << 20, 5);
    let name = file(folder.path(), "data", &bytes);

    let check = format!("sha256sum data | grep -q {}", sha256(&bytes));
    let job = submitted(&cell.cli, &["--input", &name], &check);
    let incoming = folder.path().join("n1/cache/incoming");
    wait_for_bytes(&incoming, 2 << 20);
    cell.kill_agent();
    let before = arrived(&incoming);
    line.count_anew();
    cell.restart_agent_with("n1", &options);

    assert_eq!(cell.cli.run(&["wait", &job]).code, 0, "{:?}", cell.cli.run(&["show", &job]));
    is_the_rest(line.down(), &bytes, before);
}

#[test]
fn a_scheduler_that_is_killed_while_outputs_come_gets_the_rest_when_it_is_back() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    let line = Line::to(cell.address());
    let by_line = format!("https://{}", line.address);
    cell.add_agent("n1", &["--cpus", "1", "--transfer-rate", "1M", "--scheduler", &by_line]);
    let name = file(folder.path(), "data", noise(6 << 20, 9));

    let job =
        submitted(&cell.cli, &["--input", &name, "--outputs", "copy"], "tr a b < data > copy");
    let incoming = cell.data().join("artefacts/incoming");
    wait_for_bytes(&incoming, 2 << 20);
    cell.kill_scheduler();
    let before = arrived(&incoming);
    line.count_anew();
    cell.start_scheduler(&[]);
    let ended = cell.cli.run(&["wait", &job]);
    let to = folder.path().join("back");
    let fetched = cell.cli.json(&["fetch", &job, "--to", to.to_str().unwrap()]);

    assert_eq!(ended.code, 0, "{ended:?}");
    let mut wanted = noise(6 << 20, 9);
    wanted.iter_mut().filter(|byte| **byte == b'a').for_each(|byte| *byte = b'b');
    is_the_rest(line.up(), &wanted, before);
    assert_eq!(fetched["files"][0]["sha256"], sha256(&wanted));
    assert!(fs::read(to.join("copy")).unwrap() == wanted, "the bytes are those that were written");
}

#[test]
fn a_submission_that_broke_off_is_gone_on_with_by_the_next_one() {
    let folder = scratch();
    let cell = Cell::start(folder.path(), &[]);
    let line = Line::to(cell.address());
    let profile = fs::read_to_string(&cell.cli.profile).unwrap();
    let profile = profile.replace(&cell.url, &format!("https://{}", line.address));
    let cli = Cli::new(Path::new(&file(folder.path(), "by-line.toml", profile)), folder.path());
    let bytes = noise(6 << 20, 13);
    let name = file(folder.path(), "data", &bytes);
    let words = ["submit", "--class", "software-build", "-q", "--input", &name, "--", "true"];

    line.gone_after(4 << 20);
    let mut first = cli.command(&words).stderr(std::process::Stdio::null()).spawn().unwrap();
    wait_for_bytes(&cell.data().join("artefacts/incoming"), 2 << 20);
    while line.cuts() == 0 {
        std::thread::yield_now();
    }
    // It would go on by itself as soon as it could.
    first.kill().unwrap();
    first.wait().unwrap();
    until_no_longer_growing(&cell);
    let before = arrived(&cell.data().join("artefacts/incoming"));
    line.heal();
    line.count_anew();
    cli.run(&words).ok();

    is_the_rest(line.up(), &bytes, before);
    assert_eq!(objects(&cell.data()).len(), 1);
}

/// Waits until the scheduler knows that what was on its way has broken off.
fn until_no_longer_growing(cell: &Cell) {
    let length = || arrived(&cell.data().join("artefacts/incoming"));
    let mut last = length();
    loop {
        // A question takes a while, and goes through the scheduler.
        cell.cli.run(&["jobs"]).ok();
        let now = length();
        if now == last {
            return;
        }
        last = now;
    }
}

#[test]
fn a_file_of_the_node_is_an_input_if_the_agent_shares_its_folder_and_no_other_one_is() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    let (shared, own) = (folder.path().join("shared"), folder.path().join("own"));
    fs::create_dir_all(shared.join("deep")).unwrap();
    fs::create_dir(&own).unwrap();
    let bytes = noise(300_000, 17);
    let inside = file(&shared, "deep/data", &bytes);
    let outside = file(&own, "secret", "secret");
    symlink(&outside, shared.join("leak")).unwrap();
    symlink(&inside, own.join("way-in")).unwrap();
    let tar = Said::by(
        Command::new("tar")
            .args(["-C", shared.to_str().unwrap(), "-cf"])
            .args([own.join("../shared/deep.tar").to_str().unwrap(), "deep"]),
        b"",
    );
    tar.ok();
    cell.add_agent("n1", &["--cpus", "1", "--share", shared.to_str().unwrap()]);

    let (shared, own) = (shared.display(), own.display());
    let sure = format!("file://{inside}#sha256={}:sure", sha256(&bytes));
    let through = format!("file://{own}/way-in:through");
    let packed = format!("file://{shared}/deep.tar:tree/");
    let inputs = ["--input", &sure, "--input", &through, "--input", &packed, "--outputs", "sum"];
    let line = "cat sure through tree/deep/data | sha256sum > sum; echo changed > sure";
    let job = ran(&cell.cli, &inputs, line, 0);
    let to = folder.path().join("back");
    cell.cli.run(&["fetch", &job, "--to", to.to_str().unwrap()]).ok();

    let sum = fs::read_to_string(to.join("sum")).unwrap();
    assert!(sum.starts_with(&sha256(&bytes.repeat(3))), "{sum}");
    assert!(fs::read(&inside).unwrap() == bytes, "what a task writes changes nothing there");
    for (path, why) in [
        (format!("{shared}/leak"), "no --share of the agent"),
        (format!("{shared}/../own/secret"), "no --share of the agent"),
        (format!("{shared}/deep"), "not a regular file"),
        (format!("{shared}/nothing"), "No such file"),
    ] {
        let input = format!("file://{path}:x");
        let asked = ["--input", &input, "--system-retries", "0"];
        let refused = submitted(&cell.cli, &asked, "true");
        assert_ne!(cell.cli.run(&["wait", &refused]).code, 0);
        let detail = cell.cli.why_not_started(&refused);
        assert!(detail.contains(why), "{path}: {detail}");
    }
}

#[test]
fn a_fetch_replaces_nothing_unasked_and_takes_what_is_there() {
    let shared = CLUSTER.get();
    let (cli, folder) = (&shared.cli, shared.folder("again"));
    let job = ran(cli, &["--array", "0-1", "--outputs", "x"], "echo $REPOWER_TASK_INDEX > x", 0);
    let to = folder.join("to");
    let fetch =
        |more: &[&str]| cli.run(&[&["fetch", &job, "--to", to.to_str().unwrap()], more].concat());

    fetch(&[]).ok();
    fs::write(to.join("1/x"), "mine").unwrap();
    fetch(&[]).fails(1, &["1/x is there already, and is different", "--force"]);
    let kept = fs::read_to_string(to.join("1/x")).unwrap();
    let forced = fetch(&["--force"]).ok();

    assert_eq!(kept, "mine");
    assert!(forced.out.contains("1 there already"), "{forced:?}");
    assert_eq!(fs::read_to_string(to.join("1/x")).unwrap(), "1\n");
    let one = folder.join("one");
    cli.run(&["fetch", &format!("{job}.0"), "--to", one.to_str().unwrap()]).ok();
    assert_eq!(fs::read_to_string(one.join("x")).unwrap(), "0\n");
}

#[test]
fn a_script_and_a_job_file_may_bring_files_too() {
    let shared = CLUSTER.get();
    let folder = shared.folder("written");
    file(&folder, "data", "data\n");
    let script =
        "#!/bin/sh\n#REPOWER --class software-build --input data:in --outputs out\ncat in > out\n";
    file(&folder, "run.sh", script);
    let text = "class = \"software-build\"\ncommand = [\"cp\", \"in\", \"out\"]\ninput = \"data:in\"\noutputs = \"out\"\n";
    let toml = file(&folder, "job.toml", text);
    let here = Cli::new(&shared.cli.profile, &folder);

    let by_script = here.run(&["submit", "-q", "run.sh"]).ok().out.trim().to_owned();
    let by_file = shared.cli.run(&["submit", "-q", &toml]).ok().out.trim().to_owned();

    for job in [by_script, by_file] {
        assert_eq!(here.run(&["wait", &job]).code, 0, "{:?}", here.run(&["show", &job]));
        here.run(&["fetch", &job, "--to", &job]).ok();
        assert_eq!(fs::read_to_string(folder.join(job).join("out")).unwrap(), "data\n");
    }
}

#[test]
fn an_input_comes_by_https_if_the_agent_trusts_who_vouches_for_its_server_and_else_not() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    let (web, authority) = Web::serve_tls(noise(50_000, 9));
    let authority = PathBuf::from(file(folder.path(), "authority.pem", authority));
    cell.add_agent("n1", &["--cpus", "1", "--label", "trusts=others"]);
    let trusts = ("SSL_CERT_FILE", authority.as_path());
    cell.add_agent_with("n2", &[trusts], &["--cpus", "1", "--label", "trusts=it"]);
    let input = format!("{}:in", web.url);

    let on_n2 = ["--input", &input, "--label", "trusts=it"];
    let line = format!("sha256sum < in | grep -q {}", sha256(&noise(50_000, 9)));
    ran(&cell.cli, &on_n2, &line, 0);
    let asked = web.asked();
    let on_n1 = ["--input", &input, "--label", "trusts=others", "--system-retries", "0"];
    let refused = submitted(&cell.cli, &on_n1, "true");

    assert_ne!(cell.cli.run(&["wait", &refused]).code, 0);
    let detail = cell.cli.why_not_started(&refused);
    assert!(detail.contains("the input \"in\" cannot be had"), "{detail}");
    assert!(detail.contains("certificate"), "{detail}");
    assert_eq!((asked, web.asked()), (1, 1), "nothing is asked of a server that is not trusted");
}

#[test]
fn a_boxed_task_reads_and_changes_its_inputs_though_it_is_another_user() {
    let shared = CLUSTER.get();
    let (cli, folder) = (&shared.cli, shared.folder("boxed"));
    let node = cli.json(&["node", "n1"]).to_string();
    if !node.contains("isolation.boxed") || !node.contains("\"users\"") {
        drop(writeln!(std::io::stderr(), "SKIPPED: this machine lacks isolation.boxed or users"));
        return;
    }
    let plain = file(&folder, "plain.txt", "plain\n");
    fs::set_permissions(&plain, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::create_dir_all(folder.join("tree/deep")).unwrap();
    file(&folder.join("tree"), "deep/leaf", "leaf\n");
    let tool = file(&folder, "tool", "#!/bin/sh\nid -u\n");
    fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let tree = folder.join("tree");

    let boxed =
        ["--isolation", "boxed", "--project", "blue", "--outputs", "all", "--input", &plain];
    let more = ["--input", tree.to_str().unwrap(), "--input", &tool];
    let line = "./tool > all && echo more >> plain.txt && echo twig > tree/deep/twig && \
                stat -c %u plain.txt tree/deep/leaf . >> all && cat plain.txt tree/deep/* >> all";
    let job = ran(cli, &[&boxed[..], &more].concat(), line, 0);
    let to = folder.join("back");
    cli.run(&["fetch", &job, "--to", to.to_str().unwrap()]).ok();

    let all = fs::read_to_string(to.join("all")).unwrap();
    let lines: Vec<&str> = all.lines().collect();
    assert!(lines[0].parse::<u32>().unwrap() >= 200_000, "{all}");
    assert!(lines[1..4].iter().all(|owner| *owner == lines[0]), "they are its own: {all}");
    assert_eq!(lines[4..], ["plain", "more", "leaf", "twig"]);
}
