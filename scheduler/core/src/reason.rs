//! Why something waits: stable codes with numbers, as data.

use std::fmt;

use repower_model::{JobId, ReservationId, Span, TaskId, Timestamp};

use crate::plan::filter::Condition;

/// Why a job or task is where it is. Waiting is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A named person must approve the class first.
    Review {
        /// The class.
        class: String,
    },
    /// Other jobs must end first.
    Dependency {
        /// Which.
        on: Vec<JobId>,
    },
    /// Tasks of other jobs must end first.
    TaskDependency {
        /// Which.
        on: Vec<TaskId>,
    },
    /// It asked for a later start.
    StartAfter {
        /// When.
        at: Timestamp,
    },
    /// A retry waits for its time.
    RetryAfter {
        /// When.
        at: Timestamp,
    },
    /// As many of its tasks run as it allows.
    ArrayLimit {
        /// How many it allows.
        limit: u32,
    },
    /// No agent is connected.
    NoNodes,
    /// No node in reach meets a condition that the job sets.
    NoneMeets {
        /// The first that none meets, of those that met all before.
        condition: Condition,
    },
    /// No node could hold a task, even when empty.
    NothingFits {
        /// The scarcest dimension.
        dimension: String,
        /// How much a task asks for.
        asked: String,
        /// The most that any node in reach has.
        most: String,
    },
    /// Nodes that could hold a task are kept for others.
    Reserved {
        /// How many could.
        nodes: usize,
        /// A reservation that keeps one of them.
        id: ReservationId,
        /// How long until that begins; zero: it has begun.
        begins: Span,
        /// How long until it ends.
        ends: Span,
        /// How long an attempt may take; `None`: nobody knows.
        bound: Option<Span>,
    },
    /// Nodes that could hold a task are busy.
    Busy {
        /// How many could.
        nodes: usize,
        /// The dimension that most of them lack.
        dimension: String,
        /// How much a task asks for.
        asked: String,
        /// The most that any of them has free.
        free: String,
    },
    /// Its project holds as much as it may.
    Quota {
        /// Which.
        project: String,
        /// The dimension.
        dimension: String,
        /// How much its tasks hold.
        held: String,
        /// How much the task would take.
        asked: String,
        /// How much it may hold.
        most: String,
    },
    /// It would fit now, but would still be there when another job is to start.
    WouldDelay {
        /// The other job.
        job: JobId,
        /// Where that is to start.
        node: String,
        /// When.
        at: Timestamp,
    },
    /// Others go first, and what is free is kept for them.
    Behind {
        /// How many tasks are ahead.
        tasks: u64,
    },
    /// It fits now: the next pass will place it.
    Next,
    /// It is on a node.
    OnNode {
        /// The node's name.
        node: String,
    },
    /// It has ended.
    Ended {
        /// How, in a word.
        how: &'static str,
    },
}

