//! `repower bench files`: how fast files go into the store and out of it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use repower_agent::transfer::{Pace, download, upload};
use repower_artefacts::{Part, hash_file};
use repower_model::Hash;
use tokio::process::Command;

use super::figures::Report;
use super::{BenchError, Common, cluster};
use crate::client::Client;
use crate::clock::Stopwatch;
use crate::failure::Failure;
use crate::render::Screen;

/// Options of `repower bench files`.
#[derive(Debug, clap::Args)]
pub(super) struct Files {
    /// How large the file is, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    mib: u32,
    /// How often
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Files {
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Report, Failure> {
        let folder = self.common.folder()?;
        let cluster = cluster(&folder, 0, None, false, toml::Table::new()).await?;
        let client = cluster.client().await?;
        let rate = |seconds: f64| f64::from(self.mib) / seconds;
        let (mut into, mut out, mut fetched) = (vec![], vec![], vec![]);
        let (mut copied, mut durable) = (vec![], vec![]);
        let path = |name: &str| folder.path().join(name);
        for round in 0..self.rounds {
            screen.note(format_args!("round {} of {}", round + 1, self.rounds));
            let source = path("source");
            make(&source, self.mib, round)?;
            let target = path("target");
            warm(&target, self.mib)?;
            let watch = Stopwatch::start();
            run("cp", &[source.as_os_str(), target.as_os_str()]).await?;
            copied.push(rate(watch.seconds()));
            run("sync", &[target.as_os_str()]).await?;
            durable.push(rate(watch.seconds()));
            remove(&target)?;
            let url = serve(&source)?;
            warm(&target, self.mib)?;
            let watch = Stopwatch::start();
            run("curl", &["-s".as_ref(), "-o".as_ref(), target.as_ref(), url.as_ref()]).await?;
            fetched.push(rate(watch.seconds()));
            remove(&target)?;
            warm(&target, self.mib)?;
            let watch = Stopwatch::start();
            let digest = send(&client, &source).await?;
            into.push(rate(watch.seconds()));
            warm(&target, self.mib)?;
            let watch = Stopwatch::start();
            fetch(&client, digest, &target).await?;
            out.push(rate(watch.seconds()));
            remove(&target)?;
            remove(&source)?;
        }
        cluster.stop().await;
        let ratios = |ours: &[f64], theirs: &[f64]| -> Vec<f64> {
            ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
        };
        let what = format!("{} MiB over loopback and TLS, digests and sync included", self.mib);
        let mut report = Report::new("files", what);
        report.add("into the store", "MiB/s", &into);
        report.add("out of the store", "MiB/s", &out);
        report.add("cp", "MiB/s", &copied);
        report.add("cp, then sync of the copy", "MiB/s", &durable);
        report.add("curl, without TLS", "MiB/s", &fetched);
        report.add("into the store : cp", "ratio", &ratios(&into, &copied));
        report.add("into the store : cp, sync", "ratio", &ratios(&into, &durable));
        report.add("into the store : curl", "ratio", &ratios(&into, &fetched));
        report.add("out of the store : cp", "ratio", &ratios(&out, &copied));
        report.add("out of the store : cp, sync", "ratio", &ratios(&out, &durable));
        report.add("out of the store : curl", "ratio", &ratios(&out, &fetched));
        Ok(report)
    }
}

fn unwritten(path: &Path) -> impl Fn(std::io::Error) -> BenchError {
    move |source| BenchError::NotWritten { path: path.display().to_string(), source }
}

/// Writes a file of which no piece is like another, nor like one of another round.
fn make(path: &Path, mib: u32, round: u32) -> Result<(), BenchError> {
    let mut file = File::create(path).map_err(unwritten(path))?;
    let mut piece: Vec<u8> =
        (0..1_u32 << 20).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for number in 0..mib {
        piece[..4].copy_from_slice(&round.to_be_bytes());
        piece[4..8].copy_from_slice(&number.to_be_bytes());
        file.write_all(&piece).map_err(unwritten(path))?;
    }
    file.sync_all().map_err(unwritten(path))
}

/// Writes a file and removes it, so that what is measured next finds memory that this machine has
/// touched lately: a virtual machine gets new memory from its host page by page, which takes longer
/// than to write to it, and whatever is measured last would pay for it alone.
fn warm(path: &Path, mib: u32) -> Result<(), BenchError> {
    let mut file = File::create(path).map_err(unwritten(path))?;
    let piece = vec![1; 1 << 20];
    for _ in 0..mib {
        file.write_all(&piece).map_err(unwritten(path))?;
    }
    remove(path)
}

fn remove(path: &Path) -> Result<(), BenchError> {
    std::fs::remove_file(path).map_err(unwritten(path))
}

async fn run(program: &str, words: &[&std::ffi::OsStr]) -> Result<(), BenchError> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output().await;
    let output =
        output.map_err(|source| BenchError::NotLaunched { program: program.to_owned(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(BenchError::Command { command: program.to_owned(), said })
}

/// Serves a file once over plain HTTP, as fast as the kernel copies it.
fn serve(path: &Path) -> Result<String, BenchError> {
    let failed = unwritten(path);
    let mut file = File::open(path).map_err(&failed)?;
    let bytes = file.metadata().map_err(&failed)?.len();
    let listener = TcpListener::bind("127.0.0.1:0").map_err(&failed)?;
    let url = format!("http://{}/", listener.local_addr().map_err(&failed)?);
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut lines = BufReader::new(&stream).lines();
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n");
        // Whoever asked may be gone.
        if stream.write_all(head.as_bytes()).is_ok() {
            std::io::copy(&mut file, &mut stream).unwrap_or_default();
        }
    });
    Ok(url)
}

async fn send(client: &Client, path: &Path) -> Result<Hash, BenchError> {
    let mut file = File::open(path).map_err(unwritten(path))?;
    let failed = |said: String| BenchError::Command { command: "upload".into(), said };
    let what = hash_file(&mut file, path).map_err(|fault| failed(fault.to_string()))?;
    let sent = upload(&mut client.artefacts(), file, what, |_| {}, &Pace::default()).await;
    sent.map_err(|failure| failed(failure.to_string()))?;
    Ok(what.0)
}

async fn fetch(client: &Client, digest: Hash, path: &Path) -> Result<(), BenchError> {
    let failed = |said: String| BenchError::Command { command: "download".into(), said };
    let part = Part::open(path, 0).map_err(|fault| failed(fault.to_string()))?;
    let (part, fetched) =
        download(&mut client.artefacts(), digest, part, |_| {}, &Pace::default()).await;
    fetched.map_err(|failure| failed(failure.to_string()))?;
    let part = part.ok_or_else(|| failed("the writer is gone".into()))?;
    part.seal(Some(digest)).map(drop).map_err(|fault| failed(fault.to_string()))
}
