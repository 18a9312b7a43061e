//! Why something waits: stable codes with numbers, as data.

use std::fmt;

use repower_model::{
    FindingId, JobId, ReservationId, Response, Span, StopCause, StopStep, TaskId, Timestamp,
};

use crate::plan::filter::Condition;

/// Why a job or task is where it is. Waiting is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A named person must approve the class first.
    Review {
        /// The job.
        job: JobId,
        /// The class.
        class: String,
    },
    /// A named person must look first at what was found in it.
    Suspect {
        /// The job.
        job: JobId,
        /// Where it was found.
        place: String,
        /// What was found.
        detail: String,
    },
    /// The policy now in force prohibits its class, or has none of that name.
    Barred {
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
        /// How many of them lack the dimension: fewer than all if others lack something else.
        lacking: usize,
        /// The dimension that most of them lack.
        dimension: String,
        /// How much a task asks for.
        asked: String,
        /// The most that any of those that lack it has free.
        free: String,
    },
    /// It wants a node for itself, and others run on all that could hold it.
    Occupied {
        /// How many could.
        nodes: usize,
    },
    /// Nodes have room, but short tasks that were sent there ahead wait for more of it.
    Runway {
        /// How many have room.
        nodes: usize,
    },
    /// The ranks of a gang start together, and not enough nodes have room for theirs.
    Gang {
        /// How many nodes it takes, or ranks where any nodes will do.
        wanted: u64,
        /// How many nodes have room now, or for how many ranks there is room.
        free: u64,
        /// The same if all were empty.
        most: u64,
        /// What is counted: `node` or `rank`.
        noun: &'static str,
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
        /// When; `None`: nobody knows.
        at: Option<Timestamp>,
    },
    /// A place is promised to it, and others are stopping there.
    Promised {
        /// Where they still are.
        node: String,
        /// The last of what stops there; `None`: it has ended.
        after: Option<TaskId>,
    },
    /// It leaves a place or its project's quota to more urgent work, for which others are stopping.
    MakingRoom {
        /// Where.
        node: String,
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
    /// It is on a node that ends it.
    Stopping {
        /// The node's name.
        node: String,
        /// Why, and the latest signal with how long ago it was sent; `None`: the node was told to end
        /// it, and has not said that it has begun.
        last: Option<(StopCause, StopStep, Span)>,
        /// The signal that comes next, and in how long at the latest.
        next: Option<(StopStep, Span)>,
    },
    /// Its node cannot be reached, and it goes on there.
    OutOfTouch {
        /// The node's name.
        node: String,
        /// For how long.
        since: Span,
    },
    /// Somebody has to look at another task of its job first.
    FindingHeld {
        /// Which finding.
        finding: FindingId,
        /// By which rules.
        rules: String,
    },
    /// It is on a node, and something was noticed about it.
    FindingNoticed {
        /// The node's name.
        node: String,
        /// Which finding.
        finding: FindingId,
        /// By which rules.
        rules: String,
        /// What is done about it.
        response: Response,
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
            Self::Suspect { .. } => "content.review",
            Self::Barred { .. } => "policy.barred",
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
            Self::Occupied { .. } => "nodes.occupied",
            Self::Runway { .. } => "nodes.runway",
            Self::Gang { .. } => "gang.waiting",
            Self::Quota { .. } => "project.quota",
            Self::WouldDelay { .. } => "backfill.would-delay",
            Self::Promised { .. } => "preemption.promised",
            Self::MakingRoom { .. } => "preemption.making-room",
            Self::Behind { .. } => "queue.behind",
            Self::Next => "queue.next",
            Self::OnNode { .. } => "task.on-node",
            Self::Stopping { .. } => "task.stopping",
            Self::OutOfTouch { .. } => "task.out-of-touch",
            Self::FindingHeld { .. } => "finding.job-held",
            Self::FindingNoticed { response: Response::Freeze | Response::Kill, .. } => {
                "finding.frozen"
            }
            Self::FindingNoticed { response: Response::Hold, .. } => "finding.outputs-held",
            Self::FindingNoticed { response: Response::Ask | Response::None, .. } => {
                "finding.asked"
            }
            Self::Ended { .. } => "job.ended",
        }
    }

    /// What would help, in the imperative; nothing if nothing would.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Review { job, .. } | Self::Suspect { job, .. } => Some(format!(
                "an operator decides: `repower review {job} --approve --reason WHY`, or --deny"
            )),
            Self::Barred { .. } => Some(
                "it was accepted under another policy: cancel it, or an operator changes the policy"
                    .into(),
            ),
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
                Some("`repower nodes` shows why; `repower resume NODE` ends a drain".into())
            }
            Self::NoneMeets { condition: Condition::Address } => Some(
                "start the agents with `--address HOST`, by which the ranks on other nodes reach theirs"
                    .into(),
            ),
            Self::NoneMeets { condition: Condition::Ability(_) } => Some(
                "`repower node NAME` shows what its agent can do; ask for less isolation or fewer limits, or add a node that can"
                    .into(),
            ),
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
                let most = amount(most, dimension);
                Some(format!("ask for {most} or less, or add a larger node"))
            }
            Self::Busy { .. } => {
                Some("wait, or ask for what is free: `repower nodes` shows it".into())
            }
            Self::Occupied { .. } => Some("wait, or leave out --exclusive".into()),
            Self::Gang { wanted, most, .. } if most < wanted => Some(
                "ask for fewer nodes or ranks, or bring nodes back: `repower nodes` shows them".into(),
            ),
            Self::Gang { .. } => {
                Some("wait, or ask for fewer nodes or for --layout pack".into())
            }
            Self::Quota { project, .. } => Some(format!(
                "it goes when tasks of project {project} end; an operator can raise the quota in the policy"
            )),
            Self::OutOfTouch { node, .. } => Some(format!(
                "wait for the node; or `repower cancel --force` ends it in the books, and `repower drain {node} --give-up --reason WHY` lets all that the node kept be tried elsewhere"
            )),
            Self::FindingNoticed { response: Response::Ask | Response::None, .. } => Some(
                "show that it gets on: `repower progress` from inside the job, or write outputs"
                    .into(),
            ),
            Self::FindingHeld { finding, .. } | Self::FindingNoticed { finding, .. } => {
                Some(format!(
                    "an operator looks: `repower findings show {finding}`, then `dismiss` or `confirm`"
                ))
            }
            Self::StartAfter { .. }
            | Self::RetryAfter { .. }
            | Self::WouldDelay { .. }
            | Self::Runway { .. }
            | Self::Promised { .. }
            | Self::MakingRoom { .. }
            | Self::Behind { .. }
            | Self::Next
            | Self::OnNode { .. }
            | Self::Stopping { .. }
            | Self::Ended { .. } => None,
        }
    }
}

