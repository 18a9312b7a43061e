//! Founding the cell, and the policy in force.

use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::Fact;
use crate::policy::Policy;
use crate::refusal::Refusal;

pub(crate) fn found(draft: &mut Draft<'_>, cell: &str, version: &str) -> Answer {
    if draft.state().cell.is_empty() {
        draft.push(Fact::CellFounded { cell: cell.to_owned(), version: version.to_owned() });
    }
    Answer::Done
}

pub(crate) fn adopt(draft: &mut Draft<'_>, text: &str) -> Result<Answer, Refusal> {
    let bad = |error: crate::policy::PolicyError| Refusal::BadPolicy { problem: error.to_string() };
    let policy = Policy::parse(text).map_err(bad)?;
    if draft.state().policy.as_ref().is_none_or(|(known, _)| known.hash != policy.hash) {
        let Policy { version, hash, text, .. } = policy;
        draft.push(Fact::PolicyAdopted { version, hash, text });
    }
    Ok(Answer::Done)
}
