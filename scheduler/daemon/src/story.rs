//! What is logged of the facts: the story of nodes and jobs, one line a batch of what is many.

use repower_core::fact::{Entry, Fact};
use repower_model::Role;

/// More jobs than this in one batch are told together.
const FEW: usize = 8;

/// Logs what a batch came to.
pub(crate) fn tell(entries: &[Entry]) {
    let (mut jobs, mut attempts) = (Vec::new(), 0);
    for entry in entries {
        match &entry.fact {
            Fact::JobSubmitted(_)
            | Fact::SubmissionRefused(_)
            | Fact::JobReviewed { .. }
            | Fact::TasksCancelled { .. }
            | Fact::JobEnded { .. } => jobs.push(&entry.fact),
            Fact::AttemptPlaced { .. }
            | Fact::AttemptStarted { .. }
            | Fact::AttemptStopping { .. }
            | Fact::PlacePromised { .. }
            | Fact::AttemptEnded(_)
            | Fact::RankStarted { .. }
            | Fact::RankEnded(_)
            | Fact::OutputsKept(_)
            | Fact::ProgressClaimed { .. }
            | Fact::StopStepTaken { .. }
            | Fact::CheckpointSettled { .. }
            | Fact::TaskEntered { .. }
            | Fact::TaskReturned { .. }
            | Fact::DependencySettled { .. } => attempts += 1,
            Fact::CellFounded { .. }
            | Fact::PolicyAdopted { .. }
            | Fact::NodeEnrolled { .. }
            | Fact::NodeConnected { .. }
            | Fact::NodeLost { .. }
            | Fact::NodeLeft { .. }
            | Fact::NodeDrained { .. }
            | Fact::NodeResumed { .. }
            | Fact::NodeHeldBack { .. }
            | Fact::ApprovalGiven(_)
            | Fact::ApprovalEnded { .. }
            | Fact::ReservationMade(_)
            | Fact::ReservationEnded { .. }
            | Fact::TokenIssued { .. }
            | Fact::TokenUsed { .. }
            | Fact::TokenRevoked { .. } => house(&entry.fact),
            Fact::FindingOpened(_)
            | Fact::FindingSeen(_)
            | Fact::FindingReviewed { .. }
            | Fact::DigestQuarantined { .. }
            | Fact::DigestReleased { .. } => finding(&entry.fact),
        }
    }
    if jobs.len() > FEW {
        many(&jobs);
    } else {
        jobs.into_iter().for_each(job);
    }
    if attempts > 0 {
        let seq = entries.last().map(|entry| entry.seq);
        tracing::debug!(facts = entries.len(), attempts, seq, "committed");
    }
}

fn many(jobs: &[&Fact]) {
    let count = |wanted: fn(&Fact) -> bool| jobs.iter().filter(|fact| wanted(fact)).count();
    let submitted = count(|fact| matches!(fact, Fact::JobSubmitted(_)));
    let refused = count(|fact| matches!(fact, Fact::SubmissionRefused(_)));
    let ended = count(|fact| matches!(fact, Fact::JobEnded { .. }));
    tracing::info!(submitted, refused, ended, "jobs");
}

fn job(fact: &Fact) {
    if let Fact::JobSubmitted(fact) = fact {
        let (job, tasks) = (fact.job.0, fact.spec.array.count());
        tracing::info!(job, tasks, class = fact.spec.class, by = fact.submitter, "job submitted");
    } else if let Fact::SubmissionRefused(fact) = fact {
        tracing::info!(code = fact.code, class = fact.class, by = fact.submitter, "job refused");
    } else if let Fact::JobReviewed { job, approved, by, reason, .. } = fact {
        tracing::info!(job = job.0, approved, by, reason, "job reviewed");
    } else if let Fact::TasksCancelled { job, by, reason, .. } = fact {
        tracing::info!(job = job.0, by, reason, "tasks cancelled");
    } else if let Fact::JobEnded { job, state, succeeded, failed, cancelled, .. } = fact {
        tracing::info!(job = job.0, %state, succeeded, failed, cancelled, "job ended");
    }
}

fn house(fact: &Fact) {
    if let Fact::PolicyAdopted { version, hash, by, .. } = fact {
        tracing::info!(version, %hash, by, "policy adopted");
    } else if let Fact::ApprovalGiven(one) = fact {
        let (approval, until) = (one.id.0, one.until.as_millis());
        let project = one.project.as_deref();
        tracing::info!(approval, class = one.class, project, until, by = one.by, "approval given");
    } else if let Fact::ApprovalEnded { id, by, reason, .. } = fact {
        tracing::info!(approval = id.0, by, reason, "approval ended");
    } else if let Fact::NodeEnrolled { node, name, .. } = fact {
        tracing::info!(node = node.0, name, "node enrolled");
    } else if let Fact::NodeConnected { node, .. } = fact {
        tracing::info!(node = node.0, "node connected");
    } else if let Fact::NodeLost { node, reason } = fact {
        tracing::warn!(node = node.0, reason, "node lost");
    } else if let Fact::NodeLeft { node, reason } = fact {
        tracing::info!(node = node.0, reason, "node left");
    } else if let Fact::NodeDrained { node, by, reason } = fact {
        tracing::info!(node = node.0, by, reason, "node drained");
    } else if let Fact::NodeResumed { node, by } = fact {
        tracing::info!(node = node.0, by, "node resumed");
    } else if let Fact::NodeHeldBack { node, reason } = fact {
        tracing::warn!(node = node.0, reason, "node held back");
    } else if let Fact::ReservationMade(one) = fact {
        let (nodes, project) = (one.nodes.len(), one.project.as_deref());
        tracing::info!(reservation = one.id.0, nodes, project, by = one.by, "nodes reserved");
    } else if let Fact::ReservationEnded { id, by, reason } = fact {
        tracing::info!(reservation = id.0, by, reason, "reservation ended");
    } else if let Fact::TokenIssued { id, name, role, by, .. } = fact {
        let role = role.map(Role::as_str);
        tracing::info!(token = id.0, name, role, by, "token issued");
    } else if let Fact::TokenRevoked { id, by } = fact {
        tracing::info!(token = id.0, by, "token revoked");
    }
}

fn finding(fact: &Fact) {
    if let Fact::FindingOpened(one) = fact {
        let (finding, job, node) =
            (one.id.0, one.job.map(|job| job.0), one.node.map(|node| node.0));
        let (rules, response) = (one.rules(), one.response);
        tracing::warn!(finding, job, node, rules, %response, "finding opened");
    } else if let Fact::FindingSeen(seen) = fact {
        tracing::debug!(finding = seen.finding.0, "finding seen again");
    } else if let Fact::FindingReviewed { finding, state, by, reason, .. } = fact {
        tracing::info!(finding = finding.0, %state, by, reason, "finding decided");
    } else if let Fact::DigestQuarantined { digest, by, reason, .. } = fact {
        tracing::warn!(%digest, by, reason, "program in quarantine");
    } else if let Fact::DigestReleased { digest, by, reason } = fact {
        tracing::info!(%digest, by, reason, "program released from quarantine");
    }
}
