//! Queries from any thread, while the journal goes on.

use std::path::Path;
use std::sync::Arc;

use repower_model::{FindingId, Hash as Digest, IndexRange, JobId, Key, RankId, TaskId, Timestamp};
use rusqlite::OptionalExtension as _;

use super::schema::LEDGER;
use super::{
    AttemptFilter, FindingFilter, JobFilter, attempts, checkpoints, claims, decisions, files,
    findings, jobs, ledger, nodes, ranks, steps,
};
use crate::database::FileError;
use crate::journal::{Ledger, ReadError, SignedHead, StoredEntry};
use crate::merkle::Hash;
use crate::pool::Pool;
use crate::rows::{
    AttemptRow, CheckpointRow, ClaimRow, Collection, DecisionRow, JobRow, NodeRow, RankRow,
    StepTaken,
};

/// A handle for queries on a ledger; cheap to clone, and to share between threads.
///
/// It has connections of its own, so it neither waits for the writer nor holds it up.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: Arc<Pool>,
}

impl Reader {
    /// Opens the ledger of a data folder for reading, with or without a scheduler that writes it.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        Ok(Self { pool: Arc::new(Pool::open(folder, LEDGER)?) })
    }

    /// The file that is read.
    pub fn path(&self) -> &Path {
        self.pool.path()
    }

    /// The public key that the ledger says its heads verify with. An auditor brings their own copy.
    pub fn verifier_key(&self) -> Result<Option<String>, ReadError> {
        let query = "SELECT verifier_key FROM ledger";
        Ok(self
            .pool
            .with(|connection| connection.query_row(query, [], |row| row.get(0)).optional())?)
    }

    /// The job of this number.
    pub fn job(&self, id: JobId) -> Result<Option<JobRow>, ReadError> {
        Ok(self.pool.with(|connection| jobs::by_id(connection, id))?)
    }

    /// The job that was submitted with this UUID.
    pub fn job_by_key(&self, key: Key) -> Result<Option<JobRow>, ReadError> {
        Ok(self.pool.with(|connection| jobs::by_key(connection, key))?)
    }

    /// The jobs that pass the filter, newest first.
    pub fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobRow>, ReadError> {
        Ok(self.pool.with(|connection| jobs::list(connection, filter))?)
    }

    /// The attempts of a job that pass the filter, by task and number.
    pub fn attempts(
        &self,
        job: JobId,
        filter: &AttemptFilter,
    ) -> Result<Vec<AttemptRow>, ReadError> {
        Ok(self.pool.with(|connection| attempts::list(connection, job, filter))?)
    }

    /// The ranks of a task's attempts, by attempt and rank; none if it is not a gang. At most `limit`:
    /// those of the latest attempts.
    pub fn latest_ranks(&self, task: TaskId, limit: usize) -> Result<Vec<RankRow>, ReadError> {
        Ok(self.pool.with(|connection| ranks::latest(connection, task, limit))?)
    }

    /// The signals that ended the attempts of a task, by attempt, rank and step. At most `limit`: those
    /// of the latest attempts.
    pub fn latest_steps(&self, task: TaskId, limit: usize) -> Result<Vec<StepTaken>, ReadError> {
        Ok(self.pool.with(|connection| steps::latest(connection, task, limit))?)
    }

    /// One rank of a gang.
    pub fn rank(&self, id: RankId) -> Result<Option<RankRow>, ReadError> {
        Ok(self.pool.with(|connection| ranks::by_id(connection, id))?)
    }

    /// What was brought back of a job's tasks, or of one of them, by task and rank, after a place in that order: of
    /// each task that of its latest attempt of which anything was brought back.
    pub fn outputs(
        &self,
        job: JobId,
        index: Option<u32>,
        after: Option<(u32, u32)>,
        limit: usize,
    ) -> Result<Vec<Collection>, ReadError> {
        Ok(self.pool.with(|connection| files::list(connection, job, index, after, limit))?)
    }

    /// What the attempts of some tasks of a job have saved for the next ones, by task and attempt.
    pub fn checkpoints(
        &self,
        job: JobId,
        tasks: (u32, u32),
        limit: usize,
    ) -> Result<Vec<CheckpointRow>, ReadError> {
        Ok(self.pool.with(|connection| checkpoints::list(connection, job, tasks, limit))?)
    }

    /// What the processes of some tasks of a job said last of their progress, by task, attempt and rank.
    pub fn claims(
        &self,
        job: JobId,
        tasks: (u32, u32),
        limit: usize,
    ) -> Result<Vec<ClaimRow>, ReadError> {
        Ok(self.pool.with(|connection| claims::list(connection, job, tasks, limit))?)
    }

    /// What was decided about a job, in the order in which it was: at most `limit`, the latest.
    pub fn decisions(&self, job: JobId, limit: usize) -> Result<Vec<DecisionRow>, ReadError> {
        Ok(self.pool.with(|connection| decisions::list(connection, job, limit))?)
    }

    /// Whether a task of a job has failed for want of memory.
    pub fn ran_out_of_memory(&self, job: JobId) -> Result<bool, ReadError> {
        Ok(self.pool.with(|connection| attempts::ran_out_of_memory(connection, job))?)
    }

    /// Whether an artefact is an output of any job, an input of one that goes on or ended at `inputs_since` or later, or
    /// what a task has saved that goes on, or evidence of a finding.
    pub fn refers_to(&self, digest: Digest, inputs_since: Timestamp) -> Result<bool, ReadError> {
        Ok(self.pool.with(|connection| {
            Ok(files::refers(connection, digest, inputs_since)?
                || checkpoints::refers(connection, digest)?)
        })?)
    }

    /// The findings that pass the filter, newest first, as the bytes of their rows.
    pub fn findings(&self, filter: &FindingFilter) -> Result<Vec<Vec<u8>>, ReadError> {
        Ok(self.pool.with(|connection| findings::list(connection, filter))?)
    }

    /// The finding of this number, as the bytes of its row.
    pub fn finding(&self, id: FindingId) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.pool.with(|connection| findings::by_id(connection, id))?)
    }

    /// A finding that keeps outputs of a job, or of one of its tasks, from being fetched; with the task.
    pub fn holds_outputs(
        &self,
        job: JobId,
        index: Option<u32>,
    ) -> Result<Option<(FindingId, Option<u32>)>, ReadError> {
        Ok(self.pool.with(|connection| findings::holds(connection, job, index))?)
    }

    /// A finding that keeps an artefact from being read, because nobody else has put it out, nor brought it along.
    pub fn holds_artefact(
        &self,
        digest: repower_model::Hash,
    ) -> Result<Option<FindingId>, ReadError> {
        Ok(self.pool.with(|connection| findings::holds_artefact(connection, digest))?)
    }

    /// How many findings there are in each state.
    pub fn finding_counts(&self) -> Result<Vec<(String, u64)>, ReadError> {
        Ok(self.pool.with(findings::counts)?)
    }

    /// The tasks of a job that failed for good, as ranges in order.
    pub fn failed_tasks(&self, job: JobId) -> Result<Vec<IndexRange>, ReadError> {
        Ok(self.pool.with(|connection| attempts::failed_tasks(connection, job))?)
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Result<Option<NodeRow>, ReadError> {
        Ok(self.pool.with(|connection| nodes::by_name(connection, name))?)
    }

    /// All nodes, by name.
    pub fn nodes(&self) -> Result<Vec<NodeRow>, ReadError> {
        Ok(self.pool.with(nodes::list)?)
    }

    /// The stored leaf hash of a fact.
    pub fn leaf(&self, seq: u64) -> Result<Option<Hash>, ReadError> {
        Ok(self.pool.with(|connection| ledger::leaf(connection, seq))?)
    }
}

impl Ledger for Reader {
    fn latest_head(&self) -> Result<Option<SignedHead>, ReadError> {
        Ok(self.pool.with(ledger::latest_head)?)
    }

    fn heads(&self, limit: usize, before: Option<u64>) -> Result<Vec<SignedHead>, ReadError> {
        Ok(self.pool.with(|connection| ledger::heads(connection, limit, before))?)
    }

    fn entries(&self, from_seq: u64, limit: usize) -> Result<Vec<StoredEntry>, ReadError> {
        Ok(self.pool.with(|connection| ledger::entries(connection, from_seq, limit))?)
    }

    fn leaf_hashes(&self, size: u64) -> Result<Vec<Hash>, ReadError> {
        ledger::complete(self.pool.with(|connection| ledger::leaf_hashes(connection, size))?, size)
    }
}
