//! What tasks have saved: to the scheduler's store after an attempt, and back before the next one.

use std::convert::identity;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use repower_artefacts::{Beneath, Fault, Part, archive};
use repower_model::{Checkpoint, Stored};
use tonic::Code;

use super::Shared;
use super::cache::Turn;
use super::fetch::told;
use crate::saved::Place;
use crate::transfer::{self, Failure};

/// The first wait before the next try; each is twice the one before.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(15);
/// How often it is tried to bring a checkpoint to the store; the end of its attempt waits for that: a hundred seconds.
const TRIES: u32 = 12;
/// How often the scheduler may say that nothing here needs it: it may not have noticed yet.
const NOT_YET: u32 = 5;

/// Brings what a task has saved to the store.
///
/// # Errors
///
/// Why that cannot be, in words. What is in the folder stays there.
pub(super) async fn save(shared: &Shared, place: &Place) -> Result<Stored, String> {
    let turn = turn(shared, place).await;
    let permit = shared.outward.acquire().await.map_err(|_| told(&Fault::Ending))?;
    let (from, most) = (place.clone(), shared.checkpoint_limit);
    let packed = turn.aside(move || pack(&from, most)).await;
    let stored = packed.map_err(|fault| told(&fault))??;
    let sent = send(shared, &place.archive(), stored).await;
    drop(permit);
    // What cannot be removed is overwritten by the next one.
    let archive = place.archive();
    turn.aside(move || std::fs::remove_file(archive).unwrap_or_default()).await.unwrap_or_default();
    sent.map(|()| stored)
}

/// The turn of working on the folder of a task.
async fn turn(shared: &Shared, place: &Place) -> Turn {
    shared.cache.turn(&place.path().to_string_lossy()).await
}

