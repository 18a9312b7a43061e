//! Programs that must not run, as the scheduler has said it, and what of a task is one of them.
//!
//! What a job brings along was compared with the list when it was submitted. Here is looked again, because the list
//! may have grown since; and at what nobody could look at then: programs of this node, and inputs that were fetched
//! from elsewhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use repower_model::{Hash, JobSpec};
use repower_proto::v1;
use sha2::{Digest as _, Sha256};

use super::failure::Failure;
use super::prepared::Prepared as Job;
use crate::sense::Digests;

/// Programs that must not run, each with the reason.
#[derive(Debug, Default)]
pub(super) struct Forbidden {
    list: Mutex<Arc<BTreeMap<Hash, String>>>,
    digests: Mutex<Digests>,
}

impl Forbidden {
    /// Takes a list in the place of the one before.
    pub(super) fn replace(&self, told: v1::Forbidden) {
        let mut reasons = told.reasons.into_iter();
        let list = told.digests.into_iter().filter_map(|digest| {
            let reason = reasons.next().unwrap_or_default();
            Some((Hash(digest.as_slice().try_into().ok()?), reason))
        });
        *self.list.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(list.collect());
    }

    /// Refuses a task of which something must not run: its script, its image, an input, or the program of this node
    /// that it is started with. `folder` is where it works.
    pub(super) fn check(
        &self,
        job: &Job,
        spec: &JobSpec,
        inputs: &[Hash],
        folder: &Path,
    ) -> Result<(), Failure> {
        let list = Arc::clone(&self.list.lock().unwrap_or_else(PoisonError::into_inner));
        if list.is_empty() {
            return Ok(());
        }
        let refused = |what: String, digest: Hash| {
            let reason = list.get(&digest)?.clone();
            Some(Failure::Forbidden { what, digest, reason })
        };
        let script = (!spec.script.is_empty()).then(|| Hash(Sha256::digest(&spec.script).into()));
        let script = script.and_then(|digest| refused("the script".to_owned(), digest));
        let image = || refused("the image".to_owned(), image(&spec.image)?);
        let input = || {
            let named = spec.inputs.iter().zip(inputs);
            named
                .into_iter()
                .find_map(|(input, digest)| refused(format!("the input {}", input.path), *digest))
        };
        let program = || {
            // What is in an image has its digest.
            let path = spec.image.is_empty().then(|| folder.join(&job.program))?;
            let digest = self.digest_of(&path)?;
            refused(format!("the program {}", path.display()), digest)
        };
        let found = script.or_else(image).or_else(input).or_else(program);
        found.map_or(Ok(()), Err)
    }

    fn digest_of(&self, path: &Path) -> Option<Hash> {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        digests.of_file(path).map(Hash)
    }
}

/// The digest in the name of an image.
fn image(name: &str) -> Option<Hash> {
    let (_, hex) = name.rsplit_once("@sha256:")?;
    Hash::from_hex(hex)
}
