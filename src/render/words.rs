//! The words for states, the same in tables and in JSON.

use repower_proto::v1::{
    DecisionKind, DependencyKind, Egress, EgressKind, FindingResponse, FindingSource, FindingState,
    Inventory, Isolation, JobState, Keep, LabelRule, Layout, NodePhase, NodeSummary, Outcome,
    OutcomeKind, Remark, Role, StopCause, StopStep, Stream, TaskState, TokenKind,
};

use crate::jobfile::signal;

/// A colour with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tint {
    /// It went well.
    Good,
    /// It failed.
    Bad,
    /// It goes on.
    Busy,
    /// Somebody should look.
    Look,
    /// Of lesser interest.
    Faint,
}

/// Returns the word for where a job is.
pub fn job_state(state: JobState) -> &'static str {
    match state {
        JobState::Unspecified => "unknown",
        JobState::Held => "held",
        JobState::Pending => "pending",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

/// Returns the colour of where a job is.
pub fn job_tint(state: JobState) -> Option<Tint> {
    match state {
        JobState::Unspecified | JobState::Pending => None,
        JobState::Held => Some(Tint::Look),
        JobState::Running => Some(Tint::Busy),
        JobState::Succeeded => Some(Tint::Good),
        JobState::Failed => Some(Tint::Bad),
        JobState::Cancelled => Some(Tint::Faint),
    }
}

/// Whether a job in this state never changes again.
pub fn has_ended(state: JobState) -> bool {
    match state {
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => true,
        JobState::Unspecified | JobState::Held | JobState::Pending | JobState::Running => false,
    }
}

/// Returns the word for where a task is.
pub fn task_state(state: TaskState) -> &'static str {
    match state {
        TaskState::Unspecified => "unknown",
        TaskState::Pending => "pending",
        TaskState::Placed => "placed",
        TaskState::Running => "running",
        TaskState::Stopping => "stopping",
        TaskState::OutOfTouch => "out-of-touch",
        TaskState::Succeeded => "succeeded",
        TaskState::Failed => "failed",
        TaskState::Cancelled => "cancelled",
    }
}

/// Returns the colour of where a task is.
pub fn task_tint(state: TaskState) -> Option<Tint> {
    match state {
        TaskState::Unspecified | TaskState::Pending | TaskState::Placed => None,
        TaskState::Running => Some(Tint::Busy),
        TaskState::Stopping | TaskState::OutOfTouch => Some(Tint::Look),
        TaskState::Succeeded => Some(Tint::Good),
        TaskState::Failed => Some(Tint::Bad),
        TaskState::Cancelled => Some(Tint::Faint),
    }
}

/// Returns the word for how an attempt ended.
pub fn outcome_kind(kind: OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::Unspecified => "unknown",
        OutcomeKind::Exited => "exited",
        OutcomeKind::Signalled => "signalled",
        OutcomeKind::TimedOut => "timed-out",
        OutcomeKind::Cancelled => "cancelled",
        OutcomeKind::NotStarted => "not-started",
        OutcomeKind::Lost => "lost",
        OutcomeKind::Recalled => "recalled",
        OutcomeKind::OutOfMemory => "out-of-memory",
        OutcomeKind::Preempted => "preempted",
        OutcomeKind::Drained => "drained",
        OutcomeKind::Checkpointed => "checkpointed",
        OutcomeKind::Finding => "finding",
    }
}

/// Returns the word for how far people are with a finding.
pub fn finding_state(state: FindingState) -> &'static str {
    match state {
        FindingState::Unspecified => "unknown",
        FindingState::Open => "open",
        FindingState::UnderReview => "under-review",
        FindingState::Confirmed => "confirmed",
        FindingState::Dismissed => "dismissed",
        FindingState::Appealed => "appealed",
        FindingState::Lapsed => "lapsed",
    }
}

/// Whether nobody has decided about a finding for good.
pub fn is_undecided(state: FindingState) -> bool {
    match state {
        FindingState::Open | FindingState::UnderReview | FindingState::Appealed => true,
        FindingState::Unspecified
        | FindingState::Confirmed
        | FindingState::Dismissed
        | FindingState::Lapsed => false,
    }
}

