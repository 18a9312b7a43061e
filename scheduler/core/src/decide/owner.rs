//! What is somebody's own, and what takes an operator.

use repower_model::{JobId, Role};

use crate::draft::Draft;
use crate::refusal::Refusal;

/// Who asks, and as what.
pub(crate) type Asker<'a> = (&'a str, Role);

/// Whether the asker may do with a job what only its submitter and operators may.
pub(crate) fn may(job: JobId, submitter: &str, asker: Asker<'_>) -> Result<(), Refusal> {
    Refusal::unless_own(job, submitter, asker)
}

/// Whether the asker may do what only operators may.
pub(crate) fn rules((by, role): Asker<'_>, what: &'static str) -> Result<(), Refusal> {
    if role >= Role::Operator {
        return Ok(());
    }
    Err(Refusal::OperatorsOnly { what, by: by.to_owned() })
}

/// Whether `by` may decide about what `submitter` has submitted: about their own only where no other
/// operator is who could.
pub(crate) fn four_eyes(draft: &Draft<'_>, submitter: &str, by: &str) -> Result<(), Refusal> {
    if by != submitter {
        return Ok(());
    }
    match draft.state().other_operator(by, draft.now()) {
        Some(other) => Err(Refusal::OwnWork { by: by.to_owned(), other: other.to_owned() }),
        None => Ok(()),
    }
}
