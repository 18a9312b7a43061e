//! What is somebody's own, and what takes an operator.

use repower_model::{JobId, Role};

use crate::refusal::Refusal;

/// Who asks, and as what.
pub(crate) type Asker<'a> = (&'a str, Role);

/// Whether the asker may do with a job what only its submitter and operators may.
pub(crate) fn may(job: JobId, submitter: &str, (by, role): Asker<'_>) -> Result<(), Refusal> {
    if role >= Role::Operator || by == submitter {
        return Ok(());
    }
    Err(Refusal::NotYours { job, owner: submitter.to_owned(), by: by.to_owned() })
}

/// Whether the asker may do what only operators may.
pub(crate) fn rules((by, role): Asker<'_>, what: &'static str) -> Result<(), Refusal> {
    if role >= Role::Operator {
        return Ok(());
    }
    Err(Refusal::OperatorsOnly { what, by: by.to_owned() })
}
