//! Programs that must not run, as the scheduler has said it, and what of a task is one of them.
//!
//! What a job brings along was compared with the list when it was submitted. Here is looked again, because the list
//! may have grown since; and at what nobody could look at then: programs of this node, and inputs that were fetched
//! from elsewhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use repower_model::{Hash, JobSpec};
use repower_proto::v1;
use sha2::{Digest as _, Sha256};

use super::Tasks;
use super::failure::Failure;
use super::prepared::Prepared as Job;
use super::state::Launch;
use crate::sense::{self, Digests, Stamp};

/// What is longer than this is read by a thread that others do not wait for: the rest takes a millisecond or so.
const SHORT: u64 = 256 << 10;

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
        let list = self.list();
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

    fn list(&self) -> Arc<BTreeMap<Hash, String>> {
        Arc::clone(&self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn digests(&self) -> MutexGuard<'_, Digests> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file at a path is; it is read once, and meanwhile others look theirs up.
    fn digest_of(&self, path: &Path) -> Option<Hash> {
        let stamp = Stamp::of(path)?;
        let known = self.digests().known(&stamp);
        if let Some(digest) = known {
            return Some(Hash(digest));
        }
        let (stamp, digest) = sense::read(path)?;
        self.digests().learn(stamp, digest);
        Some(Hash(digest))
    }

    /// Whether a program takes its time to be looked at: it is long, and nobody has read it yet.
    fn is_long(&self, path: &Path) -> bool {
        let stamp = Stamp::of(path).filter(|stamp| stamp.bytes() > SHORT);
        stamp.is_some_and(|stamp| self.digests().known(&stamp).is_none())
    }
}

impl Tasks {
    /// Whether the start of a task takes its time, because its program has to be read and is long.
    pub(super) fn must_read(&self, launch: &Launch) -> bool {
        let spec = &launch.definition.spec;
        let is_looked_at = spec.image.is_empty() && !self.forbidden.list().is_empty();
        if !is_looked_at || self.check_folder(spec).is_err() {
            return false;
        }
        // What is wrong with it is said by its launch.
        let Ok(job) = self.jobs.prepare(&launch.definition) else { return false };
        match &job.working_folder {
            Some(folder) => self.forbidden.is_long(&folder.join(&job.program)),
            // There is nothing yet in a folder that is made for it, or others bring it there.
            None => job.program.is_absolute() && self.forbidden.is_long(&job.program),
        }
    }
}

/// The digest in the name of an image.
fn image(name: &str) -> Option<Hash> {
    let (_, hex) = name.rsplit_once("@sha256:")?;
    Hash::from_hex(hex)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn a_long_program_takes_its_time_until_somebody_has_read_it_and_a_short_one_never_does() {
        let folder = tempfile::TempDir::new().unwrap();
        let (long, short) = (folder.path().join("long"), folder.path().join("short"));
        File::create(&long).unwrap().set_len(SHORT + 1).unwrap();
        File::create(&short).unwrap().set_len(SHORT).unwrap();
        let forbidden = Forbidden::default();

        assert!(forbidden.is_long(&long) && !forbidden.is_long(&short));
        let digest = forbidden.digest_of(&long).unwrap();
        assert_eq!(digest.0, <[u8; 32]>::from(Sha256::digest(fs::read(&long).unwrap())));
        assert!(!forbidden.is_long(&long), "it is known");
        assert!(!forbidden.is_long(folder.path()) && !forbidden.is_long(Path::new("/no/such")));
    }
}
