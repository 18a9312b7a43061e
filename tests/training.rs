//! A training job in Python, as a plain task and in a container, with real processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use repower_artefacts::Hasher;
use support::by_hand::Cell;
use support::cli::{Cli, Said};
use support::shared::{file, scratch};

/// A file of this repository.
fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// An image that is removed when this is dropped.
struct Image {
    tag: String,
    /// With its digest.
    name: String,
    id: String,
}

impl Image {
    /// Of a Python environment.
    fn of(environment: &Path) -> Self {
        let name = format!("localhost/repower-training-{}", std::process::id());
        let mut command = Command::new(own("examples/training/image"));
        let said = Said::by(command.arg(environment).arg(&name), b"").ok();
        let mut lines = said.out.lines();
        let (digest, id) = (lines.next().unwrap().to_owned(), lines.next().unwrap().to_owned());
        Self { tag: format!("{name}:latest"), name: digest, id }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        Said::by(Command::new("podman").args(["image", "rm", "--force", &self.tag]), b"");
    }
}

/// Whether this machine's agents can have containers; says so if not.
fn can_contain(cli: &Cli) -> bool {
    let node = cli.json(&["node", "n1"]);
    let abilities = node["inventory"]["abilities"].as_array().cloned().unwrap_or_default();
    let can = abilities.iter().any(|name| name == "container");
    if !can {
        drop(writeln!(
            std::io::stderr(),
            "SKIPPED: agents of this machine cannot have containers (`repower node` lists {abilities:?})"
        ));
    }
    can
}

/// The Python environment with scikit-learn, which `tests/run` makes.
fn environment() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let path = MADE.get_or_init(|| own("target/training")).clone();
    assert!(
        path.join("bin/python").exists(),
        "the Python environment of the training test is not there: run tests/run, or examples/training/environment"
    );
    path
}

fn sha256(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish().to_string()
}

/// Trains with these further arguments, and returns the number of the job.
fn train(cli: &Cli, arguments: &[&str], python: &str) -> String {
    let (program, data) =
        (own("examples/training/train.py"), own("examples/digits/data/optdigits.tra.csv.gz"));
    let data = format!("{}:digits.csv.gz", data.display());
    let files = ["--input", program.to_str().unwrap(), "--input", &data, "--outputs", "model"];
    let run = ["--", python, "train.py", "digits.csv.gz"];
    let job = cli.submit(&[&files[..], arguments, &run].concat());
    let said = cli.run(&["wait", &job]);
    assert_eq!(said.code, 0, "{said:?} {:?}", cli.run(&["logs", &job]));
    job
}

#[test]
fn a_training_gives_the_same_in_a_container_and_as_a_plain_task() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "2"]);
    if !can_contain(&cell.cli) {
        return;
    }
    let (cli, environment) = (&cell.cli, environment());
    let python = environment.join("bin/python");
    let python = python.to_str().unwrap();
    let image = Image::of(&environment);

    let plain = train(cli, &[], python);
    let memory = ["--memory", "1GiB"];
    let contained =
        [&["--image", image.name.as_str(), "--isolation", "boxed"], &memory[..]].concat();
    let contained = train(cli, &contained, python);

    let mut shown = Vec::new();
    for job in [&plain, &contained] {
        let to = folder.path().join(format!("back-{job}"));
        cli.run(&["fetch", job, "--to", to.to_str().unwrap()]).ok();
        let weights = std::fs::read(to.join("model/weights.npz")).unwrap();
        let report = std::fs::read_to_string(to.join("model/report.json")).unwrap();
        let show = cli.json(&["show", job]);
        let files = show["outputs"][0]["files"].as_array().unwrap().clone();
        assert_eq!(files[1]["path"], "model/weights.npz");
        assert_eq!(files[1]["sha256"], sha256(&weights));
        let said = cli.run(&["logs", job, "--no-prefix"]).ok().out;
        shown.push((report, weights, files, show["spec"]["inputs"].clone(), said));
    }
    assert!(shown[0].4.contains("right on 9"), "{}", shown[0].4);
    assert!(shown[0] == shown[1], "{:?}\n{:?}", shown[0].0, shown[1].0);
    let show = cli.json(&["show", &contained]);
    assert_eq!(show["spec"]["image"], image.name.as_str());
    cli.run(&["ledger", "verify"]).ok();

    // By its id, in an array, and with a reason for what cannot start.
    let line = "echo $REPOWER_TASK_INDEX in $PWD";
    let array = ["--image", image.id.as_str(), "--array", "0-3", "--", "/bin/sh", "-c", line];
    let array = cli.submit(&array);
    cli.run(&["wait", &array]).ok();
    let said = cli.run(&["logs", &array, "--no-prefix"]).ok().out;
    for index in 0..4 {
        assert!(said.contains(&format!("{index} in /")), "{said}");
    }
    let missing =
        cli.submit(&["--image", &image.name, "--system-retries", "0", "--", "no-such-program"]);
    assert_ne!(cli.run(&["wait", &missing]).code, 0);
    let show = cli.run(&["show", &missing]).ok().out;
    assert!(show.contains("there is no such program"), "{show}");
}

/// The exit code of a command that the scheduler does not carry out.
const REFUSED: i32 = 1;

#[test]
fn an_image_without_a_digest_is_refused_with_how_to_find_it() {
    let folder = scratch();
    let cell = Cell::start(folder.path(), &[]);
    let cli = &cell.cli;

    let submit = |image: &str| {
        cli.run(&["submit", "--class", "software-build", "--image", image, "--", "true"])
    };
    submit("debian:12")
        .fails(REFUSED, &["`debian:12` has no digest", "podman image inspect", "sha256:{{.Id}}"]);
    let tagged = format!("debian:12@sha256:{}", "0".repeat(64));
    submit(&tagged).fails(REFUSED, &["has a tag and a digest", "leave the tag out"]);
    let text = "class = \"software-build\"\ncommand = [\"true\"]\nimage = \"debian\"\n";
    let job = file(folder.path(), "job.toml", text);
    cli.run(&["submit", &job]).fails(REFUSED, &["`debian` has no digest"]);

    // No node can do it, and the job says so while it waits.
    let image = format!("localhost/any@sha256:{}", "0".repeat(64));
    let waits = cli.submit(&["--image", &image, "--", "true"]);
    let mut cell = cell;
    cell.add_agent("n1", &["--cpus", "1", "--engine", "/no/such/podman"]);
    let why = cell.cli.run(&["why", &waits]).ok().out;
    assert!(why.contains("container"), "{why}");
}
