//! Looks at what jobs bring along, and remembers by digest what was found.

mod known;
mod looking;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use repower_admission::{is_program, of_input, texts};
use repower_artefacts::{Mover, Pool};
use repower_core::policy::hash_of;
use repower_core::state::State;
use repower_model::{Egress, Hash, JobSpec, Mark, Source};
use repower_patterns::Patterns;

use crate::Error;
use crate::calls::{self, By};
use crate::problem::Problem;
use crate::shared::Shared;
use known::Known;
use looking::Looking;

/// How many files are looked at together; the others wait. A large one takes a minute.
const TURNS: usize = 2;
/// How many of these are brought by one submitter.
const SHARE: usize = 1;
/// Larger texts are looked at on a thread apart.
const SHORT: usize = 32 << 10;

/// Made once: that takes longer than most looks.
static PATTERNS: LazyLock<Patterns> = LazyLock::new(Patterns::new);

/// Who looks.
#[derive(Debug)]
pub(crate) struct Admission {
    known: Mutex<Known>,
    turns: Pool<By>,
}

/// What was found in a job.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// The heaviest first, at most [`Mark::MOST`].
    pub(crate) marks: Vec<Mark>,
    /// The policy by whose words it was looked at.
    pub(crate) looked_by: Option<Hash>,
}

/// Which files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// All that are in the store.
    All,
    /// Those of which it is known what was found.
    Known,
}

