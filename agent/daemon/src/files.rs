//! Files of jobs: inputs to this node, outputs to the scheduler's store.
//!
//! The executor says what it wants, and this process, which has the network, brings it: inputs into a cache by content,
//! from which the executor puts them into the folders of tasks, and outputs from there to the store. Whatever breaks
//! off goes on where it was; an agent that starts anew is asked for everything once more, and finds what is there.

mod cache;
mod checkpoint;
mod collect;
mod fetch;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use repower_artefacts::{Fault, Web};
use repower_model::{Checkpoint, InputFile, JobId, RankId};
use repower_proto::convert;
use repower_proto::v1::artefacts_client::ArtefactsClient;
use repower_proto::v1::from_executor::Body as Wish;
use repower_proto::v1::to_executor::Body as Answer;
use repower_proto::v1::{
    CheckpointFetched, CollectOutputs, FetchCheckpoint, InputsNotStaged, InputsStaged,
    OutputsCollected, SaveCheckpoint, Saved, StageInputs,
};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;

use crate::container::{Engine, EngineError};
use crate::saved::Place;
use crate::transfer::{Pace, Service};
use crate::{Error, Options};

use cache::Cache;

/// Where the cache is in the data folder.
pub(crate) const CACHE: &str = "cache";

/// Transfers of one kind that go on at one time; the others wait. None waits for one of another kind.
const TRANSFERS: usize = 4;
/// Images that are looked for on this node at one time.
const LOOKS: usize = 2;
/// Bytes of a stream that may be on their way here.
const WINDOW: u32 = 4 << 20;
/// Bytes of one frame: files are sent in few large ones.
const FRAME: u32 = 256 << 10;
/// Answers that may wait for the executor.
const ANSWERS: usize = 64;

/// The scheduler knows an agent by its certificate: nothing is added to a call.
type Plain = fn(tonic::Request<()>) -> Result<tonic::Request<()>, Status>;

/// What all transfers share.
#[derive(Debug)]
pub(crate) struct Shared {
    service: Service<Plain>,
    web: Result<Web, Fault>,
    cache: Cache,
    pace: Pace,
    /// Folders of this node from which jobs may have inputs.
    shares: Vec<PathBuf>,
    /// Fetches images.
    engine: Option<Engine>,
    /// Where tasks save their work.
    saved: PathBuf,
    /// The most bytes that are kept of what one of them saves.
    checkpoint_limit: u64,
    /// From the scheduler's store.
    inward: Semaphore,
    /// From other machines, which nobody here answers for, and from folders of this one.
    elsewhere: Semaphore,
    /// To the scheduler's store.
    outward: Semaphore,
    /// From registries, which may take an hour.
    images: Semaphore,
    /// Not from anywhere: whether an image is here.
    looks: Semaphore,
}

impl Shared {
    /// Ways to the store of the scheduler at `endpoint` and to elsewhere, and the cache in the data folder.
    pub(crate) fn new(
        options: &Options,
        data: &Path,
        endpoint: &Endpoint,
        engine: Option<Engine>,
    ) -> Result<Self, Error> {
        let cache = Cache::open(&data.join(CACHE), options.cache_mib.max(1) << 20)
            .map_err(|source| Error::Cache { source: Box::new(source) })?;
        let endpoint = endpoint
            .clone()
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(2 * WINDOW)
            .max_frame_size(FRAME);
        let plain: Plain = Ok;
        let service = ArtefactsClient::new(InterceptedService::new(endpoint.connect_lazy(), plain));
        Ok(Self {
            service,
            web: Web::new(),
            cache,
            pace: Pace::new(options.transfer_kib_per_second.map(|rate| rate << 10)),
            shares: options.shares.clone(),
            engine,
            saved: Place::root(data),
            checkpoint_limit: options.checkpoint_mib << 20,
            inward: Semaphore::new(TRANSFERS),
            elsewhere: Semaphore::new(TRANSFERS),
            outward: Semaphore::new(TRANSFERS),
            images: Semaphore::new(TRANSFERS),
            looks: Semaphore::new(LOOKS),
        })
    }

