//! Looks at what jobs bring along, and remembers by digest what was found.

mod known;
mod looking;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use repower_admission::{Rules, is_program, of_input, ruled, texts};
use repower_artefacts::{Mover, Pool};
use repower_core::policy::{Policy, YaraRules, hash_of};
use repower_core::refusal::Refusal;
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
    /// Those that were used last, with the digest of their text.
    rules: Mutex<Option<(Hash, Arc<Rules>)>>,
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
        Ok(Self { known, turns: Pool::new(TURNS, SHARE), rules: Mutex::default() })
    }

    /// Compiles rules of a policy, or remembers them.
    ///
    /// # Errors
    ///
    /// [`Refusal::BadPolicy`] with all that is wrong, by line; also if this build can have no rules.
    pub(crate) async fn rules(
        &self,
        shared: &Shared,
        rules: Option<YaraRules>,
    ) -> Result<Option<Arc<Rules>>, Problem> {
        let Some(YaraRules { text, line }) = rules else { return Ok(None) };
        let hash = hash_of(text.as_bytes());
        let kept = || self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, rules)) = kept().as_ref().filter(|(known, _)| *known == hash) {
            return Ok(Some(Arc::clone(rules)));
        }
        let compiled = shared.aside.run(move || Rules::compile(&text)).await?;
        let bad =
            compiled.map_err(|error| Refusal::BadPolicy { problem: error.told(line).join("; ") });
        let fresh = Arc::new(bad?);
        *kept() = Some((hash, Arc::clone(&fresh)));
        Ok(Some(fresh))
    }

    /// Looks at all that a job brings along.
    pub(crate) async fn look(
        &self,
        shared: &Shared,
        spec: &JobSpec,
        which: Files,
    ) -> Result<Look, Problem> {
        let (words, list, looked_by, rules) = {
            let state = shared.published.read();
            let policy = state.policy.as_ref().map(|(policy, _)| policy);
            let words = policy.map(|policy| policy.admission.review_words.clone());
            let list = List::of(&state, spec);
            let rules = policy.and_then(|policy| policy.admission.yara_rules.clone());
            (words.unwrap_or_default(), list, policy.map(|policy| policy.hash), rules)
        };
        let rules = self.rules(shared, rules).await?;
        let mut marks = of_texts(shared, spec, words, rules.clone()).await?;
        for input in &spec.inputs {
            let Source::Stored { digest, .. } = input.source else { continue };
            let file = (digest, is_program(spec, input));
            let found = self.of_file(shared, file, (&list, rules.as_ref()), which).await?;
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
        (list, rules): (&List, Option<&Arc<Rules>>),
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
        let looking = Looking::begin(turn, executable, Arc::clone(&list.digests), rules.cloned());
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

/// Whether this build can have the policy that is in force; another one is about to be: `brought`.
///
/// # Errors
///
/// [`Error::RulesInForce`] with all that is wrong.
pub(crate) fn check_in_force(state: &State, brought: Option<&str>) -> Result<(), Error> {
    let in_force = state.policy.as_ref().filter(|_| brought.is_none());
    let Some((policy, _)) = in_force else { return Ok(()) };
    check(policy).map_err(|problem| {
        let version = policy.version.clone();
        Error::RulesInForce { version, problem }
    })
}

/// Whether this build can use the rules of a policy; else why not, by line.
pub(crate) fn check(policy: &Policy) -> Result<(), String> {
    let Some(rules) = &policy.admission.yara_rules else { return Ok(()) };
    let compiled = Rules::compile(&rules.text).map(|_| ());
    compiled.map_err(|error| error.told(rules.line).join("; "))
}

/// Digests of what must not run: those of the policy's list and those in quarantine.
struct List {
    digests: Arc<BTreeSet<Hash>>,
    /// SHA-256 over all of them, and over the rules of the policy.
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
        let mut bytes: Vec<u8> = digests.iter().flat_map(|digest| digest.0).collect();
        let policy = state.policy.as_ref().map(|(policy, _)| policy);
        if let Some(rules) = policy.and_then(|policy| policy.admission.yara_rules.as_ref()) {
            bytes.extend_from_slice(rules.text.as_bytes());
        }
        Self { digests: Arc::new(digests), hash: hash_of(&bytes) }
    }
}

async fn of_texts(
    shared: &Shared,
    spec: &JobSpec,
    words: Vec<String>,
    rules: Option<Arc<Rules>>,
) -> Result<Vec<Mark>, Problem> {
    if rules.is_none() && said(spec) <= SHORT {
        return Ok(texts(&PATTERNS, spec, &words));
    }
    let spec = spec.clone();
    let look = move || {
        let mut marks = texts(&PATTERNS, &spec, &words);
        marks.extend(rules.iter().flat_map(|rules| ruled(rules, &spec)));
        Mark::heaviest(marks)
    };
    shared.aside.run(look).await
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

    #[cfg(not(feature = "yara"))]
    #[test]
    fn a_build_without_rules_does_not_start_under_a_policy_with_some_unless_another_is_brought() {
        use repower_core::engine::Engine;
        use repower_core::input::Input;
        use repower_core::policy::DEFAULT;

        let ruled = "[admission]\nyara-rules = \"rule a { condition: true }\"\n";
        let ruled = DEFAULT.replace("[admission]\n", ruled);
        let mut engine = Engine::new();
        let now = crate::clock::now();
        let found = Input::Found { cell: "x".into(), version: "0".into() };
        engine.turn(&found, now).unwrap();
        let adopt = Input::Adopt { text: ruled, by: String::new(), replaces: None };
        engine.turn(&adopt, now).unwrap();

        let alone = check_in_force(engine.state(), None);

        let said = alone.unwrap_err().to_string();
        assert!(said.contains("which is in force") && said.contains("no rules of YARA"), "{said}");
        assert!(check_in_force(engine.state(), Some(DEFAULT)).is_ok());
        assert!(check_in_force(Engine::new().state(), None).is_ok());
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
