//! `repower fetch`.

mod error;
#[cfg(test)]
mod tests;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use repower_agent::transfer::{self, Failure as Broken, Pace};
use repower_artefacts::{Beneath, Part, check_path, hash_file};
use repower_model::Hash;
use repower_proto::v1::{
    Artefact, KeptOutputs, OutputsPlace, OutputsRequest, ShowJobReply, ShowJobRequest,
};

use crate::arguments::Reach;
use crate::client::{Client, Patience};
use crate::failure::{Exit, Failure};
use crate::jobfile::reference::Reference;
use crate::render::json::{self, FetchedFile, MissingOutput};
use crate::render::quantity::{bytes, count};
use crate::render::transfer::Bar;
use crate::render::{Screen, words};
use error::FetchError;

/// How long a transfer that makes no progress is tried again.
const PATIENCE: Duration = Duration::from_mins(1);
/// Processes whose outputs are asked for at once.
const PAGE: u32 = 100;

/// Options of `repower fetch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Files of a job with several tasks go to a folder for each of them, likewise for
the ranks of a gang. What is there already as it should be is not fetched again,
and an interrupted fetch goes on.")]
pub struct Fetch {
    /// Job, or one of its tasks: 12, 12.3
    #[arg(value_name = "JOB")]
    what: Reference,
    /// Folder for the files [default: job-12, or job-12.3]
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// Of a gang, only what this rank has made
    #[arg(long, value_name = "NUMBER")]
    rank: Option<u32>,
    /// Replace files that are there and different
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// Where the files of a job go.
#[derive(Debug, Clone, Copy)]
struct Layout {
    by_task: bool,
    by_rank: bool,
}

impl Layout {
    fn of(reply: &ShowJobReply, index: Option<u32>, rank: Option<u32>) -> Self {
        let tasks = reply.summary.as_ref().map_or(0, |summary| summary.tasks);
        let gang = reply.spec.as_ref().and_then(|spec| spec.gang);
        let ranks = gang.map_or(1, |gang| gang.nodes.saturating_mul(gang.ranks_per_node.max(1)));
        Self { by_task: tasks > 1 && index.is_none(), by_rank: ranks > 1 && rank.is_none() }
    }

    fn place(self, kept: &KeptOutputs, path: &str) -> String {
        let task = if self.by_task { format!("{}/", kept.index) } else { String::new() };
        let rank = if self.by_rank { format!("{}/", kept.rank) } else { String::new() };
        format!("{task}{rank}{path}")
    }
}

impl Fetch {
    /// Fetches what the job has brought back, until Ctrl-C.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let what = self.what.to_string();
        let fetched = tokio::select! {
            fetched = self.all(screen) => Some(fetched),
            signal = tokio::signal::ctrl_c() => { drop(signal); None }
        };
        fetched.unwrap_or_else(|| {
            screen.tell(format_args!(
                "interrupted: what has come stays where it is, and the same `repower fetch {what}` goes on from there"
            ));
            Ok(Exit::INTERRUPTED)
        })
    }

    async fn all(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        if self.what.attempt.is_some() {
            return Err(FetchError::Attempt { what: self.what.to_string() }.into());
        }
        let request = ShowJobRequest { job: self.what.job };
        let shown = client.jobs().show(request).await.map_err(|status| client.refused(&status))?;
        let layout = Layout::of(&shown.into_inner(), self.what.index, self.rank);
        let folder = self.to.clone().unwrap_or_else(|| format!("job-{}", self.what).into());
        let mut fetched = json::Fetched::new(self.what.job, &folder);
        let (mut after, mut more) = (None, true);
        while more {
            let request =
                OutputsRequest { job: self.what.job, index: self.what.index, after, limit: PAGE };
            let reply = client.jobs().outputs(request).await;
            let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
            after = reply
                .outputs
                .last()
                .map(|last| OutputsPlace { index: last.index, rank: last.rank });
            more = reply.more;
            for kept in reply.outputs {
                if self.rank.is_none_or(|rank| rank == kept.rank) {
                    self.one(&client, screen, (&folder, layout), &kept, &mut fetched).await?;
                }
            }
        }
        if fetched.files.is_empty() && fetched.missing.is_empty() {
            return Err(FetchError::Nothing { what: self.what.to_string() }.into());
        }
        tell(screen, &fetched)?;
        Ok(Exit::OK)
    }

    /// Fetches what one process has made.
    async fn one(
        &self,
        client: &Client,
        screen: &Screen,
        (folder, layout): (&Path, Layout),
        kept: &KeptOutputs,
        fetched: &mut json::Fetched,
    ) -> Result<(), Failure> {
        let quiet = screen.is_quiet() || screen.is_json();
        for artefact in &kept.artefacts {
            let place = layout.place(kept, &artefact.path);
            let target = Target::new(folder, &place, artefact)?;
            let is_new = match target.standing()? {
                Standing::Same => false,
                Standing::Other if !self.force => {
                    return Err(FetchError::Exists { path: folder.join(&place) }.into());
                }
                Standing::Other | Standing::Absent => {
                    target.fetch(client, quiet).await?;
                    true
                }
            };
            fetched.files.push(FetchedFile {
                task: kept.index,
                attempt: kept.attempt,
                rank: kept.rank,
                path: artefact.path.clone(),
                file: folder.join(&place).display().to_string(),
                bytes: artefact.bytes,
                sha256: target.digest.to_string(),
                fetched: is_new,
            });
        }
        let missing = kept.missing.iter().map(|what| MissingOutput {
            task: kept.index,
            rank: kept.rank,
            what: what.clone(),
        });
        fetched.missing.extend(missing);
        Ok(())
    }
}