    /// What fetches images and makes containers on this node.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// Brings an image to this node. One that is here waits for none that is not.
    async fn fetch(&self, image: &str) -> Result<(), String> {
        let engine = self.engine().ok_or_else(|| EngineError::None.to_string())?;
        if self.has(engine, image).await? {
            return Ok(());
        }
        let _permit = self.images.acquire().await.map_err(|_| ending())?;
        // Another job may have had it fetched meanwhile.
        if self.has(engine, image).await? {
            return Ok(());
        }
        engine.pull(image).await.map_err(|error| error.to_string())
    }

    async fn has(&self, engine: &Engine, image: &str) -> Result<bool, String> {
        let _permit = self.looks.acquire().await.map_err(|_| ending())?;
        engine.has(image).await.map_err(|error| error.to_string())
    }
}

fn ending() -> String {
    "the agent ends".to_owned()
}

/// Does what one executor wants until there is no more, and hands the answers to `tell`.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    mut wishes: mpsc::Receiver<Wish>,
    tell: impl AsyncFn(Answer) -> bool,
) {
    // What the executor before this one needed is of no use any more.
    shared.cache.release_all();
    let (answer, mut answers) = mpsc::channel(ANSWERS);
    let mut files = Files {
        shared,
        stages: BTreeMap::new(),
        collections: BTreeMap::new(),
        checkpoints: BTreeMap::new(),
        crew: JoinSet::new(),
        answer,
    };
    loop {
        tokio::select! {
            wish = wishes.recv() => match wish {
                Some(wish) => files.take(wish),
                None => return,
            },
            Some(body) = answers.recv() => if !tell(body).await { return },
            Some(ended) = files.crew.join_next() => {
                if ended.is_err_and(|error| error.is_panic()) {
                    tracing::error!("a transfer has ended badly");
                }
            }
        }
    }
}

/// Files of jobs on their way.
#[derive(Debug)]
struct Files {
    shared: Arc<Shared>,
    stages: BTreeMap<JobId, AbortHandle>,
    collections: BTreeMap<RankId, AbortHandle>,
    checkpoints: BTreeMap<RankId, AbortHandle>,
    crew: JoinSet<()>,
    answer: mpsc::Sender<Answer>,
}

impl Files {
    /// Does what the executor wants; anything else that it says is for others.
    fn take(&mut self, wish: Wish) {
        match wish {
            Wish::Stage(stage) => self.stage(stage),
            Wish::Release(release) => {
                let job = JobId(release.job);
                if let Some(task) = self.stages.remove(&job) {
                    task.abort();
                }
                self.shared.cache.release(job);
            }
            Wish::Collect(collect) => self.collect(collect),
            Wish::Abandon(abandon) => {
                let rank = abandon.attempt.map(RankId::from);
                if let Some(task) = rank.and_then(|rank| self.collections.remove(&rank)) {
                    task.abort();
                }
            }
            Wish::FetchCheckpoint(fetch) => self.fetch(fetch),
            Wish::SaveCheckpoint(save) => self.save(save),
            Wish::AbandonCheckpoint(abandon) => {
                let rank = abandon.attempt.map(RankId::from);
                if let Some(task) = rank.and_then(|rank| self.checkpoints.remove(&rank)) {
                    task.abort();
                }
            }
            Wish::Greeting(_)
            | Wish::Holding(_)
            | Wish::Running(_)
            | Wish::Watched(_)
            | Wish::Claims(_)
            | Wish::Reports(_)
            | Wish::Standing(_)
            | Wish::Process(_)
            | Wish::Succession(_) => {}
        }
    }