impl Admission {
    /// Opens what was found before.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let known = Mutex::new(Known::open(&folder.join("looked"))?);
        Ok(Self { known, turns: Pool::new(TURNS, SHARE) })
    }

    /// Looks at all that a job brings along.
    pub(crate) async fn look(
        &self,
        shared: &Shared,
        spec: &JobSpec,
        which: Files,
    ) -> Result<Look, Problem> {
        let (words, list, looked_by) = {
            let state = shared.published.read();
            let policy = state.policy.as_ref().map(|(policy, _)| policy);
            let words = policy.map(|policy| policy.admission.review_words.clone());
            let list = List::of(&state, spec);
            (words.unwrap_or_default(), list, policy.map(|policy| policy.hash))
        };
        let mut marks = of_texts(shared, spec, words).await?;
        for input in &spec.inputs {
            let Source::Stored { digest, .. } = input.source else { continue };
            let file = (digest, is_program(spec, input));
            let found = self.of_file(shared, file, &list, which).await?;
            marks.extend(found.iter().map(|mark| of_input(&input.path, mark)));
            // Few at any time, however many inputs there are.
            marks = Mark::heaviest(marks);
        }
        Ok(Look { marks, looked_by })
    }

    fn known(&self, (digest, executable): (Hash, bool), list: &List) -> Option<Vec<Mark>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest, executable, list.hash)
    }

    async fn of_file(
        &self,
        shared: &Shared,
        file: (Hash, bool),
        list: &List,
        which: Files,
    ) -> Result<Vec<Mark>, Problem> {
        let (digest, executable) = file;
        let known = self.known(file, list);
        if known.is_some() || which == Files::Known {
            return Ok(known.unwrap_or_default());
        }
        let turn = self.turns.enter(&calls::current()).await;
        // Somebody else may have had the turn for the same file.
        if let Some(known) = self.known(file, list) {
            return Ok(known);
        }
        let mut reading = shared.artefacts.store().get(&Mover::Own, digest, 0).await?;
        let looking = Looking::begin(turn, executable, Arc::clone(&list.digests));
        let read = loop {
            match reading.next().await {
                // Whoever looks has seen enough.
                Ok(Some(piece)) => {
                    if looking.pieces.send(Ok(piece)).await.is_err() {
                        break Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(fault) => {
                    // Nobody listens if it has ended: then it is not about the end of the stream.
                    looking.pieces.send(Err(())).await.unwrap_or_default();
                    break Err(fault);
                }
            }
        };
        let looked = looking.end().await;
        read?;
        let looked = looked.map_err(|error| Problem::unreadable(&error))?;
        tracing::debug!(%digest, bytes = looked.bytes, marks = looked.marks.len(), "looked at a file");
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = known.insert(digest, executable, list.hash, &looked.marks) {
            tracing::warn!(%error, "what was found in a file is not remembered after a restart");
        }
        Ok(looked.marks)
    }
}

/// Digests of what must not run: those of the policy's list and those in quarantine.
struct List {
    digests: Arc<BTreeSet<Hash>>,
    /// SHA-256 over all of them.
    hash: Hash,
}

impl List {
    /// As it is now; empty for a job that brings no files along, which need not be compared.
    fn of(state: &State, spec: &JobSpec) -> Self {
        let mut digests = BTreeSet::new();
        if spec.inputs.iter().any(|input| matches!(input.source, Source::Stored { .. })) {
            digests.extend(state.findings.forbidden().keys().copied());
            if let Some((policy, _)) = &state.policy {
                digests.extend(&policy.admission.known_digests);
            }
        }
        let bytes: Vec<u8> = digests.iter().flat_map(|digest| digest.0).collect();
        Self { digests: Arc::new(digests), hash: hash_of(&bytes) }
    }
}

async fn of_texts(
    shared: &Shared,
    spec: &JobSpec,
    words: Vec<String>,
) -> Result<Vec<Mark>, Problem> {
    if said(spec) <= SHORT {
        return Ok(texts(&PATTERNS, spec, &words));
    }
    let spec = spec.clone();
    shared.aside.run(move || texts(&PATTERNS, &spec, &words)).await
}

/// How much a job says.
fn said(spec: &JobSpec) -> usize {
    let command = spec.command.iter().map(String::len).sum::<usize>();
    let variables = spec.environment.iter().map(|one| one.name.len() + one.value.len());
    let inputs = spec.inputs.iter().map(|input| match &input.source {
        Source::Url { url, .. } => input.path.len() + url.len(),
        Source::Stored { .. } => 0,
    });
    let places = match &spec.egress {
        Some(Egress::Only(places)) => places.iter().map(String::len).sum(),
        Some(Egress::Open | Egress::None) | None => 0,
    };
    let plain = spec.name.len() + spec.script.len() + spec.image.len();
    plain + command + places + variables.chain(inputs).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use repower_model::{InputFile, Variable};

    use super::*;

    #[test]
    fn all_that_is_looked_at_counts_towards_what_a_job_says() {
        let long = "x".repeat(40 << 10);
        let source = Source::Url { url: long.clone(), digest: None };
        let input = InputFile { source, path: "x".into(), unpack: false, executable: false };
        let variable = Variable { name: "X".into(), value: long.clone() };
        let all = [
            JobSpec { environment: vec![variable], ..JobSpec::default() },
            JobSpec { inputs: vec![input], ..JobSpec::default() },
            JobSpec { command: vec![long.clone()], ..JobSpec::default() },
            JobSpec { image: long.clone(), ..JobSpec::default() },
            JobSpec { egress: Some(Egress::Only(vec![long.clone()])), ..JobSpec::default() },
            JobSpec { script: long.into_bytes(), ..JobSpec::default() },
        ];

        assert!(all.iter().all(|spec| said(spec) > SHORT));
    }

    #[tokio::test]
    async fn whoever_brings_much_to_be_looked_at_leaves_a_turn_to_others() {
        let folder = tempfile::TempDir::new().unwrap();
        let admission = Admission::open(folder.path()).unwrap();
        let (mia, noa) = (By::Person("mia".into()), By::Person("noa".into()));

        let turn = admission.turns.try_enter(&mia);

        assert!(turn.is_some());
        assert!(admission.turns.try_enter(&mia).is_none());
        assert!(admission.turns.try_enter(&noa).is_some());
    }
}
