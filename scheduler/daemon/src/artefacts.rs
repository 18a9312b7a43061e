//! The store of artefacts, and which of them are kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use repower_artefacts::{Entry, Place, Standing, Store};
use repower_model::{Hash, JobSpec, Source, Span, Timestamp};
use tonic::Code;

use crate::options::Options;
use crate::problem::Problem;
use crate::shared::Shared;
use crate::{Error, clock};

/// How long an artefact is kept that no job refers to: it may be for one that is just being submitted.
const GRACE: Span = Span::from_secs(24 * 3600);
/// How often what is not needed any more is looked for.
const SWEEP: Duration = Duration::from_hours(1);
/// How many digests are remembered that somebody asked about.
const REMEMBERED: usize = 100_000;

/// The store of artefacts.
#[derive(Debug)]
pub(crate) struct Artefacts {
    store: Store,
    /// What somebody asked about, and when: they were told that they need not send it.
    asked: Mutex<BTreeMap<Hash, Timestamp>>,
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
        Ok(Self { store, asked: Mutex::default() })
    }

    /// The store itself.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// How much there is of an artefact. What is there stays for a while, even if no job refers to it.
    pub(crate) async fn stat(&self, digest: Hash) -> Result<Standing, Problem> {
        self.remember(digest);
        Ok(self.store.stat(digest).await?)
    }

    fn remember(&self, digest: Hash) {
        let now = clock::now();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(digest, now);
        if asked.len() > REMEMBERED {
            asked.retain(|_, at| *at >= now.before(GRACE));
        }
        while asked.len() > REMEMBERED {
            asked.pop_first();
        }
    }

    /// Refuses a job with an input that is not in the store.
    pub(crate) async fn check(&self, spec: &JobSpec) -> Result<(), Problem> {
        for input in &spec.inputs {
            let Source::Stored { digest, bytes } = input.source else { continue };
            let found = self.stat(digest).await?.bytes;
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

    /// Whether somebody was told lately that this need not be sent.
    fn is_awaited(&self, digest: Hash, since: Timestamp) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(&digest).is_some_and(|at| *at >= since)
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
            if !needed {
                store.remove(digest).await?;
                count += 1;
                bytes += size;
            }
        }
    }
    Ok((count, bytes))
}
