//! The store of artefacts, and which of them are kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use repower_artefacts::{Entry, Fault, Mover, PIECE, Permit, Place, Pool, Standing, Store};
use repower_model::{Hash, JobSpec, NodeId, Source, Span, Timestamp};
use tokio::sync::{RwLock, mpsc};
use tonic::Code;

use crate::options::Options;
use crate::problem::Problem;
use crate::shared::Shared;
use crate::{Error, clock};

/// How long an artefact is kept that no job refers to: it may be for one that is just being submitted.
const GRACE: Span = Span::from_secs(24 * 3600);
/// Who found no room tries again well within this.
const TURNED_AWAY: Span = Span::from_secs(60);
/// How often what is not needed any more is looked for.
const SWEEP: Duration = Duration::from_hours(1);
/// How much news of what tasks have saved may wait.
const LITTER: usize = 10_000;
/// How many digests are remembered that somebody asked about.
const REMEMBERED: usize = 100_000;

/// How many answers of readers may be open, those included that nobody takes any more: what is on its way of such
/// a one takes 3 MiB until its reader has gone.
const SEATS: usize = 1024;
/// How many of these one reader may have: twice what moves at one time.
const SHARE: usize = 16;

/// The store of artefacts.
#[derive(Debug)]
pub(crate) struct Artefacts {
    store: Store,
    seats: Pool<Mover>,
    /// What somebody asked about: they were told that they need not send it.
    asked: Mutex<BTreeMap<Hash, Asked>>,
    /// What nodes have tried to bring and found no room for, with what they were told, and when.
    turned_away: Mutex<BTreeMap<(NodeId, Hash), (String, Timestamp)>>,
    /// Held for writing from the last look whether something is needed until it is gone, and for
    /// reading while somebody is told that it is there.
    removing: RwLock<()>,
}

/// When and by whom an artefact was asked about.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// The last time.
    at: Timestamp,
    /// Whether a person has asked, who says nothing of what came of it.
    by_person: bool,
    /// How often agents have, and have not yet said that a task has saved it.
    by_agents: u32,
}

/// Who asks about an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    Person,
    Agent,
}

/// News of what tasks have saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Litter {
    /// A fact says that it is in the store.
    Settled(Hash),
    /// A task needs it no more.
    Needless(Hash),
}

/// Takes news of what tasks have saved. What does not fit is found by the sweep.
#[derive(Debug, Clone)]
pub(crate) struct Bin(mpsc::Sender<Litter>);

impl Bin {
    /// A bin, and what is put into it.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Litter>) {
        let (sender, receiver) = mpsc::channel(LITTER);
        (Self(sender), receiver)
    }

    /// Puts something in.
    pub(crate) fn push(&self, litter: Litter) {
        if self.0.try_send(litter).is_err() {
            tracing::debug!("what a task has saved stays until the next sweep");
        }
    }
}

