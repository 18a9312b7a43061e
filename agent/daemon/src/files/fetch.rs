//! Inputs to this node.

use std::convert::identity;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use repower_artefacts::{Body, Bucket, Fault, Hasher, PIECE, Part};
use repower_model::{Hash, InputFile, JobId, Source};
use tonic::Code;

use super::Shared;
use super::cache::{Cache, Turn};
use crate::transfer::{self, Failure, Writer};

/// The first wait before the next try; each is twice the one before.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(15);
/// How often what makes no progress is tried elsewhere than at the scheduler.
const TRIES: u32 = 6;
/// How often the scheduler may say that nothing here needs an input: it may not have noticed yet.
const NOT_YET: u32 = 5;

/// Brings the inputs of a job into the cache; returns what they are, in order.
///
/// # Errors
///
/// Why one of them cannot come, in words.
pub(super) async fn stage(
    shared: &Arc<Shared>,
    job: JobId,
    inputs: &[InputFile],
) -> Result<Vec<Hash>, String> {
    let mut digests = Vec::with_capacity(inputs.len());
    for input in inputs {
        let room = match &input.source {
            Source::Stored { .. } => &shared.inward,
            Source::Url { .. } => &shared.elsewhere,
        };
        let permit = room.acquire().await.map_err(|_| super::ending())?;
        let digest = match &input.source {
            &Source::Stored { digest, bytes } => stored(shared, job, digest, bytes).await,
            Source::Url { url, digest } => elsewhere(shared, job, url, *digest).await,
        };
        drop(permit);
        digests.push(
            digest.map_err(|why| format!("the input {:?} cannot be had: {why}", input.path))?,
        );
    }
    Ok(digests)
}

/// Waits before the next try.
async fn pause(wait: &mut Duration) {
    tokio::time::sleep(*wait).await;
    *wait = (*wait * 2).min(LONGEST);
}

/// From the scheduler's store; while that is away, it is tried again for as long as anybody waits.
async fn stored(
    shared: &Arc<Shared>,
    job: JobId,
    digest: Hash,
    bytes: u64,
) -> Result<Hash, String> {
    let turn = shared.cache.turn(&digest.to_string()).await;
    if shared.cache.pin(job, digest) {
        return Ok(digest);
    }
    let words = |fault: Fault| told(&fault);
    let (mut wait, mut denied) = (FIRST, 0);
    let mut service = shared.service.clone();
    loop {
        let same = Arc::clone(shared);
        let own = turn.clone();
        let begun = turn.aside(move || begin(&same.cache, &own, digest, bytes));
        let part = begun.await.map_err(words)??;
        let before = part.written();
        let part = (part, turn.clone());
        let (part, fetched) =
            transfer::download_holding(&mut service, digest, part, |_| {}, &shared.pace).await;
        let progress = part.as_ref().is_some_and(|part| part.written() > before);
        match (part, fetched) {
            (Some(part), Ok(())) => {
                let same = Arc::clone(shared);
                let own = turn.clone();
                let admitted =
                    turn.aside(move || finish(&same.cache, &own, part, Some(digest))).await;
                return admitted.and_then(identity).map_err(words);
            }
            (None, Ok(())) => {}
            (_, Err(Failure::Call(status))) => {
                denied += u32::from(status.code() == Code::PermissionDenied);
                let not_yet = status.code() == Code::PermissionDenied && denied <= NOT_YET;
                if !transfer::may_pass(&status) && !not_yet {
                    return Err(status.message().to_owned());
                }
                tracing::info!(%job, status = status.message(), "an input has not come: trying again");
            }
            (_, Err(Failure::Write(fault))) => return Err(told(&fault)),
            (_, Err(failure @ (Failure::Read(_) | Failure::Changed))) => {
                return Err(failure.to_string());
            }
        }
        if progress {
            wait = FIRST;
        }
        pause(&mut wait).await;
    }
}