/// A file that is to be there.
#[derive(Debug)]
struct Target<'a> {
    folder: Beneath,
    place: &'a str,
    digest: Hash,
    bytes: u64,
}

/// What is at the place of a file.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Absent,
    Same,
    Other,
}

impl<'a> Target<'a> {
    fn new(folder: &Path, place: &'a str, artefact: &Artefact) -> Result<Self, FetchError> {
        // The scheduler has checked that; but it is this machine that would be written to.
        check_path(place)?;
        let digest = artefact.digest.as_slice().try_into();
        let digest = digest.map_err(|_| FetchError::Digest { path: artefact.path.clone() })?;
        let io = |source| FetchError::Folder { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(io)?;
        let folder = Beneath::open(folder).map_err(io)?;
        Ok(Self { folder, place, digest: Hash(digest), bytes: artefact.bytes })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.place)
    }

    fn standing(&self) -> Result<Standing, FetchError> {
        let io = |source| FetchError::File { path: self.path(), source };
        if !self.folder.exists(self.place).map_err(io)? {
            return Ok(Standing::Absent);
        }
        let Ok(mut file) = self.folder.read(self.place) else {
            return Ok(Standing::Other);
        };
        if file.metadata().map_err(io)?.len() != self.bytes {
            return Ok(Standing::Other);
        }
        let (found, _) = hash_file(&mut file, &self.path())?;
        Ok(if found == self.digest { Standing::Same } else { Standing::Other })
    }

    /// Fetches it, beside its place first: what has come stays if the transfer breaks off.
    async fn fetch(&self, client: &Client, quiet: bool) -> Result<(), Failure> {
        let name = format!(".repower-{}.part", &self.digest.to_string()[..32]);
        let path = self.folder.path().join(&name);
        let mut part = Part::open(&path, Part::received(&path)).map_err(FetchError::from)?;
        if part.written() > self.bytes {
            part.restart().map_err(FetchError::from)?;
        }
        part.check_room(self.bytes - part.written()).map_err(FetchError::from)?;
        let bar = if quiet { Bar::none() } else { Bar::download(self.place, self.bytes) };
        let mut patience = Patience::of(PATIENCE);
        let (mut service, pace) = (client.artefacts(), Pace::default());
        loop {
            let before = part.written();
            let (rest, fetched) =
                transfer::download(&mut service, self.digest, part, |at| bar.at(at), &pace).await;
            part = match rest {
                Some(part) => part,
                None => Part::open(&path, Part::received(&path)).map_err(FetchError::from)?,
            };
            match fetched {
                Ok(()) => break,
                Err(Broken::Call(status)) => {
                    if part.written() > before {
                        patience = Patience::of(PATIENCE);
                    }
                    if !(transfer::may_pass(&status) && patience.wait().await) {
                        bar.end();
                        return Err(client.refused(&status).into());
                    }
                }
                Err(Broken::Write(fault)) => return Err(FetchError::from(fault).into()),
                Err(Broken::Read(source)) => {
                    return Err(FetchError::File { path: self.path(), source }.into());
                }
                Err(Broken::Changed) => break,
            }
        }
        bar.end();
        let sealed = part.seal(Some(self.digest)).map_err(FetchError::from)?;
        let io = |source| FetchError::File { path: self.path(), source };
        fs::set_permissions(&sealed.path, Permissions::from_mode(0o644)).map_err(io)?;
        self.folder.rename(&name, self.place).map_err(io)?;
        Ok(())
    }
}

fn tell(screen: &mut Screen, fetched: &json::Fetched) -> Result<(), Failure> {
    if screen.is_json() {
        return Ok(screen.json(fetched)?);
    }
    if screen.is_quiet() {
        for file in &fetched.files {
            screen.line(words::tame(&file.file))?;
        }
        return Ok(());
    }
    let (new, old): (Vec<_>, Vec<_>) = fetched.files.iter().partition(|file| file.fetched);
    let size = bytes(new.iter().map(|file| file.bytes).sum());
    let old = match old.len() {
        0 => String::new(),
        known => format!("; {known} there already"),
    };
    let number = count(new.len() as u64, "file");
    screen.line(format_args!("fetched {number} ({size}) to {}{old}", fetched.folder))?;
    for missing in &fetched.missing {
        let rank = if missing.rank == 0 { String::new() } else { format!("/{}", missing.rank) };
        let what = words::tame(&missing.what);
        screen.note(format_args!(
            "not brought back of {}.{}{rank}: {what}",
            fetched.job, missing.task
        ));
    }
    Ok(())
}