impl Artefacts {
    /// Opens the store that the options name.
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        let folder = options.data.join("artefacts");
        let place = match &options.artefacts {
            None => Place::Folder(folder),
            Some(at) if at.starts_with("s3://") => Place::Bucket {
                address: at.clone(),
                credentials: options.artefacts_credentials.clone(),
                folder,
            },
            Some(at) => Place::Folder(at.into()),
        };
        let store = Store::open(&place).map_err(|source| Error::Artefacts { source })?;
        Ok(Self::of(store))
    }

    fn of(store: Store) -> Self {
        let seats = Pool::new(SEATS, SHARE);
        let (asked, turned_away) = (Mutex::default(), Mutex::default());
        Self { store, seats, asked, turned_away, removing: RwLock::default() }
    }

    /// The store itself.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A seat for a reader whose artefact is about to be sent.
    ///
    /// # Errors
    ///
    /// If it has left so many of its answers standing that there is none.
    pub(crate) fn seat(&self, reader: &Mover) -> Result<Permit<Mover>, Problem> {
        self.seats.try_enter(reader).ok_or_else(Problem::too_many_answers)
    }

    /// How much there is of an artefact. What is there stays for a while, even if no job refers to it.
    pub(crate) async fn stat(&self, digest: Hash, asker: Asker) -> Result<Standing, Problem> {
        let _there = self.removing.read().await;
        self.remember(digest, asker);
        Ok(self.store.stat(digest).await?)
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<Hash, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node has tried to bring an artefact: remembers whether there was room for it.
    pub(crate) fn brought(&self, node: NodeId, digest: Hash, brought: Result<(), &Fault>) {
        let now = clock::now();
        let mut away = self.turned_away.lock().unwrap_or_else(PoisonError::into_inner);
        away.retain(|_, (_, at)| *at >= now.before(TURNED_AWAY));
        match brought {
            Err(fault) if fault.is_full() && fault.may_pass() && away.len() < REMEMBERED => {
                away.insert((node, digest), (fault.to_string(), now));
            }
            Ok(()) | Err(_) => {
                away.remove(&(node, digest));
            }
        }
    }

    /// Why a node cannot bring what tasks there have made, if that is for want of room.
    pub(crate) fn no_room_for(&self, node: NodeId) -> Option<String> {
        let since = clock::now().before(TURNED_AWAY);
        let away = self.turned_away.lock().unwrap_or_else(PoisonError::into_inner);
        let mut of_node = away.range((node, Hash([0; 32]))..=(node, Hash([0xff; 32])));
        of_node.find(|(_, (_, at))| *at >= since).map(|(_, (why, _))| why.clone())
    }

    /// Takes in a few bytes that the scheduler has itself.
    pub(crate) async fn keep(&self, digest: Hash, bytes: Vec<u8>) -> Result<(), Fault> {
        let there = self.removing.read().await;
        self.remember(digest, Asker::Agent);
        if self.store.stat(digest).await?.bytes.is_some() {
            return Ok(());
        }
        // Nobody removes what somebody asks for while it comes.
        drop(there);
        let put = self.store.put(&Mover::Own, digest, bytes.len() as u64, 0).await?;
        for piece in bytes.chunks(PIECE) {
            if !put.write(Bytes::copy_from_slice(piece)).await {
                break;
            }
        }
        put.finish().await
    }

    fn remember(&self, digest: Hash, asker: Asker) {
        let now = clock::now();
        let mut asked = self.asked();
        let one = asked.entry(digest).or_insert(Asked { at: now, by_person: false, by_agents: 0 });
        one.at = now;
        match asker {
            Asker::Person => one.by_person = true,
            Asker::Agent => one.by_agents = one.by_agents.saturating_add(1),
        }
        if asked.len() > REMEMBERED {
            forget(&mut asked, now);
        }
    }

    /// An agent has said that a task has saved this.
    fn settled(&self, digest: Hash) {
        let mut asked = self.asked();
        if let Some(one) = asked.get_mut(&digest) {
            one.by_agents = one.by_agents.saturating_sub(1);
            if one.by_agents == 0 && !one.by_person {
                asked.remove(&digest);
            }
        }
    }

    /// Refuses a job with an input that is not in the store.
    pub(crate) async fn check(&self, spec: &JobSpec) -> Result<(), Problem> {
        for input in &spec.inputs {
            let Source::Stored { digest, bytes } = input.source else { continue };
            let found = self.stat(digest, Asker::Person).await?.bytes;
            if found != Some(bytes) {
                let text = match found {
                    None => format!("the input {:?} is not in the store of artefacts", input.path),
                    Some(found) => format!(
                        "the input {:?} has {bytes} bytes, but in the store there are {found}",
                        input.path
                    ),
                };
                return Err(Problem::new(Code::FailedPrecondition, "input.missing", text)
                    .hint("submit it again: what is missing is uploaded then"));
            }
        }
        Ok(())
    }

    /// Removes an artefact, unless somebody was told since then that it need not be sent. Nobody is told
    /// anything meanwhile. Returns whether it is gone.
    async fn remove(&self, digest: Hash, since: Timestamp) -> Result<bool, Fault> {
        let _alone = self.removing.write().await;
        if self.is_awaited(digest, since) {
            return Ok(false);
        }
        self.store.remove(digest).await?;
        Ok(true)
    }

    /// Whether somebody was told since then that this need not be sent, and may rely on that.
    fn is_awaited(&self, digest: Hash, since: Timestamp) -> bool {
        self.asked().get(&digest).is_some_and(|one| one.at >= since)
    }
}

/// Makes room for many more at once, so that it is not done again for each of them: the oldest go.
fn forget(asked: &mut BTreeMap<Hash, Asked>, now: Timestamp) {
    asked.retain(|_, one| one.at >= now.before(GRACE));
    let most = REMEMBERED / 10 * 9;
    if asked.len() <= most {
        return;
    }
    let mut ages: Vec<(Timestamp, Hash)> = asked.iter().map(|(key, one)| (one.at, *key)).collect();
    let (oldest, _, _) = ages.select_nth_unstable(asked.len() - most);
    for (_, key) in &*oldest {
        asked.remove(key);
    }
}

