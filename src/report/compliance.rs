//! What a report on compliance says, as data.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::fields::Group;
use crate::render::json::Exposure;

/// The most lines of a list; how many there are is always said.
pub(super) const MOST: usize = 1000;

/// A report on compliance for a period.
#[derive(Debug, Clone, Serialize)]
pub struct Compliance {
    /// Which time it is about.
    pub period: Period,
    /// The ledger that it was made from.
    pub ledger: Ledger,
    /// What is known of the site, by the names of what is asked for; null is unknown.
    pub site: Vec<Known>,
    /// The policies in force in the period, in order.
    pub policies: Vec<PolicyLine>,
    /// Jobs by class and tier.
    pub classes: Vec<ClassLine>,
    /// Each of them that had not ended when the period began.
    pub jobs: List<JobLine>,
    /// What was refused by policy.
    pub refusals: Refusals,
    /// What named people decided on single jobs.
    pub reviews: List<ReviewLine>,
    /// Approvals that were good in the period.
    pub approvals: List<ApprovalLine>,
    /// What was found at jobs that were let in.
    pub findings: List<FindingLine>,
    /// How many of them nobody has decided.
    pub undecided: u64,
    /// The same by site and metering account.
    pub accounts: Vec<AccountLine>,
    /// Energy by grade of the reading; null is unknown.
    pub energy: Vec<EnergyLine>,
    /// Useful output; the three are never added up.
    pub output: Output,
    /// What each node could see of running tasks.
    pub coverage: Vec<NodeLine>,
    /// What such reports are asked for, where it stands here, and why what is unknown is.
    pub fields: Vec<Group>,
}

/// A period: from its beginning up to its end.
#[derive(Debug, Clone, Serialize)]
pub struct Period {
    /// RFC 3339; null: from the first fact on.
    pub from: Option<String>,
    /// RFC 3339; null: up to the last fact.
    pub to: Option<String>,
    /// Of the newest fact that was read.
    pub last_fact: Option<String>,
}

/// The ledger that a report was made from.
#[derive(Debug, Clone, Serialize)]
pub struct Ledger {
    /// Its name, as in its heads.
    pub origin: String,
    /// How many facts the head covers: all of them were read.
    pub size: u64,
    /// The root of the tree over them.
    pub root: String,
    /// Whether the facts that were read give that root, and the head is signed with the key.
    pub verified: bool,
    /// The signed head.
    pub head: String,
    /// The public key that it is signed with.
    pub key: String,
    /// The release that made the report.
    pub made_by: String,
}

/// A value that may be unknown.
#[derive(Debug, Clone, Serialize)]
pub struct Known {
    /// Of what.
    pub name: &'static str,
    /// Null: unknown.
    pub value: Option<String>,
    /// Why it is unknown; null: it is not.
    pub why_unknown: Option<&'static str>,
}

/// A policy that was in force.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyLine {
    /// Its own version.
    pub version: String,
    /// SHA-256 of its text.
    pub hash: String,
    /// Since when.
    pub adopted: Option<String>,
    /// Who put it in force.
    pub by: Option<String>,
    /// Its catalogues.
    pub catalogues: Vec<String>,
    /// Its surcharge here, in words.
    pub surcharge: Option<String>,
}

/// Jobs of a class, as it was treated when they were submitted.
#[derive(Debug, Clone, Serialize, Default)]
pub struct ClassLine {
    /// The class.
    pub class: String,
    /// How it was treated.
    pub tier: String,
    /// Its entries in catalogues.
    pub entries: Vec<String>,
    /// What it is asked to show.
    pub evidence: Vec<String>,
    /// Jobs submitted in the period.
    pub submitted: u64,
    /// Jobs that ended in it, by how.
    pub succeeded: u64,
    /// ..
    pub failed: u64,
    /// ..
    pub cancelled: u64,
    /// Attempts that ended in it.
    pub attempts: u64,
    /// Processor time of these attempts, in whole seconds.
    pub cpu_seconds: u64,
    /// Their running time.
    pub wall_seconds: u64,
    /// Files that were brought back of them.
    pub artefacts: u64,
}

/// What was refused by policy.
#[derive(Debug, Clone, Serialize, Default)]
pub struct Refusals {
    /// How many, by code.
    pub by_code: Vec<Count>,
    /// Each of them.
    pub list: List<RefusalLine>,
}

/// How many of something.
#[derive(Debug, Clone, Serialize)]
pub struct Count {
    /// Of what.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// The latest of something, and how many there are.
#[derive(Debug, Clone, Serialize)]
pub struct List<T> {
    /// How many there are in the period.
    pub total: u64,
    /// The latest of them; all, if that are no more than [`MOST`] or the list is whole.
    pub lines: VecDeque<T>,
    #[serde(skip)]
    most: usize,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self::of_most(MOST)
    }
}

