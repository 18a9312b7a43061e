//! Numbers of jobs, findings, approvals and the like.

/// Not the number of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoId {
    /// Not a number.
    #[error("it is a number, as the list of them has it")]
    NoNumber,
    /// The number before the first.
    #[error("the first is number 1")]
    Zero,
}

/// Reads the number of a job, a finding and the like: they are counted from 1.
pub(crate) fn id(text: &str) -> Result<u64, NoId> {
    match text.parse() {
        Ok(0) => Err(NoId::Zero),
        Ok(id) => Ok(id),
        Err(_) => Err(NoId::NoNumber),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_from_one() {
        assert_eq!(id("12"), Ok(12));
        assert_eq!(id("0"), Err(NoId::Zero));
        assert_eq!(id("-1"), Err(NoId::NoNumber));
        assert_eq!(id("last"), Err(NoId::NoNumber));
    }
}
