//! Measures the detector and writes the report. It ends with 1 if a goal is not met.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use repower_agent::sense::Sensors;
use repower_example_detector::report::honest::{self, Bench, Workload};
use repower_example_detector::report::page::Page;
use repower_example_detector::report::{alarms, cost, flows, recall, scan};

/// Measures the detector and writes the report.
#[derive(Debug, Parser)]
#[command(name = "detector-report")]
struct Asked {
    /// Where the report goes.
    #[arg(long, default_value = "docs/detector-report.md")]
    to: PathBuf,
    /// A Python with numpy and scikit-learn.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Which parts; left out: all.
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<Part>,
    /// Windows of each honest workload.
    #[arg(long, default_value_t = 150)]
    windows: u64,
    /// The most seconds of each honest workload.
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// Honest workloads at once.
    #[arg(long, default_value_t = 2)]
    at_once: usize,
    /// Tries of each disguise.
    #[arg(long, default_value_t = 1)]
    tries: u32,
    /// How many times faster than in real life conversations are.
    #[arg(long, default_value_t = 60)]
    pace: u32,
    /// Windows of each conversation.
    #[arg(long, default_value_t = 2)]
    flow_windows: u64,
    /// Pairs of runs with and without the detector.
    #[arg(long, default_value_t = 10)]
    pairs: u32,
    /// A folder for recordings of what was seen.
    #[arg(long)]
    record: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Cost,
    Recall,
    Alarms,
    Flows,
    Scan,
}

impl Asked {
    fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let asked = Asked::parse();
    let own = std::env::current_exe()?;
    let beside = own.parent().context("a program is in a folder")?;
    let proof = Some(beside.join("proof-load")).filter(|path| path.exists());
    let folder = tempfile::tempdir()?;
    let bench = Bench::new(beside.join("load"), proof, asked.python.clone(), folder.path())?;
    let page = measure(&asked, &bench)?;
    std::fs::write(&asked.to, page.markdown())
        .with_context(|| format!("cannot write {}", asked.to.display()))?;
    let mut is_met = true;
    for (met, sentence) in page.goals() {
        say(&format!("{} {sentence}", if met { "met:" } else { "NOT MET:" }));
        is_met &= met;
    }
    say(&format!("written to {}", asked.to.display()));
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(asked: &Asked, bench: &Bench) -> anyhow::Result<Page> {
    let mut page = Page { is_without_proof: bench.proof.is_none(), ..Page::default() };
    let all = [
        (Part::Cost, "cost"),
        (Part::Recall, "recall"),
        (Part::Alarms, "false alarms"),
        (Part::Flows, "connections"),
        (Part::Scan, "scan"),
    ];
    page.left_out =
        all.iter().filter(|(part, _)| !asked.wants(*part)).map(|(_, word)| *word).collect();
    if asked.wants(Part::Cost) {
        say("cost");
        page.cost = Some(cost::run(&bench.load, asked.pairs, 5)?);
    }
    if asked.wants(Part::Scan) {
        say("scan");
        let folders = ["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local", "/opt"].map(Path::new);
        page.scanned = Some(scan::run(&folders, &[], 8 << 30));
    }
    // The others look at loads of their own, side by side, as a host with several tasks does.
    std::thread::scope(|scope| {
        let flows = scope.spawn(|| conversations(asked, bench));
        let tries = scope.spawn(|| disguises(asked, bench));
        let rows = scope.spawn(|| honest_work(asked, bench));
        let panicked = || anyhow::anyhow!("a thread has panicked");
        page.flows = flows.join().map_err(|_| panicked())??;
        page.tries = tries.join().map_err(|_| panicked())??;
        (page.rows, page.look_alike) = rows.join().map_err(|_| panicked())??;
        anyhow::Ok(())
    })?;
    Ok(page)
}

fn conversations(asked: &Asked, bench: &Bench) -> anyhow::Result<Vec<(u32, flows::Row)>> {
    if !asked.wants(Part::Flows) {
        return Ok(Vec::new());
    }
    let mut seen = Vec::new();
    let rows: Vec<anyhow::Result<flows::Row>> = std::thread::scope(|scope| {
        let watch = |one: &'static (_, _, _)| {
            scope.spawn(move || {
                let mut sensors = Sensors::new();
                flows::run(bench, &mut sensors, *one, asked.pace, asked.flow_windows)
            })
        };
        let all: Vec<_> = flows::ALL.iter().map(watch).collect();
        let panicked = |_| Err(anyhow::anyhow!("a thread has panicked"));
        all.into_iter().map(|one| one.join().unwrap_or_else(panicked)).collect()
    });
    for row in rows {
        let row = row?;
        say(&format!("{}: {} of {} windows pool-like", row.name, row.noticed, row.windows));
        record(asked, row.name, &row.lines)?;
        seen.push((asked.pace, row));
    }
    Ok(seen)
}