impl fmt::Display for Reason {
    #[expect(clippy::too_many_lines, reason = "one sentence a reason")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Review { class, .. } => {
                write!(f, "class `{class}` needs a review by a person")
            }
            Self::Suspect { place, detail, .. } => {
                write!(f, "a person has to look: the job's {place} {detail}")
            }
            Self::Barred { class } => {
                write!(f, "the policy now in force does not let class `{class}` start")
            }
            Self::Dependency { on } => {
                write!(f, "it waits for {} to end", named(on, "job"))
            }
            Self::TaskDependency { on } => {
                write!(f, "it waits for {} to end", named(on, "task"))
            }
            Self::StartAfter { .. } => f.write_str("it asked for a later start"),
            Self::RetryAfter { .. } => f.write_str("a retry waits for its time"),
            Self::ArrayLimit { limit: 1 } => {
                f.write_str("1 of its tasks runs, and its array allows no more at once")
            }
            Self::ArrayLimit { limit } => {
                write!(f, "{limit} of its tasks run, and its array allows no more at once")
            }
            Self::NoNodes => f.write_str("no node takes work now"),
            Self::NoneMeets { condition } => write!(f, "no node that takes work is {condition}"),
            Self::NothingFits { dimension, asked, most } => write!(
                f,
                "a task asks for {}, and no node that takes work has more than {most}",
                amount(asked, dimension)
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
            Self::Busy { nodes, lacking, dimension, asked, free } => {
                let (free, asked) = (amount(free, dimension), amount(asked, dimension));
                busy(f, (*nodes, *lacking), &asked, &free)
            }
            Self::Occupied { nodes: 1 } => f.write_str(
                "it wants a node for itself, and others run on the one that could hold it",
            ),
            Self::Occupied { nodes } => write!(
                f,
                "it wants a node for itself, and others run on all {nodes} that could hold it"
            ),
            Self::Gang { wanted, free, most, noun: "rank" } => write!(
                f,
                "its {wanted} ranks start together, and there is room for {free} now, or {most} if \
                 all nodes were empty"
            ),
            Self::Gang { wanted, free, most, noun } => write!(
                f,
                "its ranks start together on {wanted} {noun}{}, and {free} {} room for their share \
                 now, or {most} if all were empty",
                if *wanted == 1 { "" } else { "s" },
                if *free == 1 { "has" } else { "have" }
            ),
            Self::Quota { project, dimension, held, asked, most } => write!(
                f,
                "project {project} holds {held} of the {} that it may have, and a task asks for {asked}",
                amount(most, dimension)
            ),
            Self::WouldDelay { job, node, at: Some(_) } => {
                write!(f, "what is free on {node} is kept for job {job}, which it would delay")
            }
            Self::WouldDelay { job, node, at: None } => write!(
                f,
                "what is free on {node} is kept for job {job}, which has waited for long and could \
                 go nowhere else sooner"
            ),
            Self::Runway { nodes: 1 } => f.write_str(
                "1 node has room, but short tasks that were sent there ahead wait for more of it",
            ),
            Self::Runway { nodes } => write!(
                f,
                "{nodes} nodes have room, but short tasks that were sent there ahead wait for more of it"
            ),
            Self::Promised { node, after: Some(task) } => write!(
                f,
                "a place on {node} is promised to it, and it goes when task {task} has stopped there"
            ),
            Self::Promised { node, after: None } => {
                write!(f, "a place on {node} is promised to it, and it goes when that is free")
            }
            Self::MakingRoom { node } => write!(
                f,
                "it leaves its place to more urgent work, for which others are stopping on {node}"
            ),
            Self::Behind { tasks } => {
                let (go, them) =
                    if *tasks == 1 { ("task goes", "it") } else { ("tasks go", "them") };
                write!(
                    f,
                    "it would fit, but {tasks} {go} first, and the policy lets nothing overtake {them}"
                )
            }
            Self::Next => f.write_str("it fits and goes with the next pass"),
            Self::OnNode { node } => write!(f, "it is on node {node}"),
            Self::Stopping { node, last: None, .. } => {
                write!(f, "node {node} was told to stop it, and has not begun to")
            }
            Self::Stopping { node, last: Some(last), next } => stopping(f, node, *last, *next),
            Self::OutOfTouch { node, since } => write!(
                f,
                "its node {node} has been out of touch for {since}; the job goes on there, and is not tried elsewhere"
            ),
            Self::FindingHeld { finding, rules } => write!(
                f,
                "another task of its job stands still for finding {finding} ({rules}), and none starts until a person has looked"
            ),
            Self::FindingNoticed { node, finding, rules, response } => {
                noticed(f, node, *finding, rules, *response)
            }
            Self::Ended { how } => write!(f, "it has ended: {how}"),
        }
    }
}

