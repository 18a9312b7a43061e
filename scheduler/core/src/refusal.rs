//! Commands that the scheduler will not carry out.

use repower_model::{
    ApprovalId, ArrayError, Bytes, FindingId, FindingState, Hash, ImageError, JobId, JobState,
    Mark, NodeId, ReservationId, Role, Sign, Span, TaskId, TokenId,
};

use crate::reason::amount;

/// A command that the scheduler will not carry out. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Something else was submitted under this key, or by somebody else.
    #[error("another job was submitted under this key: job {job}")]
    KeyTaken {
        /// Which.
        job: JobId,
    },
    /// No class was declared.
    #[error("the job declares no class, and undeclared work is not run")]
    ClassUndeclared {
        /// The classes of the policy that may run.
        known: Vec<String>,
    },
    /// The class is not in the policy.
    #[error("the policy knows no class `{class}`")]
    ClassUnknown {
        /// As declared.
        class: String,
        /// The known class that looks most like it.
        nearest: Option<String>,
        /// The classes of the policy that may run.
        known: Vec<String>,
    },
    /// The class is prohibited.
    #[error("class `{class}` is prohibited by policy {version}: {entry}")]
    ClassProhibited {
        /// As declared.
        class: String,
        /// Version of the policy.
        version: String,
        /// The entry of the catalogue that says so.
        entry: String,
    },
    /// Something was found in what the job brings along that policy does not let in.
    #[error("the job's {} {}: policy {version} does not let that in", mark.place, mark.detail)]
    Content {
        /// What weighs most of what was found.
        mark: Box<Mark>,
        /// Version of the policy.
        version: String,
    },
    /// Another policy came into force while the job was being looked at.
    #[error("policy {version} came into force while the job was being looked at")]
    PolicyChanged {
        /// Version of the policy.
        version: String,
    },
    /// Another policy is in force than the one that was to be replaced.
    #[error("policy {version} is in force, and not the one that this was compared with")]
    PolicyReplaced {
        /// Version of the policy in force.
        version: String,
    },
    /// There is neither a command nor a script.
    #[error("the job has neither a command nor a script")]
    NothingToRun,
    /// A text is empty, too long, or has a character that it must not have.
    #[error("{what} {problem}")]
    BadText {
        /// Which field.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A task of somebody else.
    #[error("job {job} is {owner}'s, and {by} is no operator")]
    NotYours {
        /// Which job.
        job: JobId,
        /// Whose it is.
        owner: String,
        /// Who asks.
        by: String,
    },
    /// What only operators may do.
    #[error("{by} may not {what}: only operators may, and this token is a submitter's")]
    OperatorsOnly {
        /// What, as `approve jobs`.
        what: &'static str,
        /// Who asks.
        by: String,
    },
    /// An operator decides about their own job, though another one could.
    #[error("{by} has submitted it, so somebody else decides")]
    OwnWork {
        /// Who asks.
        by: String,
        /// Another operator.
        other: String,
    },
    /// A task that has no process now.
    #[error("task {task} does not run now")]
    NotRunning {
        /// Which.
        task: TaskId,
    },
    /// A task that stands still, or ends, for what was noticed about it.
    #[error("nobody enters task {task} while finding {finding} holds it")]
    StandsStill {
        /// Which.
        task: TaskId,
        /// For which finding.
        finding: FindingId,
    },
    /// A task whose node cannot be reached.
    #[error("task {task} is on {node}, which is out of touch")]
    OutOfTouch {
        /// Which.
        task: TaskId,
        /// Where.
        node: String,
    },
    /// The image is not named by its digest.
    #[error("the image is not valid: {error}")]
    BadImage {
        /// What is wrong with it.
        error: ImageError,
    },
    /// The array is not one.
    #[error("the array is not valid")]
    BadArray(#[source] ArrayError),
    /// An amount is out of bounds.
    #[error("{what} is {asked}, but must be {allowed}")]
    OutOfBounds {
        /// Which field.
        what: &'static str,
        /// What was asked, as a person would write it.
        asked: String,
        /// What is allowed.
        allowed: String,
    },
    /// No node that has ever enrolled could hold one task, even when empty.
    #[error(
        "a task asks for {}, but the largest node, {node}, has {most}",
        amount(asked, dimension)
    )]
    TaskTooLarge {
        /// In which dimension.
        dimension: String,
        /// How much is asked.
        asked: String,
        /// The most that any node has.
        most: String,
        /// Which one.
        node: String,
    },
    /// A gang asks for more nodes than could hold a share of it, even when empty.
    #[error(
        "a gang asks for {asked} nodes with {} each, but only {most} of the enrolled nodes could hold that", many(*ranks, "rank")
    )]
    GangTooWide {
        /// How many nodes it asks for.
        asked: u32,
        /// How many there are that could hold a share.
        most: u32,
        /// How many ranks a share is.
        ranks: u32,
    },
    /// No node could hold the share of one node, even when empty.
    #[error("a gang asks for {asked} ranks on each node, but the largest node could hold {most}")]
    GangShareTooLarge {
        /// How many ranks a share is.
        asked: u32,
        /// The most that a node could hold.
        most: u32,
    },
    /// All nodes together could not hold a gang, even when empty.
    #[error("a gang asks for {asked} ranks, but all enrolled nodes together could hold {most}")]
    GangTooLarge {
        /// How many ranks it has.
        asked: u32,
        /// How many would fit.
        most: u32,
    },
    /// The whole specification is too large.
    #[error(
        "the job is {asked} with its script, arguments and environment, but at most {most} are kept"
    )]
    JobTooLarge {
        /// How large it is.
        asked: Bytes,
        /// How large it may be.
        most: Bytes,
    },
    /// The deadline has passed already.
    #[error("the deadline passed {ago} ago")]
    DeadlinePassed {
        /// How long ago.
        ago: Span,
    },
    /// The deadline leaves no time.
    #[error(
        "the deadline is {left} after the earliest start, but an attempt is expected to take {needed}"
    )]
    DeadlineTooSoon {
        /// From the earliest start to the deadline.
        left: Span,
        /// How long an attempt is expected to take.
        needed: Span,
    },
    /// It depends on a job that never was.
    #[error("the job depends on job {job}, which does not exist")]
    DependencyUnknown {
        /// The one that never was.
        job: JobId,
    },
    /// It depends on a job that ended otherwise.
    #[error("the job depends on job {job} ending {wanted}, but it has {state} already")]
    DependencyFailed {
        /// The one that ended.
        job: JobId,
        /// As asked.
        wanted: String,
        /// How it ended.
        state: JobState,
    },
    /// Tasks are to wait for tasks of the same index, but the arrays differ.
    #[error(
        "each task is to wait for that of job {job}, but this job has the tasks {own} and that one {other}"
    )]
    DependencyMismatch {
        /// The one that it depends on.
        job: JobId,
        /// The indices of the new job.
        own: String,
        /// Those of the other.
        other: String,
    },
    /// No such job in memory.
    #[error("there is no job {job}")]
    JobUnknown {
        /// As asked.
        job: JobId,
    },
    /// The job has ended already.
    #[error("job {job} has ended already")]
    JobHasEnded {
        /// Which.
        job: JobId,
    },
    /// The job does not wait for a review.
    #[error("job {job} does not wait for a review")]
    NotUnderReview {
        /// Which.
        job: JobId,
    },
    /// A decision without a reason.
    #[error("a review needs a reason")]
    ReasonMissing,
    /// Jobs of the class run without an approval.
    #[error("class `{class}` is {tier}: its jobs need no approval")]
    ApprovalNotNeeded {
        /// The class.
        class: String,
        /// How the policy treats it.
        tier: &'static str,
    },
    /// The approval would be over already.
    #[error("the approval would have ended {ago} ago")]
    ApprovalOver {
        /// How long ago.
        ago: Span,
    },
    /// The approval would be good for too long.
    #[error("the approval would be good for {asked}, but the policy allows at most {most}")]
    ApprovalTooLong {
        /// For how long.
        asked: Span,
        /// The most that the policy allows.
        most: Span,
    },
    /// No such approval.
    #[error("there is no approval {id}, or it has ended")]
    ApprovalUnknown {
        /// As asked.
        id: ApprovalId,
    },
    /// The job has none of these tasks.
    #[error("job {job} has no task {index}")]
    TaskUnknown {
        /// Which job.
        job: JobId,
        /// The index that it does not have.
        index: u32,
    },
    /// No such node.
    #[error("there is no node with the id {node}")]
    NodeUnknown {
        /// As asked.
        node: NodeId,
    },
    /// What a node has that is there is not given up.
    #[error("node {name} is up: what it has can be stopped, and need not be given up")]
    NodeIsUp {
        /// Which.
        name: String,
    },
    /// Another agent has this name, and it is up.
    #[error("another agent is enrolled as `{name}`, and it is {phase}")]
    NodeNameTaken {
        /// The name.
        name: String,
        /// Where that node is.
        phase: &'static str,
    },
    /// No such reservation.
    #[error("there is no reservation {id}")]
    ReservationUnknown {
        /// As asked.
        id: ReservationId,
    },
    /// The reservation would be over already.
    #[error("the reservation would have ended {ago} ago")]
    ReservationOver {
        /// How long ago.
        ago: Span,
    },
    /// The reservation ends before it begins.
    #[error("the reservation ends {by} before it begins")]
    ReservationBackwards {
        /// By how much.
        by: Span,
    },
    /// A node is kept for something else in a part of the time.
    #[error("node {node} is kept by reservation {other} in a part of that time")]
    ReservationOverlaps {
        /// Which node.
        node: String,
        /// The other reservation.
        other: ReservationId,
    },
    /// The join token is not one of ours, was revoked, or is for something else.
    #[error("the join token is not valid here")]
    TokenWrong,
    /// The join token was used.
    #[error("join token {id} has been used already")]
    TokenUsed {
        /// Which.
        id: TokenId,
    },
    /// The join token is too old.
    #[error("join token {id} has expired")]
    TokenExpired {
        /// Which.
        id: TokenId,
    },
    /// The join token is for another node.
    #[error("join token {id} is for the node `{wanted}`, not `{name}`")]
    TokenForAnother {
        /// Which.
        id: TokenId,
        /// The name that it is for.
        wanted: String,
        /// The name that asked.
        name: String,
    },
    /// No such token.
    #[error("there is no token {id}")]
    TokenUnknown {
        /// As asked.
        id: TokenId,
    },
    /// There is no such finding.
    #[error("there is no finding {finding}")]
    FindingUnknown {
        /// Which.
        finding: FindingId,
    },
    /// It was decided long ago.
    #[error("finding {finding} was decided long ago, and is only in the history")]
    FindingSettled {
        /// Which.
        finding: FindingId,
    },
    /// It cannot be decided like that.
    #[error("finding {finding} is {}, and cannot {}", plain(*was), verb(*wanted))]
    FindingElsewhere {
        /// Which.
        finding: FindingId,
        /// What it is.
        was: FindingState,
        /// What it should be.
        wanted: FindingState,
    },
    /// A program is not in quarantine.
    #[error("no program with the digest {digest} is in quarantine")]
    NotQuarantined {
        /// Which.
        digest: Hash,
    },
    /// A file of the job must not run anywhere.
    #[error("{what} has the digest {digest}, which is in quarantine: {reason}")]
    DigestForbidden {
        /// Which file.
        what: String,
        /// Its digest.
        digest: Hash,
        /// Why.
        reason: String,
    },
    /// The policy is not valid.
    #[error("the policy is not valid: {problem}")]
    BadPolicy {
        /// With line and column where known.
        problem: String,
    },
}

