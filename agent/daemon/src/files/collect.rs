//! Outputs to the scheduler's store.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use repower_artefacts::{Beneath, hash_file, outputs};
use repower_model::{Artefact, Hash};
use tonic::Code;

use super::Shared;
use crate::tasks::PROGRESS_FILE;
use crate::transfer::{self, Failure};

/// The first wait before the next try; each is twice the one before.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(15);
/// How often a file is read again that changes while it is sent.
const CHANGES: u32 = 3;
/// How often the scheduler may say that nothing here has outputs: it may not have noticed yet.
const NOT_YET: u32 = 5;

/// What was brought back.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) artefacts: Vec<Artefact>,
    pub(super) missing: Vec<String>,
}

/// Brings what matches below a folder to the store. While that is away, it is tried again for as long as anybody waits.
pub(super) async fn collect(shared: &Shared, folder: &Path, patterns: Vec<String>) -> Kept {
    let mut kept = Kept::default();
    let (looked_in, wanted) = (folder.to_owned(), patterns.clone());
    let found = tokio::task::spawn_blocking(move || outputs::find(&looked_in, &wanted)).await;
    let found = match found {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            let because = |pattern: String| format!("{pattern}: {error}");
            kept.missing = patterns.into_iter().map(because).collect();
            return kept;
        }
        Err(_) => return Kept { missing: patterns, ..kept },
    };
    kept.missing = found.missing;
    // What it said of its progress is no output.
    for path in found.files.into_iter().filter(|path| path != PROGRESS_FILE) {
        let Ok(permit) = shared.outward.acquire().await else { break };
        match bring(shared, folder, &path).await {
            Ok(artefact) => kept.artefacts.push(artefact),
            Err(why) => kept.missing.push(format!("{path}: {why}")),
        }
        drop(permit);
    }
    kept
}

/// Brings one file to the store.
///
/// # Errors
///
/// Why it must not or cannot leave, in words.
async fn bring(shared: &Shared, folder: &Path, path: &str) -> Result<Artefact, String> {
    let (mut wait, mut changes, mut denied) = (FIRST, 0, 0);
    let mut service = shared.service.clone();
    loop {
        let (file, digest, bytes) = open(folder.to_owned(), path.to_owned()).await?;
        let sent =
            transfer::upload(&mut service, file, (digest, bytes), |_| {}, &shared.pace).await;
        match sent {
            Ok(_) => return Ok(Artefact { path: path.to_owned(), bytes, digest }),
            Err(Failure::Changed) => {
                changes += 1;
                if changes >= CHANGES {
                    return Err("it changes while it is sent".to_owned());
                }
            }
            Err(Failure::Call(status)) => {
                denied += u32::from(status.code() == Code::PermissionDenied);
                let not_yet = status.code() == Code::PermissionDenied && denied <= NOT_YET;
                // A store that is full has room again some day, as it is with reports.
                let may_pass =
                    transfer::may_pass(&status) || status.code() == Code::ResourceExhausted;
                if !may_pass && !not_yet {
                    return Err(status.message().to_owned());
                }
                tracing::info!(
                    path,
                    status = status.message(),
                    "an output has not gone: trying again"
                );
            }
            Err(failure @ (Failure::Read(_) | Failure::Write(_))) => {
                return Err(failure.to_string());
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST);
    }
}

/// Opens a file below a folder, and says what it is.
async fn open(folder: PathBuf, path: String) -> Result<(File, Hash, u64), String> {
    let opened = tokio::task::spawn_blocking(move || {
        let beneath = Beneath::open(&folder).map_err(|error| error.to_string())?;
        let mut file = outputs::open(&beneath, &path)?;
        let (digest, bytes) =
            hash_file(&mut file, Path::new(&path)).map_err(|fault| fault.to_string())?;
        Ok((file, digest, bytes))
    });
    opened.await.unwrap_or_else(|_| Err("the agent ends".to_owned()))
}