/// What was noticed about a task that is on its node, and what is done about it.
fn noticed(
    f: &mut fmt::Formatter<'_>,
    node: &str,
    finding: FindingId,
    rules: &str,
    response: Response,
) -> fmt::Result {
    match response {
        Response::None | Response::Ask => write!(
            f,
            "it is on node {node}, and is asked to show that it gets on: finding {finding} ({rules})"
        ),
        Response::Hold => write!(
            f,
            "it is on node {node}, and its outputs are held back for finding {finding} ({rules})"
        ),
        Response::Freeze => write!(
            f,
            "it stands still on node {node} until a person has looked at finding {finding} ({rules})"
        ),
        Response::Kill => write!(f, "node {node} ends it for finding {finding} ({rules})"),
    }
}

/// The latest signal of a stop, and the next.
fn stopping(
    f: &mut fmt::Formatter<'_>,
    node: &str,
    (cause, step, ago): (StopCause, StopStep, Span),
    next: Option<(StopStep, Span)>,
) -> fmt::Result {
    write!(f, "node {node} is stopping it ({}): ", cause.as_str())?;
    write!(f, "it got {} {ago} ago", signal(step))?;
    match next {
        Some((next, within)) => write!(f, ", and gets {} in {within}", signal(next)),
        None => f.write_str(", and nothing survives that"),
    }
}

fn signal(step: StopStep) -> &'static str {
    match step {
        StopStep::Checkpoint => "its checkpoint signal",
        StopStep::Terminate => "SIGTERM",
        StopStep::Kill => "SIGKILL",
    }
}

/// An amount of a dimension, as a person would say it: `1 cpu`, `4 GiB of memory`.
pub(crate) fn amount(shown: &str, dimension: &str) -> String {
    match (dimension, shown) {
        ("cpus", "1") => "1 cpu".to_owned(),
        ("cpus", _) => format!("{shown} cpus"),
        // Things that are counted, by their own names: `2 gpu`.
        _ if shown.bytes().all(|byte| byte.is_ascii_digit()) => format!("{shown} {dimension}"),
        _ => format!("{shown} of {dimension}"),
    }
}

/// Jobs or tasks by their ids: `job 3`, `jobs 3, 4`.
fn named<T: fmt::Display>(ids: &[T], noun: &str) -> String {
    let plural = if ids.len() == 1 { "" } else { "s" };
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    format!("{noun}{plural} {}", ids.join(", "))
}

/// Of so many nodes so many have no more than `free` free.
fn busy(
    f: &mut fmt::Formatter<'_>,
    (nodes, lacking): (usize, usize),
    asked: &str,
    free: &str,
) -> fmt::Result {
    if nodes == 1 {
        write!(f, "the one node that could hold a task has {free} free, and it asks for {asked}")
    } else if lacking == nodes {
        write!(
            f,
            "{nodes} nodes could hold a task, but none has more than {free} free, and it asks for {asked}"
        )
    } else {
        let have = if lacking == 1 { "has" } else { "have" };
        write!(
            f,
            "{nodes} nodes could hold a task, but none has all of it free: {lacking} of them {have} no \
             more than {free}, and it asks for {asked}"
        )
    }
}