/// Returns the colour of how far people are with a finding.
pub fn finding_tint(state: FindingState) -> Option<Tint> {
    match state {
        FindingState::Unspecified => None,
        FindingState::Open | FindingState::UnderReview | FindingState::Appealed => Some(Tint::Look),
        FindingState::Confirmed => Some(Tint::Bad),
        FindingState::Dismissed | FindingState::Lapsed => Some(Tint::Faint),
    }
}

/// Returns the word for who has noticed something.
pub fn finding_source(source: FindingSource) -> &'static str {
    match source {
        FindingSource::Unspecified => "unknown",
        FindingSource::Task => "task",
        FindingSource::Admission => "admission",
    }
}

/// Returns the word for what is done about a task.
pub fn finding_response(response: FindingResponse) -> &'static str {
    match response {
        FindingResponse::None => "none",
        FindingResponse::Ask => "ask",
        FindingResponse::Hold => "hold",
        FindingResponse::Freeze => "freeze",
        FindingResponse::Kill => "kill",
    }
}

/// Returns how an attempt ended, for a person: `exit 3`, `signal 9 (SIGKILL)`.
pub fn outcome(outcome: &Outcome) -> String {
    let what = match outcome.kind() {
        OutcomeKind::Exited => format!("exit {}", outcome.exit_code),
        OutcomeKind::Signalled => match signal::name(outcome.signal) {
            Some(name) => format!("signal {} (SIG{name})", outcome.signal),
            None => format!("signal {}", outcome.signal),
        },
        OutcomeKind::TimedOut => "time limit".to_owned(),
        OutcomeKind::NotStarted => "not started".to_owned(),
        OutcomeKind::OutOfMemory => "out of memory".to_owned(),
        OutcomeKind::Preempted => "preempted".to_owned(),
        OutcomeKind::Checkpointed => format!("checkpointed, exit {}", outcome.exit_code),
        OutcomeKind::Finding => "ended for a finding".to_owned(),
        kind @ (OutcomeKind::Unspecified
        | OutcomeKind::Cancelled
        | OutcomeKind::Lost
        | OutcomeKind::Recalled
        | OutcomeKind::Drained) => outcome_kind(kind).to_owned(),
    };
    if outcome.detail.is_empty() { what } else { format!("{what}: {}", outcome.detail) }
}

/// Returns the word for what was decided about a job.
pub fn decision(kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Unspecified => "decided",
        DecisionKind::Cancelled => "cancelled",
        DecisionKind::Approved => "approved",
        DecisionKind::Denied => "denied",
    }
}

/// Returns what people should know as one sentence.
pub fn remark(remark: &Remark) -> String {
    let hint = if remark.hint.is_empty() { String::new() } else { format!("; {}", remark.hint) };
    format!("{} [{}]{hint}", tame(&remark.text), remark.code)
}

/// Returns the word for what a dependency waits for.
pub fn dependency_kind(kind: DependencyKind) -> &'static str {
    match kind {
        DependencyKind::Unspecified => "unknown",
        DependencyKind::Ok => "ok",
        DependencyKind::NotOk => "not-ok",
        DependencyKind::Any => "any",
    }
}

/// After which ends outputs are brought back.
pub fn keep(keep: Keep) -> &'static str {
    repower_model::Keep::from(keep).as_str()
}

/// How far a task is kept apart from its node.
pub fn isolation(level: Isolation) -> &'static str {
    match level {
        Isolation::Unspecified | Isolation::Bare => "bare",
        Isolation::Boxed => "boxed",
        Isolation::Sealed => "sealed",
    }
}

/// What of the network a task reaches; `None` if nobody has said.
pub fn egress(egress: Option<&Egress>) -> Option<String> {
    let egress = egress?;
    match egress.kind() {
        EgressKind::Unspecified => None,
        EgressKind::Open => Some("open".to_owned()),
        EgressKind::None => Some("none".to_owned()),
        EgressKind::Only => Some(egress.only.join(",")),
    }
}

/// Returns the word for how a gang lies on its nodes.
pub fn layout(layout: Layout) -> &'static str {
    match layout {
        Layout::Unspecified | Layout::Spread => "spread",
        Layout::Pack => "pack",
    }
}

/// Returns a rule about labels as options write it.
pub fn label_rule(rule: &LabelRule) -> String {
    let LabelRule { name, values, negated } = rule.clone();
    repower_model::LabelRule { name, values, negated }.to_string()
}