    fn stage(&mut self, stage: StageInputs) {
        let job = JobId(stage.job);
        let inputs = stage.inputs.into_iter().map(InputFile::try_from);
        let inputs: Result<Vec<InputFile>, convert::ConvertError> = inputs.collect();
        let (shared, answer) = (Arc::clone(&self.shared), self.answer.clone());
        let task = self.crew.spawn(async move {
            let image = match stage.image.as_str() {
                "" => Ok(()),
                image => shared.fetch(image).await,
            };
            let staged = match (image, inputs) {
                (Ok(()), Ok(inputs)) => fetch::stage(&shared, job, &inputs).await,
                (Err(why), _) => Err(why),
                (_, Err(error)) => Err(error.to_string()),
            };
            let body = match staged {
                Ok(digests) => {
                    let digests = digests.iter().map(|digest| digest.0.to_vec()).collect();
                    Answer::Staged(InputsStaged { job: job.0, digests })
                }
                Err(detail) => {
                    tracing::warn!(%job, detail, "the inputs of a job cannot come");
                    Answer::NotStaged(InputsNotStaged { job: job.0, detail })
                }
            };
            // An executor that is gone needs no answer.
            answer.send(body).await.unwrap_or_default();
        });
        if let Some(before) = self.stages.insert(job, task) {
            before.abort();
        }
    }

    fn collect(&mut self, collect: CollectOutputs) {
        let Some(attempt) = collect.attempt else { return };
        self.collections.retain(|_, task| !task.is_finished());
        let folder = PathBuf::from(OsString::from_vec(collect.folder));
        let (shared, answer) = (Arc::clone(&self.shared), self.answer.clone());
        let task = self.crew.spawn(async move {
            let kept = collect::collect(&shared, &folder, collect.patterns).await;
            let body = Answer::Collected(OutputsCollected {
                attempt: Some(attempt),
                artefacts: kept.artefacts.iter().map(Into::into).collect(),
                missing: kept.missing,
            });
            answer.send(body).await.unwrap_or_default();
        });
        if let Some(before) = self.collections.insert(RankId::from(attempt), task) {
            before.abort();
        }
    }

    /// Brings what a task has saved to this node.
    fn fetch(&mut self, fetch: FetchCheckpoint) {
        let Some(rank) = fetch.attempt.map(RankId::from) else { return };
        let checkpoint = convert::present("checkpoint", fetch.checkpoint);
        let checkpoint = checkpoint.and_then(Checkpoint::try_from);
        let (shared, answer) = (Arc::clone(&self.shared), self.answer.clone());
        let place = Place::of(&shared.saved, rank.attempt.task);
        self.transfer(rank, async move {
            let fetched = match checkpoint {
                Ok(checkpoint) => checkpoint::fetch(&shared, &place, checkpoint).await,
                Err(error) => Err(error.to_string()),
            };
            let problem = fetched.err().unwrap_or_default();
            if !problem.is_empty() {
                tracing::warn!(task = %rank.attempt.task, problem, "what a task has saved cannot come");
            }
            let fetched = CheckpointFetched { attempt: Some(rank.into()), problem };
            answer.send(Answer::CheckpointFetched(fetched)).await.unwrap_or_default();
        });
    }

    /// Brings what a task has saved to the store.
    fn save(&mut self, save: SaveCheckpoint) {
        let Some(rank) = save.attempt.map(RankId::from) else { return };
        let (shared, answer) = (Arc::clone(&self.shared), self.answer.clone());
        let place = Place::of(&shared.saved, rank.attempt.task);
        self.transfer(rank, async move {
            let kept = checkpoint::save(&shared, &place).await;
            if let Err(problem) = &kept {
                tracing::warn!(task = %rank.attempt.task, problem, "what a task has saved is not kept");
            }
            let saved = Saved::of(rank, &kept);
            answer.send(Answer::CheckpointSaved(saved)).await.unwrap_or_default();
        });
    }

    /// Works on the checkpoint of an attempt, and on nothing else of it any more.
    fn transfer(&mut self, rank: RankId, work: impl Future<Output = ()> + Send + 'static) {
        self.checkpoints.retain(|_, task| !task.is_finished());
        let task = self.crew.spawn(work);
        if let Some(before) = self.checkpoints.insert(rank, task) {
            before.abort();
        }
    }
}