impl<T> List<T> {
    /// With at most so many lines.
    pub fn of_most(most: usize) -> Self {
        Self { total: 0, lines: VecDeque::new(), most }
    }

    /// One more.
    pub fn push(&mut self, line: T) {
        self.total += 1;
        if self.lines.len() == self.most {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// Whether there are more than its lines.
    pub fn is_cut(&self) -> bool {
        self.total > self.lines.len() as u64
    }
}

/// A job that had not ended when the period began.
#[derive(Debug, Clone, Serialize)]
pub struct JobLine {
    /// Its number.
    pub job: u64,
    /// Its name.
    pub name: String,
    /// Who submitted it.
    pub submitter: String,
    /// Who pays.
    pub project: String,
    /// What it declared itself to be.
    pub class: String,
    /// How that was treated when it was let in.
    pub tier: String,
    /// SHA-256 of the policy by which it was let in.
    pub policy: String,
    /// That policy's own version.
    pub policy_version: Option<String>,
    /// When it was let in.
    pub submitted: Option<String>,
    /// How it ended, or `running` or `waiting` at the end of the period.
    pub state: String,
    /// How many tasks it has.
    pub tasks: u64,
    /// Attempts that ended in the period.
    pub attempts: u64,
    /// When its first attempt started; null: none has.
    pub first_start: Option<String>,
    /// When the latest attempt ended that had started; null: none has.
    pub last_end: Option<String>,
    /// Running time of the attempts that ended in the period, times their nodes, in whole seconds.
    pub node_seconds: u64,
    /// Processor time of these attempts, in whole seconds.
    pub cpu_seconds: u64,
    /// What it has used of electricity; null: unknown.
    pub energy_mwh: Option<u64>,
    /// Why that is unknown; null: it is not.
    pub why_unknown: Option<&'static str>,
    /// The nodes on which it lay, the first 16.
    pub nodes: Vec<String>,
    /// Whether there were more.
    pub nodes_cut: bool,
    /// SHA-256 of its image; null: it has none.
    pub image: Option<String>,
    /// SHA-256 over all that says what it runs; null: an input from elsewhere has no digest.
    pub content: Option<String>,
    /// Files that were brought back of it in the period.
    pub artefacts: u64,
    /// Findings about it, the first 16.
    pub findings: Vec<u64>,
    /// How many there are.
    pub findings_total: u64,
    /// The approval on which it rests; null: none.
    pub approval: Option<u64>,
    /// What a named person decided about it alone, who, and why; null: nobody did.
    pub decided: Option<String>,
}

/// A submission that was refused.
#[derive(Debug, Clone, Serialize)]
pub struct RefusalLine {
    /// Number of the fact.
    pub seq: u64,
    /// When.
    pub at: Option<String>,
    /// Who submitted it.
    pub submitter: String,
    /// The class that it declared.
    pub class: String,
    /// Stable code.
    pub code: String,
    /// What they were told.
    pub text: String,
    /// SHA-256 of the policy.
    pub policy: String,
}

/// A decision on one job.
#[derive(Debug, Clone, Serialize)]
pub struct ReviewLine {
    /// Number of the fact.
    pub seq: u64,
    /// When.
    pub at: Option<String>,
    /// Which job.
    pub job: u64,
    /// Whether it may run.
    pub approved: bool,
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The approval that it rests on.
    pub approval: Option<u64>,
    /// SHA-256 of the policy.
    pub policy: String,
}

/// An approval of jobs of a kind.
#[derive(Debug, Clone, Serialize)]
pub struct ApprovalLine {
    /// Its number.
    pub id: u64,
    /// When it was given.
    pub given: Option<String>,
    /// When it ended; null: it had not.
    pub ended: Option<String>,
    /// For which class.
    pub class: String,
    /// For which project; null: any.
    pub project: Option<String>,
    /// For what content; null: any in which nothing was found.
    pub content: Option<String>,
    /// Up to when.
    pub until: Option<String>,
    /// Who gave it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Jobs that went by it in the period.
    pub jobs: u64,
    /// SHA-256 of the policy in force when it was given.
    pub policy: String,
    /// Who ended it, or `the scheduler` when its time was over; null: it had not ended.
    pub ended_by: Option<String>,
    /// SHA-256 of the policy in force when it ended.
    pub ended_policy: Option<String>,
}

/// Evidence that a job was not what it declared.
#[derive(Debug, Clone, Serialize)]
pub struct FindingLine {
    /// Its number.
    pub id: u64,
    /// Which job.
    pub job: Option<u64>,
    /// What the job declared.
    pub class: String,
    /// Where it ran.
    pub node: Option<String>,
    /// The site of that node.
    pub site: Option<String>,
    /// The metering account that feeds it.
    pub meter: Option<String>,
    /// Who noticed it: `task` or `admission`.
    pub source: String,
    /// The rules that it broke.
    pub rules: Vec<String>,
    /// What each of them has seen.
    pub verdicts: Vec<VerdictLine>,
    /// What was done about it.
    pub response: String,
    /// SHA-256 of the policy in force when it was opened.
    pub policy: String,
    /// When it was first seen.
    pub first_seen: Option<String>,
    /// When it was last seen.
    pub last_seen: Option<String>,
    /// What people have decided, and who.
    pub state: String,
    /// The latest decision, with who and why.
    pub decided: Option<String>,
    /// All decisions about it, in order.
    pub decisions: Vec<DecisionLine>,
    /// SHA-256 of the evidence.
    pub evidence: Vec<String>,
    /// What it may cost if it is true.
    pub exposure: Exposure,
}

/// What a rule of the detector, or of the look at admission, has seen.
#[derive(Debug, Clone, Serialize)]
pub struct VerdictLine {
    /// The rule's stable code.
    pub rule: String,
    /// Raised whenever the same samples could give another verdict.
    pub version: u32,
    /// 1 near-conclusive, 2 strong, 3 weak.
    pub tier: u8,
    /// What it looks at: two rules of one mechanism are one witness.
    pub mechanism: String,
    /// When it was first seen.
    pub first_seen: Option<String>,
    /// When it was last seen.
    pub last_seen: Option<String>,
    /// How many windows or looks agree.
    pub times: u64,
}

/// A decision about a finding.
#[derive(Debug, Clone, Serialize)]
pub struct DecisionLine {
    /// What it came to.
    pub state: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Option<String>,
    /// SHA-256 of the policy in force then.
    pub policy: String,
}

/// What was found on one metering account.
///
/// Findings on one account are charged for the same energy: their exposures do not add up, so the
/// time that is charged for is counted once here.
#[derive(Debug, Clone, Serialize)]
pub struct AccountLine {
    /// The site; null: its nodes do not say.
    pub site: Option<String>,
    /// The account; null: its nodes do not say.
    pub meter: Option<String>,
    /// How many findings.
    pub findings: u64,
    /// Of these, those that a person still has to decide.
    pub undecided: u64,
    /// Of these, those that were confirmed.
    pub confirmed: u64,
    /// The first sign of any that was not dismissed; null: all were.
    pub first_seen: Option<String>,
    /// The last one.
    pub last_seen: Option<String>,
    /// How long would be charged for, in milliseconds; null: nothing is known to be.
    pub charged_ms: Option<u64>,
    /// What the meter has counted in it; null: unknown.
    pub energy_mwh: Option<u64>,
    /// The surcharge on that; null: unknown.
    pub amount_micro: Option<u64>,
    /// Of the amounts.
    pub currency: Option<String>,
    /// The same by what is declared that the nodes on it draw; null: not all do.
    pub stated_energy_mwh: Option<u64>,
    /// The surcharge on that.
    pub stated_amount_micro: Option<u64>,
    /// Why something is not known.
    pub unknown: Option<String>,
}

/// Energy of one grade of reading.
#[derive(Debug, Clone, Serialize)]
pub struct EnergyLine {
    /// A to D.
    pub grade: &'static str,
    /// Where such readings come from.
    pub source: &'static str,
    /// Null: unknown.
    pub milliwatt_hours: Option<u64>,
    /// Why it is unknown; null: it is not.
    pub why_unknown: Option<&'static str>,
}

/// Useful output, in three columns that are never added up.
#[derive(Debug, Clone, Serialize, Default)]
pub struct Output {
    /// Processor seconds of attempts that succeeded: what the jobs claim.
    pub claimed_cpu_seconds: u64,
    /// Of these, done again in samples; null: nothing is.
    pub sampled_cpu_seconds: Option<u64>,
    /// Of these, done by several that agree; null: nothing is.
    pub replicated_cpu_seconds: Option<u64>,
    /// Why the last two are unknown; null: they are not.
    pub why_unknown: Option<&'static str>,
}

/// What a node could see of running tasks.
#[derive(Debug, Clone, Serialize)]
pub struct NodeLine {
    /// Its name.
    pub name: String,
    /// When it last said what it is.
    pub told: Option<String>,
    /// Its kernel.
    pub kernel: String,
    /// Its instruction set.
    pub isa: String,
    /// The release of its agent.
    pub agent: String,
    /// What it says it can do for a sandbox and for the detector.
    pub abilities: Vec<String>,
    /// The sensors of the detector among them; null: this agent does not say.
    pub sensors: Option<Vec<String>>,
    /// The sensors that see nothing there, and why.
    pub blind: BTreeMap<String, String>,
}
