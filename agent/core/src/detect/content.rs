//! What the images that a process has mapped say.

use super::patterns::Hits;
use super::{Rule, Settings};

/// The rules that `hits` of one image break.
pub(super) fn rules(hits: &Hits, settings: &Settings) -> impl Iterator<Item = Rule> + use<> {
    let known = hits.digest.is_some_and(|digest| settings.known_digests.contains(&digest));
    [
        (hits.is_proof_of_work(), Rule::KnownConstants),
        (hits.is_pool_client(), Rule::PoolWords),
        (known, Rule::KnownDigest),
    ]
    .into_iter()
    .filter_map(|(broken, rule)| broken.then_some(rule))
}