/// Returns the labels of a node: `gpu=v100, rack=3`.
pub fn labels(inventory: Option<&Inventory>) -> String {
    let labels = inventory.iter().flat_map(|found| &found.labels);
    labels.map(|label| format!("{}={}", label.name, label.value)).collect::<Vec<_>>().join(", ")
}

/// Returns the word for a node's phase.
pub fn node_phase(phase: NodePhase) -> &'static str {
    match phase {
        NodePhase::Unspecified => "unknown",
        NodePhase::Enrolled => "enrolled",
        NodePhase::Up => "up",
        NodePhase::Lost => "lost",
        NodePhase::Left => "left",
    }
}

/// Returns a node's state in one word or two: `up`, `up,drained`, `up,silent`.
pub fn node_state(node: &NodeSummary) -> String {
    let mut state = node_phase(node.phase()).to_owned();
    if node.phase() == NodePhase::Up && !node.connected {
        state.push_str(",silent");
    }
    if node.drained {
        state.push_str(",drained");
    }
    if node.held_back {
        state.push_str(",held-back");
    }
    state
}

/// Returns the colour of a node's state.
pub fn node_tint(node: &NodeSummary) -> Option<Tint> {
    match node.phase() {
        NodePhase::Lost => Some(Tint::Bad),
        NodePhase::Up if node.held_back => Some(Tint::Bad),
        NodePhase::Up if node.drained || !node.connected => Some(Tint::Look),
        NodePhase::Up => Some(Tint::Good),
        NodePhase::Unspecified | NodePhase::Enrolled | NodePhase::Left => Some(Tint::Faint),
    }
}

/// Returns the word for what a token is for.
pub fn token_kind(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Unspecified => "unknown",
        TokenKind::Join => "join",
        TokenKind::Person => "person",
    }
}

/// Returns the word for what a person may do; `None` of who is no person.
pub fn role(role: Role) -> Option<&'static str> {
    match role {
        Role::Unspecified => None,
        Role::Submitter => Some("submitter"),
        Role::Operator => Some("operator"),
    }
}

/// Returns the word for an output stream.
pub fn stream(stream: Stream) -> &'static str {
    match stream {
        Stream::Unspecified => "unknown",
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}

/// Returns a text without the characters that would move the cursor or colour the terminal, and
/// with those shown by number that are not seen but change what is.
///
/// Names and reasons are written by others; a newline in one must not look like a row of ours, and
/// one name must not look like another.
pub fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' | '\t' => tamed.extend(letter.escape_default()),
            letter if letter.is_control() => tamed.push('\u{fffd}'),
            letter if is_unseen(letter) => tamed.extend(letter.escape_unicode()),
            letter => tamed.push(letter),
        }
    }
    tamed
}

/// Whether a character takes no room, turns the direction of writing, or breaks a line.
pub fn is_unseen(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Returns a step of a stop as JSON has it.
pub fn stop_step(step: StopStep) -> &'static str {
    repower_model::StopStep::try_from(step).map_or("unknown", repower_model::StopStep::as_str)
}

/// Returns the cause of a stop as tables and JSON have it.
pub fn stop_cause(cause: StopCause) -> &'static str {
    repower_model::StopCause::try_from(cause).map_or("unknown", repower_model::StopCause::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_reads_as_a_person_would_say_it() {
        let exited =
            Outcome { kind: OutcomeKind::Exited.into(), exit_code: 3, ..Outcome::default() };
        let killed =
            Outcome { kind: OutcomeKind::Signalled.into(), signal: 9, ..Outcome::default() };
        let missing = Outcome {
            kind: OutcomeKind::NotStarted.into(),
            detail: "./run: no such file".into(),
            ..Outcome::default()
        };

        assert_eq!(outcome(&exited), "exit 3");
        assert_eq!(outcome(&killed), "signal 9 (SIGKILL)");
        assert_eq!(outcome(&missing), "not started: ./run: no such file");
    }

    #[test]
    fn what_is_not_seen_is_shown_by_its_number() {
        assert_eq!(tame("ab\u{202e}cd"), "ab\\u{202e}cd");
        assert_eq!(tame("a\u{200b}b\u{feff}"), "a\\u{200b}b\\u{feff}");
        assert_eq!(tame("名前 äß"), "名前 äß");
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        assert_eq!(tame("a\x1b[2Jb\nc"), "a\u{fffd}[2Jb\\nc");
    }
}