/// A state of a finding, in words.
fn plain(state: FindingState) -> String {
    state.as_str().replace('-', " ")
}

/// What would have to be done with a finding to be in a state.
fn verb(wanted: FindingState) -> &'static str {
    match wanted {
        FindingState::Open => "be opened again",
        FindingState::UnderReview => "be reviewed any more",
        FindingState::Confirmed => "be confirmed any more",
        FindingState::Dismissed => "be dismissed any more",
        FindingState::Appealed => "be appealed",
        FindingState::Lapsed => "lapse",
    }
}

impl Refusal {
    /// Refuses who asks to do with a job what only its submitter and operators may.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotYours`] for everybody else.
    pub fn unless_own(job: JobId, submitter: &str, (by, role): (&str, Role)) -> Result<(), Self> {
        if role >= Role::Operator || by == submitter {
            return Ok(());
        }
        Err(Self::NotYours { job, owner: submitter.to_owned(), by: by.to_owned() })
    }

    /// The stable code, documented in `docs/reasons.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ClassUndeclared { .. } => "class.undeclared",
            Self::ClassUnknown { .. } => "class.unknown",
            Self::ClassProhibited { .. } => "class.prohibited",
            Self::Content { mark, .. } => code_of(mark.sign),
            Self::PolicyChanged { .. } => "policy.changed",
            Self::PolicyReplaced { .. } => "policy.replaced",
            Self::ApprovalNotNeeded { .. } => "approval.not-needed",
            Self::ApprovalOver { .. } => "approval.over",
            Self::ApprovalTooLong { .. } => "approval.too-long",
            Self::ApprovalUnknown { .. } => "approval.unknown",
            Self::NothingToRun => "job.nothing-to-run",
            Self::KeyTaken { .. } => "job.key-taken",
            Self::BadText { .. } => "job.bad-text",
            Self::NotYours { .. } => "job.not-yours",
            Self::OperatorsOnly { .. } => "role.operators-only",
            Self::OwnWork { .. } => "review.own-work",
            Self::NotRunning { .. } => "task.not-running",
            Self::OutOfTouch { .. } => "task.out-of-touch",
            Self::StandsStill { .. } => "task.stands-still",
            Self::BadImage { .. } => "job.bad-image",
            Self::BadArray(_) => "job.bad-array",
            Self::OutOfBounds { .. } => "job.out-of-bounds",
            Self::TaskTooLarge { .. } => "job.task-too-large",
            Self::GangTooWide { .. } => "gang.too-wide",
            Self::GangShareTooLarge { .. } => "gang.share-too-large",
            Self::GangTooLarge { .. } => "gang.too-large",
            Self::JobTooLarge { .. } => "job.too-large",
            Self::DeadlinePassed { .. } => "job.deadline-passed",
            Self::DeadlineTooSoon { .. } => "job.deadline-too-soon",
            Self::DependencyUnknown { .. } => "dependency.unknown",
            Self::DependencyFailed { .. } => "dependency.failed",
            Self::DependencyMismatch { .. } => "dependency.mismatch",
            Self::JobUnknown { .. } => "job.unknown",
            Self::JobHasEnded { .. } => "job.ended",
            Self::NotUnderReview { .. } => "review.not-needed",
            Self::ReasonMissing => "review.reason-missing",
            Self::TaskUnknown { .. } => "task.unknown",
            Self::NodeUnknown { .. } => "node.unknown",
            Self::NodeIsUp { .. } => "node.is-up",
            Self::NodeNameTaken { .. } => "node.name-taken",
            Self::ReservationUnknown { .. } => "reservation.unknown",
            Self::ReservationOver { .. } => "reservation.over",
            Self::ReservationBackwards { .. } => "reservation.backwards",
            Self::ReservationOverlaps { .. } => "reservation.overlaps",
            Self::TokenWrong => "token.wrong",
            Self::TokenUsed { .. } => "token.used",
            Self::TokenExpired { .. } => "token.expired",
            Self::TokenForAnother { .. } => "token.for-another",
            Self::TokenUnknown { .. } => "token.unknown",
            Self::FindingUnknown { .. } => "finding.unknown",
            Self::FindingSettled { .. } => "finding.settled",
            Self::FindingElsewhere { .. } => "finding.elsewhere",
            Self::NotQuarantined { .. } => "quarantine.unknown",
            Self::DigestForbidden { .. } => "policy.quarantined",
            Self::BadPolicy { .. } => "policy.bad",
        }
    }

    /// What to do about it; a sentence in the imperative, or nothing.
    #[expect(clippy::too_many_lines, reason = "one imperative a refusal")]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ClassUndeclared { known } => {
                Some(format!("declare one with --class: {}", known.join(", ")))
            }
            Self::ClassUnknown { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`? `repower policy show` lists all classes"))
            }
            Self::ClassUnknown { nearest: None, known, .. } => {
                Some(format!("use one of: {}", known.join(", ")))
            }
            Self::ClassProhibited { .. } => Some(
                "this work is not run here under any name; `repower policy show` has the rule"
                    .into(),
            ),
            Self::Content { mark, .. } if mark.sign == Sign::Unread && mark.place == "image" => Some(
                "name one of the images that the policy lists: `repower policy show --text` has them as `images`"
                    .into(),
            ),
            Self::Content { mark, .. } if mark.sign == Sign::Unread => Some(
                "bring it as plain files or as a tar, gzip or zip that is whole and not encrypted"
                    .into(),
            ),
            Self::Content { .. } => Some(
                "an operator can have such jobs reviewed instead of refused: `on-hit` in the policy"
                    .into(),
            ),
            Self::PolicyChanged { .. } => Some("submit it again".into()),
            Self::PolicyReplaced { .. } => {
                Some("compare with it: `repower policy diff FILE`, then apply again".into())
            }
            Self::ApprovalNotNeeded { .. } => Some(
                "approve what was found in one job with `--like JOB`, or `--for class=CLASS,digest=HASH`".into(),
            ),
            Self::ApprovalOver { .. } => Some("choose an --until that is to come".into()),
            Self::ApprovalTooLong { most, .. } => {
                Some(format!("choose an --until at most {most} ahead"))
            }
            Self::ApprovalUnknown { .. } => Some("`repower approvals` lists the approvals".into()),
            Self::KeyTaken { .. } => Some(
                "choose another --key: one key stands for one submission, however often it is tried".into(),
            ),
            Self::NothingToRun => Some("give a command after `--`, or a script".into()),
            Self::BadText { what, .. } => Some(format!("correct {what} and try again")),
            Self::NotYours { owner, .. } => Some(format!("ask {owner} or an operator")),
            Self::OwnWork { other, .. } => Some(format!("ask {other}, or another operator")),
            Self::OperatorsOnly { .. } => Some(
                "ask an operator to do it, or to give you an operator's token: `repower token user NAME --operator`".into(),
            ),
            Self::NotRunning { task } => {
                Some(format!("`repower show {}` says what runs", task.job))
            }
            Self::OutOfTouch { .. } => Some("try again when its node is back".into()),
            Self::StandsStill { finding, .. } => {
                Some(format!("an operator decides first: `repower findings show {finding}`"))
            }
            Self::BadImage { error } => Some(error.hint().into()),
            Self::BadArray(_) => {
                Some("write ascending ranges that do not overlap, for example 0-9,20-29:2".into())
            }
            Self::OutOfBounds { allowed, .. } => Some(format!("choose one that is {allowed}")),
            Self::TaskTooLarge { dimension, most, .. } if most == "0" => Some(format!(
                "no node has any {dimension}; an agent offers it with `--extra {dimension}=AMOUNT`"
            )),
            Self::TaskTooLarge { dimension, most, .. } => {
                let most = amount(most, dimension);
                Some(format!("ask for {most} or less, or add a larger node"))
            }
            Self::GangTooWide { most, ranks, .. } => Some(format!(
                "ask for {most} nodes or fewer with {} each, or let the ranks lie together with layout `pack`",
                many(*ranks, "rank")
            )),
            Self::GangShareTooLarge { most, .. } => Some(format!(
                "ask for {most} ranks per node or fewer, or let the ranks lie on more nodes with layout `pack`"
            )),
            Self::GangTooLarge { most, .. } => {
                Some(format!("ask for {most} ranks or fewer, or add nodes"))
            }
            Self::JobTooLarge { .. } => {
                Some("keep large input in files that the task reads".into())
            }
            Self::DeadlinePassed { .. } => Some("choose a --deadline that is to come".into()),
            Self::DeadlineTooSoon { .. } => {
                Some("choose a later --deadline, or a shorter --expect".into())
            }
            Self::DependencyUnknown { .. } | Self::JobUnknown { .. } => {
                Some("`repower jobs --all` lists the jobs that there are".into())
            }
            Self::DependencyFailed { .. } => {
                Some("use --after-any to run it however the other one ends".into())
            }
            Self::DependencyMismatch { job, other, .. } => {
                Some(format!("use --array {other}, or wait for all of it with --after {job}"))
            }
            Self::JobHasEnded { .. } => Some("`repower resubmit` runs its tasks again".into()),
            Self::NotUnderReview { .. } => Some("`repower why` says what it waits for".into()),
            Self::ReasonMissing => Some("say why with --reason; it is kept in the ledger".into()),
            Self::TaskUnknown { .. } => Some("`repower show` has the array of the job".into()),
            Self::NodeUnknown { .. } => Some("`repower nodes` lists the nodes".into()),
            Self::NodeIsUp { name } => {
                Some(format!("`repower drain {name} --stop --reason WHY` stops it in order"))
            }
            Self::NodeNameTaken { .. } => {
                Some("give the new agent another name; to replace the old one, stop it and use `repower token join --node NAME`".into())
            }
            Self::ReservationUnknown { .. } => {
                Some("`repower reservations` lists the reservations".into())
            }
            Self::ReservationOver { .. } => Some("choose an --until that is to come".into()),
            Self::ReservationBackwards { .. } => Some("choose an --until after --from".into()),
            Self::ReservationOverlaps { other, .. } => Some(format!(
                "end that one first with `repower unreserve {other}`, or choose another time"
            )),
            Self::TokenWrong
            | Self::TokenUsed { .. }
            | Self::TokenExpired { .. }
            | Self::TokenForAnother { .. } => {
                Some("make a new one with `repower token join`".into())
            }
            Self::TokenUnknown { .. } => Some("`repower token list` has the tokens".into()),
            Self::FindingUnknown { .. } => {
                Some("`repower findings --all` lists the findings that there are".into())
            }
            Self::FindingSettled { .. } => Some(
                "`repower quarantine --release` lets its programs run again; the rest stays as it was decided"
                    .into(),
            ),
            Self::FindingElsewhere { was: FindingState::Confirmed, .. } => {
                Some("appeal it first: `repower findings appeal`".into())
            }
            Self::FindingElsewhere { .. } => {
                Some("`repower findings show` has who decided, and why".into())
            }
            Self::NotQuarantined { .. } => Some("`repower quarantine` lists what is".into()),
            Self::DigestForbidden { .. } => {
                Some("whoever disagrees appeals the finding, or asks an operator".into())
            }
            Self::BadPolicy { .. } => {
                Some("`repower policy check FILE` tells all that is wrong".into())
            }
        }
    }
}

/// The code of what was found.
fn code_of(sign: Sign) -> &'static str {
    match sign {
        Sign::ProofOfWork => "content.proof-of-work",
        Sign::PoolClient => "content.pool-client",
        Sign::KnownDigest => "content.known-digest",
        Sign::Rule => "content.policy-rule",
        Sign::Word => "content.word",
        Sign::Unread => "content.unread",
    }
}

/// So many of something: `1 rank`, `2 ranks`.
fn many(count: u32, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