/// Removes, again and again, what no job refers to any more, until the scheduler ends.
pub(crate) async fn sweep(shared: &Shared) {
    loop {
        // Not at once: whoever was told before a restart that something is there has time to submit.
        tokio::time::sleep(SWEEP).await;
        match sweep_once(shared, clock::now()).await {
            Ok((0, _)) => {}
            Ok((count, bytes)) => {
                tracing::info!(count, bytes, "removed artefacts that no job needs");
            }
            Err(problem) => {
                tracing::warn!(
                    problem = problem.text,
                    "artefacts that no job needs stay until the next sweep"
                );
            }
        }
    }
}

/// Removes what no job refers to any more; returns how many artefacts and bytes that were.
async fn sweep_once(shared: &Shared, now: Timestamp) -> Result<(u64, u64), Problem> {
    let store = shared.artefacts.store();
    let old = now.before(GRACE);
    let (mut count, mut bytes) = (0, store.sweep(old)?);
    for first in 0..=u8::MAX {
        for Entry { digest, bytes: size, modified } in store.list(first).await? {
            if modified >= old || shared.artefacts.is_awaited(digest, old) {
                continue;
            }
            let inputs_since = now.before(shared.options.keep_inputs());
            let needed =
                shared.past(move |history| history.refers_to(digest, inputs_since)).await?;
            if !needed && shared.artefacts.remove(digest, old).await? {
                count += 1;
                bytes += size;
            }
        }
    }
    Ok((count, bytes))
}

/// Removes what tasks have saved and need no more, as long as there is news of that.
pub(crate) async fn tidy(shared: &Shared, mut litter: mpsc::Receiver<Litter>) {
    while let Some(news) = litter.recv().await {
        match news {
            Litter::Settled(digest) => shared.artefacts.settled(digest),
            Litter::Needless(digest) => {
                if let Err(problem) = discard(shared, digest).await {
                    tracing::warn!(
                        problem = problem.text,
                        "what a task has saved stays until the next sweep"
                    );
                }
            }
        }
    }
}

/// Removes an artefact that a task needs no more, unless somebody else may.
async fn discard(shared: &Shared, digest: Hash) -> Result<(), Problem> {
    let inputs_since = clock::now().before(shared.options.keep_inputs());
    let needed = shared.past(move |history| history.refers_to(digest, inputs_since)).await?;
    if !needed && shared.artefacts.remove(digest, clock::now().before(GRACE)).await? {
        tracing::debug!(%digest, "removed what a task has saved");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::future::{Future as _, poll_fn};
    use std::task::Poll;

    use super::*;

    #[test]
    fn whoever_asks_about_very_much_makes_the_oldest_forgotten_and_many_at_once() {
        let mut asked = BTreeMap::new();
        for number in 0..=u64::try_from(REMEMBERED).unwrap() {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&(number ^ 0x5555).to_be_bytes());
            let at = Timestamp::from_millis(i64::try_from(number).unwrap());
            asked.insert(Hash(key), Asked { at, by_person: true, by_agents: 0 });
        }

        forget(&mut asked, Timestamp::from_millis(200_000));

        let oldest = asked.values().map(|one| one.at).min();
        assert_eq!((asked.len(), oldest), (90_000, Some(Timestamp::from_millis(10_001))));
    }

    #[tokio::test]
    async fn what_somebody_is_just_told_of_is_not_removed_behind_their_back() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(&Place::Folder(folder.path().to_owned())).unwrap();
        let artefacts = Artefacts::of(store);
        let bytes = b"hello".to_vec();
        let digest = repower_core::policy::hash_of(&bytes);
        artefacts.keep(digest, bytes).await.unwrap();
        artefacts.asked().clear();
        let since = clock::now().before(GRACE);

        let telling = artefacts.removing.read().await;
        let mut removal = Box::pin(artefacts.remove(digest, since));
        let waits = poll_fn(|cx| Poll::Ready(removal.as_mut().poll(cx).is_pending())).await;
        artefacts.remember(digest, Asker::Person);
        drop(telling);

        assert!(waits, "it waits for whoever is being told");
        assert!(!removal.await.unwrap(), "and sees that they were");
        let standing = artefacts.stat(digest, Asker::Person).await.unwrap();
        assert_eq!(standing.bytes, Some(5));
        artefacts.asked().clear();
        assert!(artefacts.remove(digest, since).await.unwrap());
    }
}