/// A part that takes only so many bytes.
struct Bounded {
    part: Part,
    most: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.written() + bytes.len() as u64 > self.most {
            let most = self.most;
            return Err(io::Error::other(format!(
                "it takes more than {most} bytes, the most that this node keeps of a task: a larger --checkpoint-limit of its agent would help"
            )));
        }
        self.part.write(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Packs what a task has saved into a file beside it.
fn pack(place: &Place, most: u64) -> Result<Stored, String> {
    let part = Part::open(&place.archive(), 0).map_err(|fault| told(&fault))?;
    // Before a full disk is noticed by others.
    let asked = length(&place.data()).map_err(|error| error.to_string())?;
    if let Err(fault) = part.check_room(asked.min(most)) {
        part.remove();
        return Err(told(&fault));
    }
    let mut bounded = Bounded { part, most };
    if let Err(problem) = archive::pack(&place.data(), io::BufWriter::new(&mut bounded)) {
        bounded.part.remove();
        return Err(chain(&problem));
    }
    let sealed = bounded.part.seal(None).map_err(|fault| told(&fault))?;
    Ok(Stored { digest: sealed.digest, bytes: sealed.bytes })
}

/// How long the files in a folder are together.
fn length(folder: &Path) -> io::Result<u64> {
    let (mut sum, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let (found, path) = entry.map(|entry| (entry.metadata(), entry.path()))?;
            let found = found?;
            if found.is_dir() {
                folders.push(path);
            } else {
                sum += found.len();
            }
        }
    }
    Ok(sum)
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

async fn send(shared: &Shared, archive: &Path, stored: Stored) -> Result<(), String> {
    let (mut wait, mut tries) = (FIRST, 0);
    let mut service = shared.service.clone();
    loop {
        let file = File::open(archive).map_err(|error| error.to_string())?;
        let what = (stored.digest, stored.bytes);
        let sent = transfer::upload(&mut service, file, what, |_| {}, &shared.pace).await;
        let Err(failure) = sent else { return Ok(()) };
        let Failure::Call(status) = failure else { return Err(failure.to_string()) };
        tries += 1;
        let not_yet = status.code() == Code::PermissionDenied && tries <= NOT_YET;
        if tries >= TRIES || !(transfer::may_pass(&status) || not_yet) {
            return Err(status.message().to_owned());
        }
        tracing::info!(status = status.message(), "a checkpoint has not gone: trying again");
        pause(&mut wait).await;
    }
}

/// Waits before the next try.
async fn pause(wait: &mut Duration) {
    tokio::time::sleep(*wait).await;
    *wait = (*wait * 2).min(LONGEST);
}

/// Brings what a task has saved into its folder; while the store is away, it is tried again for as long as anybody
/// waits.
///
/// # Errors
///
/// Why that cannot be, in words.
pub(super) async fn fetch(
    shared: &Shared,
    place: &Place,
    checkpoint: Checkpoint,
) -> Result<(), String> {
    let turn = turn(shared, place).await;
    let permit = shared.inward.acquire().await.map_err(|_| told(&Fault::Ending))?;
    place.make().map_err(|error| error.to_string())?;
    let fetched = receive(shared, &turn, &place.archive(), checkpoint.stored).await;
    drop(permit);
    fetched?;
    let place = place.clone();
    // Gone with who waits for this.
    let wanted = Arc::new(());
    let is_wanted = Arc::downgrade(&wanted);
    let unpacked = turn
        .aside(move || unpack(&place, checkpoint.number, || is_wanted.strong_count() > 0))
        .await
        .map_err(|fault| told(&fault))?;
    drop(wanted);
    unpacked
}

async fn receive(
    shared: &Shared,
    turn: &Turn,
    archive: &Path,
    stored: Stored,
) -> Result<(), String> {
    let words = |fault: Fault| told(&fault);
    let (mut wait, mut denied) = (FIRST, 0);
    let mut service = shared.service.clone();
    // What an agent before has left may be of another checkpoint.
    let mut offset = 0;
    loop {
        let archive = archive.to_owned();
        let opened = turn.aside(move || {
            let part = Part::open(&archive, offset)?;
            part.check_room(stored.bytes.saturating_sub(offset))?;
            Ok(part)
        });
        let part = (opened.await.and_then(identity).map_err(words)?, turn.clone());
        let (part, fetched) =
            transfer::download_holding(&mut service, stored.digest, part, |_| {}, &shared.pace)
                .await;
        let come = part.as_ref().map_or(0, Part::written);
        match (part, fetched) {
            (Some(part), Ok(())) => {
                let sealed = turn.aside(move || part.seal(Some(stored.digest))).await;
                return sealed.and_then(identity).map(drop).map_err(words);
            }
            (None, Ok(())) => {}
            (_, Err(Failure::Call(status))) => {
                denied += u32::from(status.code() == Code::PermissionDenied);
                let not_yet = status.code() == Code::PermissionDenied && denied <= NOT_YET;
                if !transfer::may_pass(&status) && !not_yet {
                    return Err(status.message().to_owned());
                }
                tracing::info!(
                    status = status.message(),
                    "a checkpoint has not come: trying again"
                );
            }
            (_, Err(Failure::Write(fault))) => return Err(told(&fault)),
            (_, Err(failure @ (Failure::Read(_) | Failure::Changed))) => {
                return Err(failure.to_string());
            }
        }
        if come > offset {
            wait = FIRST;
        }
        offset = come;
        pause(&mut wait).await;
    }
}

/// Puts what has come in the place of what is there, if it is still wanted then: else another attempt may have that.
fn unpack(place: &Place, number: u32, is_wanted: impl Fn() -> bool) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    let fresh = place.fresh().map_err(failed)?;
    let file = File::open(place.archive()).map_err(failed)?;
    let beneath = Beneath::open(place.path()).map_err(failed)?;
    archive::unpack(BufReader::with_capacity(1 << 18, file), &beneath, "new")
        .map_err(|problem| chain(&problem))?;
    if !is_wanted() {
        return Err("nobody waits for it any more".to_owned());
    }
    place.replace(&fresh, number).map_err(failed)?;
    std::fs::remove_file(place.archive()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use repower_model::{JobId, TaskId};

    use super::*;

    fn place(root: &Path) -> Place {
        let place = Place::of(root, TaskId { job: JobId(1), index: 0 });
        place.make().unwrap();
        place
    }

    #[test]
    fn what_was_saved_comes_out_as_it_went_in_and_in_the_place_of_what_was_there() {
        let (from, to) = (tempfile::TempDir::new().unwrap(), tempfile::TempDir::new().unwrap());
        let (from, to) = (place(from.path()), place(to.path()));
        fs::create_dir(from.data().join("deep")).unwrap();
        fs::write(from.data().join("deep/state"), "seven").unwrap();
        fs::write(to.data().join("older"), "gone").unwrap();

        let stored = pack(&from, 1 << 20).unwrap();
        fs::rename(from.archive(), to.archive()).unwrap();
        unpack(&to, 6, || false).unwrap_err();
        assert!(to.data().join("older").exists(), "who does not want it any more gets nothing");
        unpack(&to, 7, || true).unwrap();

        assert_eq!(fs::read_to_string(to.data().join("deep/state")).unwrap(), "seven");
        assert_eq!((to.number(), to.data().join("older").exists()), (Some(7), false));
        assert_eq!(pack(&to, 1 << 20).unwrap(), stored);
    }

    #[test]
    fn what_is_too_large_or_leads_out_is_not_packed_and_nothing_is_left_of_it() {
        let root = tempfile::TempDir::new().unwrap();
        let place = place(root.path());
        fs::write(place.data().join("large"), vec![7; 100_000]).unwrap();

        let large = pack(&place, 50_000).unwrap_err();
        fs::remove_file(place.data().join("large")).unwrap();
        std::os::unix::fs::symlink("/etc/shadow", place.data().join("way")).unwrap();
        let out = pack(&place, 50_000).unwrap_err();

        fs::remove_file(place.data().join("way")).unwrap();
        let mut deep = place.data();
        for _ in 0..600 {
            deep.push("d");
            fs::create_dir(&deep).unwrap();
        }
        let deep = pack(&place, 1 << 20).unwrap_err();

        assert!(deep.ends_with("is longer than 1024 bytes"), "{deep}");
        assert!(large.contains("it takes more than 50000 bytes"), "{large}");
        assert!(out.contains("leads out of the folder"), "{out}");
        assert!(!place.archive().exists());
    }
}