/// Makes room for an artefact of which some may be here; returns that.
fn begin(cache: &Cache, turn: &Turn, digest: Hash, bytes: u64) -> Result<Part, String> {
    let words = |fault: Fault| told(&fault);
    let folder = cache.folder();
    // Before any of it is looked at: until then what was left of it may make room for others.
    cache.make_room(turn, bytes)?;
    let received = folder.received(digest);
    let part = folder.part(digest, if received > bytes { 0 } else { received }).map_err(words)?;
    let left = bytes - part.written();
    part.check_room(left).map_err(words)?;
    Ok(part)
}

/// Takes in what has come as a whole; returns what it is.
fn finish(cache: &Cache, turn: &Turn, part: Part, digest: Option<Hash>) -> Result<Hash, Fault> {
    let sealed = part.seal(digest)?;
    cache.admit(turn, &sealed)?;
    Ok(sealed.digest)
}

/// A fault with its causes, on one line.
pub(super) fn told(fault: &Fault) -> String {
    let mut text = fault.to_string();
    let mut next = std::error::Error::source(fault);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// From somewhere else.
async fn elsewhere(
    shared: &Arc<Shared>,
    job: JobId,
    url: &str,
    digest: Option<Hash>,
) -> Result<Hash, String> {
    let name = digest.map_or_else(|| format!("url{}", of(url)), |digest| digest.to_string());
    let turn = shared.cache.turn(&name).await;
    if let Some(digest) = digest.filter(|digest| shared.cache.pin(job, *digest)) {
        return Ok(digest);
    }
    let (mut wait, mut tries, mut version) = (FIRST, 0, None);
    let part = shared.cache.folder().incoming(&name);
    // What an agent before has left is of a version that nobody knows.
    let mut offset = 0;
    loop {
        match attempt(shared, &turn, url, &part, (offset, &mut version)).await {
            Ok(part) => {
                let same = Arc::clone(shared);
                let own = turn.clone();
                let admitted = turn.aside(move || finish(&same.cache, &own, part, digest)).await;
                let found = admitted.and_then(identity).map_err(|fault| told(&fault))?;
                if shared.cache.pin(job, found) {
                    return Ok(found);
                }
                tries += 1;
                if tries >= TRIES {
                    return Err("others have needed its room in the cache of this node".to_owned());
                }
                offset = 0;
            }
            Err(Broken { fault, .. }) if !fault.may_pass() || fault.is_full() => {
                return Err(told(&fault));
            }
            Err(Broken { fault, at }) => {
                tries = if at > offset { 0 } else { tries + 1 };
                if tries >= TRIES {
                    return Err(format!("after {TRIES} tries: {}", told(&fault)));
                }
                tracing::info!(%job, url, fault = told(&fault), "an input has not come: trying again");
                // Without a digest nobody would notice that an object has changed meanwhile.
                let goes_on = digest.is_some() || version.is_some();
                offset = if goes_on { at } else { 0 };
            }
        }
        pause(&mut wait).await;
    }
}

fn of(url: &str) -> Hash {
    let mut hasher = Hasher::default();
    hasher.update(url.as_bytes());
    hasher.finish()
}

/// What broke a try, and how much had come by then.
struct Broken {
    fault: Fault,
    at: u64,
}

/// One try.
async fn attempt(
    shared: &Arc<Shared>,
    turn: &Turn,
    url: &str,
    path: &Path,
    (offset, version): (u64, &mut Option<String>),
) -> Result<Part, Broken> {
    let broken = |fault| Broken { fault, at: offset };
    let mut from = open(shared, url, offset, version.as_deref()).await.map_err(broken)?;
    let (offset, bytes) = from.place();
    if let From::Web(body) = &from {
        version.clone_from(&body.version);
    }
    let left = bytes.unwrap_or(0).saturating_sub(offset);
    let refused = |problem: String| Fault::BadAddress { address: url.to_owned(), problem };
    let make_room = |whole: u64| {
        let (same, own) = (Arc::clone(shared), turn.clone());
        turn.aside(move || same.cache.make_room(&own, whole))
    };
    let room = make_room(offset + left).await;
    room.and_then(|made| made.map_err(refused)).map_err(broken)?;
    let path = path.to_owned();
    let opened = turn.aside(move || {
        let part = Part::open(&path, offset)?;
        part.check_room(left)?;
        Ok(part)
    });
    let part = opened.await.and_then(identity).map_err(broken)?;
    let writer = Writer::new(part, turn.clone());
    let mut come = offset;
    let mut roomy = left;
    let fetched = loop {
        match from.next().await {
            Ok(Some(piece)) => {
                come += piece.len() as u64;
                if bytes.is_none() && come - offset > roomy {
                    // Nobody knows how long it is: room is made as it comes.
                    roomy += 64 << 20;
                    let room = make_room(offset + roomy).await;
                    if let Err(fault) = room.and_then(|made| made.map_err(refused)) {
                        break Err(fault);
                    }
                }
                shared.pace.spend(piece.len()).await;
                if !writer.write(piece.into()).await {
                    break Ok(());
                }
            }
            Ok(None) => break Ok(()),
            Err(fault) => break Err(fault),
        }
    };
    let (part, written) = writer.finish().await;
    let at = part.as_ref().map_or(0, Part::written);
    written.and(fetched).map_err(|fault| Broken { fault, at })?;
    part.ok_or(Broken { fault: Fault::Ending, at })
}

/// Where bytes come from.
enum From {
    Web(Body),
    Bucket(
        u64,
        u64,
        std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<bytes::Bytes, Fault>> + Send>>,
    ),
    File(tokio::fs::File, u64),
}

async fn open(
    shared: &Shared,
    url: &str,
    offset: u64,
    version: Option<&str>,
) -> Result<From, Fault> {
    let web = || {
        shared
            .web
            .as_ref()
            .map_err(|fault| Fault::BadAddress { address: url.to_owned(), problem: told(fault) })
    };
    if url.starts_with("s3://") {
        let bucket = Bucket::open(url, None, web()?)?;
        let (bytes, bits) = bucket.get_object(offset).await?;
        return Ok(From::Bucket(offset, bytes, bits));
    }
    if let Some(path) = url.strip_prefix("file://") {
        return shared_file(shared, url, path).await;
    }
    web()?.get(url, offset, version).await.map(From::Web)
}

/// A file of this node, if it lies in a folder from which jobs may have inputs: the agent can read more than they.
async fn shared_file(shared: &Shared, url: &str, path: &str) -> Result<From, Fault> {
    let refused =
        |problem: &str| Fault::BadAddress { address: url.to_owned(), problem: problem.to_owned() };
    let (path, shares) = (Path::new(path).to_owned(), shared.shares.clone());
    let found = tokio::task::spawn_blocking(move || {
        // Links are followed first: what counts is where the file is.
        let path = path.canonicalize()?;
        let is_shared = shares
            .iter()
            .any(|share| share.canonicalize().is_ok_and(|share| path.starts_with(share)));
        Ok::<_, std::io::Error>((path, is_shared))
    });
    let found = found.await.map_err(|_| Fault::Ending)?;
    let (path, is_shared) = found.map_err(|error| refused(&error.to_string()))?;
    if !is_shared {
        return Err(refused("no --share of the agent of this node has it"));
    }
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let mut options = tokio::fs::OpenOptions::new();
    options.read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    let file = options.open(&path).await.map_err(|error| refused(&error.to_string()))?;
    let found = file.metadata().await.map_err(|error| refused(&error.to_string()))?;
    if !found.is_file() {
        return Err(refused("it is not a regular file"));
    }
    Ok(From::File(file, found.len()))
}

impl From {
    /// Where in the file it begins, and how long all of it is.
    fn place(&self) -> (u64, Option<u64>) {
        match self {
            Self::Web(body) => (body.offset, body.bytes),
            Self::Bucket(offset, bytes, _) => (*offset, Some(*bytes)),
            Self::File(_, bytes) => (0, Some(*bytes)),
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        use futures_util::TryStreamExt as _;
        use tokio::io::AsyncReadExt as _;
        match self {
            Self::Web(body) => Ok(body.next().await?.map(Vec::from)),
            Self::Bucket(_, _, bits) => Ok(bits.try_next().await?.map(Vec::from)),
            Self::File(file, _) => {
                let mut piece = vec![0; PIECE];
                let read = file.read(&mut piece).await;
                let read = read.map_err(Fault::io("read", Path::new("a shared file")))?;
                piece.truncate(read);
                Ok((read > 0).then_some(piece))
            }
        }
    }
}
