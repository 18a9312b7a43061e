//! Files of jobs as JSON.

use std::path::Path;

use repower_proto::v1;
use serde::Serialize;

use super::hex;

/// An input of a job.
#[derive(Debug, Serialize)]
pub(super) struct Input {
    path: String,
    /// Null: it is in the store of artefacts.
    url: Option<String>,
    /// Null: not known before it is fetched.
    bytes: Option<u64>,
    sha256: Option<String>,
    unpack: bool,
    executable: bool,
}

impl From<&v1::InputFile> for Input {
    fn from(input: &v1::InputFile) -> Self {
        let stored = input.url.is_empty();
        Self {
            path: input.path.clone(),
            url: (!stored).then(|| input.url.clone()),
            bytes: stored.then_some(input.bytes),
            sha256: (!input.digest.is_empty()).then(|| hex(&input.digest)),
            unpack: input.unpack,
            executable: input.executable,
        }
    }
}

/// What one process of a job has brought back.
#[derive(Debug, Serialize)]
pub(super) struct Kept {
    task: u32,
    attempt: u32,
    rank: u32,
    files: Vec<File>,
    missing: Vec<String>,
}

#[derive(Debug, Serialize)]
struct File {
    path: String,
    bytes: u64,
    sha256: String,
}

impl From<&v1::KeptOutputs> for Kept {
    fn from(kept: &v1::KeptOutputs) -> Self {
        let file = |artefact: &v1::Artefact| File {
            path: artefact.path.clone(),
            bytes: artefact.bytes,
            sha256: hex(&artefact.digest),
        };
        Self {
            task: kept.index,
            attempt: kept.attempt,
            rank: kept.rank,
            files: kept.artefacts.iter().map(file).collect(),
            missing: kept.missing.clone(),
        }
    }
}

/// What `repower fetch` has done.
#[derive(Debug, Serialize)]
pub struct Fetched {
    /// Of which job.
    pub job: u64,
    /// To which folder.
    pub folder: String,
    /// Files that are there now.
    pub files: Vec<FetchedFile>,
    /// What was to be brought back and was not.
    pub missing: Vec<MissingOutput>,
}

impl Fetched {
    /// Nothing so far.
    pub fn new(job: u64, folder: &Path) -> Self {
        let folder = folder.display().to_string();
        Self { job, folder, files: Vec::new(), missing: Vec::new() }
    }
}

/// A file that is there now.
#[derive(Debug, Serialize)]
pub struct FetchedFile {
    /// The index of the task that made it.
    pub task: u32,
    /// Which of its attempts.
    pub attempt: u32,
    /// Which of its processes.
    pub rank: u32,
    /// Where the task had it.
    pub path: String,
    /// Where it is now.
    pub file: String,
    /// How long it is.
    pub bytes: u64,
    /// What it is.
    pub sha256: String,
    /// Whether it was fetched; false: it was there already.
    pub fetched: bool,
}

/// What was to be brought back and was not.
#[derive(Debug, Serialize)]
pub struct MissingOutput {
    /// The index of the task.
    pub task: u32,
    /// Which of its processes.
    pub rank: u32,
    /// A pattern that matched nothing, or a path and why it was left.
    pub what: String,
}