impl Reason {
    /// The stable code, documented in `docs/reasons.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Review { .. } => "policy.review",
            Self::Dependency { .. } => "dependency.waiting",
            Self::TaskDependency { .. } => "dependency.task-waiting",
            Self::StartAfter { .. } => "time.start-after",
            Self::RetryAfter { .. } => "time.retry-after",
            Self::ArrayLimit { .. } => "array.limit",
            Self::NoNodes => "nodes.none",
            Self::NoneMeets { condition } => condition.code(),
            Self::NothingFits { .. } => "resources.too-large",
            Self::Reserved { .. } => "nodes.reserved",
            Self::Busy { .. } => "resources.busy",
            Self::Quota { .. } => "project.quota",
            Self::WouldDelay { .. } => "backfill.would-delay",
            Self::Behind { .. } => "queue.behind",
            Self::Next => "queue.next",
            Self::OnNode { .. } => "task.on-node",
            Self::Ended { .. } => "job.ended",
        }
    }

    /// What would help, in the imperative; nothing if nothing would.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Review { .. } => {
                Some("an operator decides with `repower review JOB --approve --reason ..`".into())
            }
            Self::Dependency { on } => {
                on.first().map(|job| format!("see `repower why {job}` for the one it waits for"))
            }
            Self::TaskDependency { on } => {
                on.first().map(|task| format!("see `repower why {task}` for the one it waits for"))
            }
            Self::ArrayLimit { .. } => {
                Some("submit with a higher `%limit` to run more at once".into())
            }
            Self::NoNodes => {
                Some("start an agent, or see `repower nodes` for why none is up".into())
            }
            Self::NoneMeets { .. } => Some(
                "`repower nodes` and `repower node NAME` show what there is; ask for less, or add such a node"
                    .into(),
            ),
            Self::Reserved { begins, bound, .. } if *begins > Span::ZERO => {
                let than = if bound.is_some() { "a shorter" } else { "a" };
                Some(format!(
                    "give it {than} --time-limit, below {begins}, or wait; `repower reservations` lists them"
                ))
            }
            Self::Reserved { .. } => Some("`repower reservations` says for whom and why".into()),
            Self::NothingFits { dimension, most, .. } => {
                Some(format!("ask for {most} of {dimension} or less, or add a larger node"))
            }
            Self::Busy { dimension, free, .. } => {
                Some(format!("ask for {free} of {dimension} or less to start now"))
            }
            Self::Quota { project, .. } => Some(format!(
                "it goes when tasks of project {project} end; an operator can raise the quota in the policy"
            )),
            Self::StartAfter { .. }
            | Self::RetryAfter { .. }
            | Self::WouldDelay { .. }
            | Self::Behind { .. }
            | Self::Next
            | Self::OnNode { .. }
            | Self::Ended { .. } => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Review { class } => write!(f, "class `{class}` needs a review by an operator"),
            Self::Dependency { on } => {
                let ids: Vec<_> = on.iter().map(ToString::to_string).collect();
                write!(f, "waits for job {} to end", ids.join(", "))
            }
            Self::TaskDependency { on } => {
                let ids: Vec<_> = on.iter().map(ToString::to_string).collect();
                write!(f, "waits for task {} to end", ids.join(", "))
            }
            Self::StartAfter { .. } => f.write_str("it asked for a later start"),
            Self::RetryAfter { .. } => f.write_str("a retry waits for its time"),
            Self::ArrayLimit { limit } => {
                write!(f, "{limit} of its tasks run, and its array allows no more at once")
            }
            Self::NoNodes => f.write_str("no node takes work now"),
            Self::NoneMeets { condition } => write!(f, "no node in reach is {condition}"),
            Self::NothingFits { dimension, asked, most } => write!(
                f,
                "a task asks for {asked} of {dimension}, and no node in reach has more than {most}"
            ),
            Self::Reserved { nodes, id, begins, ends, bound } => {
                let (many, are) = if *nodes == 1 { ("node", "is") } else { ("nodes", "are") };
                write!(f, "{nodes} {many} could hold a task, but {are} kept for others: ")?;
                match bound {
                    _ if *begins == Span::ZERO => write!(f, "reservation {id} ends in {ends}"),
                    Some(bound) => {
                        write!(f, "reservation {id} begins in {begins}, and it may take {bound}")
                    }
                    None => write!(
                        f,
                        "reservation {id} begins in {begins}, and nobody knows how long it takes"
                    ),
                }
            }
            Self::Busy { nodes, dimension, asked, free } => write!(
                f,
                "{nodes} {} could hold a task, but the most {dimension} free on any is {free} and it asks for {asked}",
                if *nodes == 1 { "node" } else { "nodes" }
            ),
            Self::Quota { project, dimension, held, asked, most } => write!(
                f,
                "project {project} holds {held} of {dimension} and may hold {most}; a task asks for {asked}"
            ),
            Self::WouldDelay { job, node, .. } => {
                write!(f, "what is free on {node} is kept for job {job}, which it would delay")
            }
            Self::Behind { tasks: 1 } => f.write_str("1 task goes first"),
            Self::Behind { tasks } => write!(f, "{tasks} tasks go first"),
            Self::Next => f.write_str("it fits and goes with the next pass"),
            Self::OnNode { node } => write!(f, "it is on node {node}"),
            Self::Ended { how } => write!(f, "it has ended: {how}"),
        }
    }
}
