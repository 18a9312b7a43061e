//! The life of a finding: what people may make of it.

use repower_model::FindingState;

/// The state after somebody decides; `None`: that cannot be decided from here.
pub fn after(state: FindingState, decided: FindingState) -> Option<FindingState> {
    use FindingState::{Appealed, Confirmed, Dismissed, Lapsed, Open, UnderReview};
    match (state, decided) {
        (Open | Appealed | Lapsed, UnderReview | Confirmed | Dismissed)
        | (UnderReview, Confirmed | Dismissed)
        | (Confirmed, Appealed)
        | (Open, Lapsed) => Some(decided),
        (Open | UnderReview | Appealed | Lapsed | Dismissed, Open | Appealed)
        | (UnderReview | Confirmed | Dismissed, UnderReview)
        | (UnderReview | Confirmed | Dismissed | Appealed | Lapsed, Lapsed)
        | (Confirmed, Open | Confirmed | Dismissed)
        | (Dismissed, Confirmed | Dismissed) => None,
    }
}