fn disguises(asked: &Asked, bench: &Bench) -> anyhow::Result<Vec<recall::Try>> {
    if !asked.wants(Part::Recall) {
        return Ok(Vec::new());
    }
    let cases: Vec<recall::Case> = recall::ALL
        .iter()
        .copied()
        .filter(|case| !case.is_real || bench.proof.is_some())
        .flat_map(|case| vec![case; asked.tries as usize])
        .collect();
    // A few at a time: what takes time here is waiting for windows to pass.
    let workers = asked.at_once.max(1);
    let work = |worker: usize| -> anyhow::Result<Vec<(usize, recall::Try)>> {
        let mut sensors = Sensors::new();
        let mut tries = Vec::new();
        for (place, case) in cases.iter().enumerate().skip(worker).step_by(workers) {
            let (one, lines) = recall::run(bench, &mut sensors, *case, Duration::from_mins(10))?;
            say(&format!(
                "{}: registers {:?} s, content {:?} s, {} of {} windows",
                case.name, one.registers, one.content, one.suspicious, one.windows
            ));
            record(asked, case.name, &lines)?;
            tries.push((place, one));
        }
        Ok(tries)
    };
    let mut tries = std::thread::scope(|scope| {
        let work = &work;
        let all: Vec<_> = (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
        let panicked = |_| Err(anyhow::anyhow!("a thread has panicked"));
        let joined = all.into_iter().map(|one| one.join().unwrap_or_else(panicked));
        joined.collect::<anyhow::Result<Vec<_>>>()
    })?
    .concat();
    tries.sort_by_key(|(place, _)| *place);
    Ok(tries.into_iter().map(|(_, one)| one).collect())
}

fn honest_work(
    asked: &Asked,
    bench: &Bench,
) -> anyhow::Result<(Vec<alarms::Row>, Option<alarms::Row>)> {
    if !asked.wants(Part::Alarms) {
        return Ok((Vec::new(), None));
    }
    let limit = Duration::from_secs(asked.seconds);
    let told = |row: &alarms::Row| {
        say(&format!(
            "{}: {} windows, {} restless, {} suspicious, {:?}, {} s",
            row.workload.name,
            row.windows,
            row.restless,
            row.suspicious,
            row.verdicts.iter().map(|one| one.rule.code()).collect::<Vec<_>>(),
            row.seconds
        ));
    };
    let rows = alarms::run(bench, honest::ALL, asked.windows, limit, asked.at_once, &told)?;
    for row in &rows {
        record(asked, row.workload.name, &row.lines)?;
    }
    let look_alike = Workload {
        name: "intervals by MXCSR",
        is_held_out: true,
        needs: "",
        script: "\"$1\" work intervals-by-mxcsr & wait",
    };
    let look_alike = alarms::run(bench, &[look_alike], 20, limit, 1, &told)?.pop();
    Ok((rows, look_alike))
}

fn record(asked: &Asked, name: &str, lines: &[String]) -> anyhow::Result<()> {
    let Some(folder) = &asked.record else { return Ok(()) };
    let word: String =
        name.chars().map(|one| if one.is_ascii_alphanumeric() { one } else { '-' }).collect();
    let path = folder.join(format!("{word}.txt"));
    std::fs::write(&path, lines.join("\n") + "\n")
        .with_context(|| format!("cannot write {}", path.display()))
}

#[expect(clippy::print_stderr, reason = "progress of a long run, on a program for the terminal")]
fn say(text: &str) {
    eprintln!("{text}");
}
