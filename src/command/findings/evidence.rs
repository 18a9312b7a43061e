//! `repower findings evidence`.

use std::path::PathBuf;

use repower_proto::v1::GetArtefactRequest;

use crate::arguments::{Reach, id};
use crate::client::Client;
use crate::failure::{Explain, Failure};
use crate::render::quantity::bytes;
use crate::render::{Screen, words};

/// The most bytes of a bundle.
const MOST: usize = 1 << 20;

/// Options of `repower findings evidence`.
#[derive(Debug, clap::Args)]
pub(super) struct Evidence {
    /// Number of the finding
    #[arg(value_name = "FINDING", value_parser = id)]
    id: u64,
    /// Write it here
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// What was seen cannot be shown.
#[derive(Debug, thiserror::Error)]
enum EvidenceError {
    #[error("finding {finding} has no evidence that was kept")]
    Nothing { finding: u64 },
    #[error("the evidence of finding {finding} is not what its digest says")]
    Changed { finding: u64 },
    #[error("cannot write {}", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
}

impl Explain for EvidenceError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Nothing { finding } => {
                format!("`repower findings show {finding}` has its verdicts")
            }
            Self::Changed { .. } => {
                "the store of artefacts was changed from outside: look at its disk".to_owned()
            }
            Self::Unwritable { .. } => "choose another file with --to".to_owned(),
        })
    }
}

impl Evidence {
    /// Prints all bundles of the finding, the oldest first, each checked against its digest in the ledger.
    pub(super) async fn run(&self, client: &Client, screen: &mut Screen) -> Result<(), Failure> {
        let finding = self.id;
        let reply = super::find(client, finding).await?;
        let kept = reply.finding.iter().flat_map(|one| &one.evidence).filter(|one| one.kept);
        let mut text = Vec::new();
        for bundle in kept {
            let part = fetch(client, &bundle.digest).await?;
            let digest = repower_core::policy::hash_of(&part);
            if digest.0.as_slice() != bundle.digest {
                return Err(EvidenceError::Changed { finding }.into());
            }
            text.extend(part);
        }
        if text.is_empty() {
            return Err(EvidenceError::Nothing { finding }.into());
        }
        let Some(path) = &self.to else { return shown(&text, screen) };
        std::fs::write(path, &text)
            .map_err(|source| EvidenceError::Unwritable { path: path.clone(), source })?;
        screen.note(format_args!("{} of evidence in {}", bytes(text.len() as u64), path.display()));
        Ok(())
    }
}

/// Prints evidence without what would move the cursor: programs choose their names and those of their files.
fn shown(text: &[u8], screen: &mut Screen) -> Result<(), Failure> {
    for line in tame(text) {
        screen.line(line)?;
    }
    Ok(())
}

fn tame(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text).lines().map(words::tame).collect()
}

async fn fetch(client: &Client, digest: &[u8]) -> Result<Vec<u8>, Failure> {
    let request = GetArtefactRequest { digest: digest.to_vec(), offset: 0 };
    let stream = client.artefacts().get(request).await;
    let mut stream = stream.map_err(|status| client.refused(&status))?.into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.message().await.map_err(|status| client.refused(&status))? {
        bytes.extend(piece.piece);
        if bytes.len() > MOST {
            break;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_calls_itself_cannot_move_the_cursor() {
        let lines = tame(b"process 7 name \x1b[2J\nmap /tmp/\xe2\x80\xaex\xff\r\n");

        assert_eq!(lines, ["process 7 name \u{fffd}[2J", "map /tmp/\\u{202e}x\u{fffd}"]);
    }
}
