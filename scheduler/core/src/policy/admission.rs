//! What is looked for in what a job brings along, what becomes of a hit, and for how long approvals
//! are good.

use std::collections::BTreeSet;

use repower_model::{Hash, Mark, Sign, Span};
use serde::{Deserialize, Serialize};
use toml::Spanned;

/// What becomes of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing: it is written down.
    Admit,
    /// A person looks first.
    Review,
    /// It is refused.
    Refuse,
}

impl Verdict {
    /// The name, as policies, tables and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Review => "review",
            Self::Refuse => "refuse",
        }
    }
}

/// How what a job brings along is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// What becomes of one in which a proof-of-work function, a client of a pool or a digest of the
    /// list is found.
    pub on_hit: Verdict,
    /// What becomes of one of which something could not be looked at: encrypted, damaged, larger or
    /// deeper than the scan goes.
    pub on_unread: Verdict,
    /// Words for which a person looks: in name, command line, script and environment, without
    /// regard to case. A name is evidence of nothing; it is a reason to ask.
    pub review_words: Vec<String>,
    /// Content that must not run, by SHA-256.
    pub known_digests: BTreeSet<Hash>,
    /// Rules of YARA for what is brought along; `None`: there are none. Not every build can use them.
    pub yara_rules: Option<YaraRules>,
    /// Images that jobs may name, by digest or id; `None`: any. Nobody looks into an image that nodes fetch, so whoever
    /// lists one has.
    pub images: Option<BTreeSet<Hash>>,
    /// The longest time for which an approval is good.
    pub longest_approval: Span,
}

/// Rules of YARA, as the policy has them. Whether they compile is asked by whoever uses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YaraRules {
    /// Their text.
    pub text: String,
    /// The line of the policy in which it begins, from 1.
    pub line: usize,
}

/// The place of a mark about a job's image.
pub(crate) const IMAGE: &str = "image";

impl Default for Admission {
    fn default() -> Self {
        Self {
            on_hit: Verdict::Refuse,
            on_unread: Verdict::Admit,
            review_words: Vec::new(),
            known_digests: BTreeSet::new(),
            yara_rules: None,
            images: None,
            longest_approval: Span::from_secs(LONGEST_DAYS * 86_400),
        }
    }
}

impl Admission {
    /// What becomes of a job in which this was found.
    pub fn verdict(&self, mark: &Mark) -> Verdict {
        match mark.sign {
            Sign::ProofOfWork | Sign::PoolClient | Sign::KnownDigest | Sign::Rule => self.on_hit,
            Sign::Word => Verdict::Review,
            // It is marked only if it is not on the list.
            Sign::Unread if self.images.is_some() && mark.place == IMAGE => Verdict::Refuse,
            Sign::Unread => self.on_unread,
        }
    }

    /// Whether an image is on the list, so that it counts as looked at.
    pub fn lists(&self, image: &str) -> bool {
        let digest = image.rsplit_once("sha256:").and_then(|(_, hex)| Hash::from_hex(hex));
        self.images.as_ref().zip(digest).is_some_and(|(images, digest)| images.contains(&digest))
    }

    /// Whether a person has to look because of what was found.
    pub fn asks(&self, marks: &[Mark]) -> bool {
        marks.iter().any(|mark| self.verdict(mark) == Verdict::Review)
    }
}

const LONGEST_DAYS: u64 = 365;
/// More words would make a scan slow and a policy unreadable.
const MOST_WORDS: usize = 256;
/// More digests belong into the list of an agent.
const MOST_DIGESTS: usize = 10_000;

/// The table `[admission]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct AdmissionTable {
    on_hit: Option<Spanned<Verdict>>,
    on_unread: Option<Verdict>,
    review_words: Vec<Spanned<String>>,
    known_digests: Vec<Spanned<String>>,
    yara_rules: Option<Spanned<String>>,
    images: Option<Vec<Spanned<String>>>,
}

/// The table `[approvals]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct ApprovalsTable {
    longest_days: Option<Spanned<u32>>,
}

pub(super) const KEYS: [&str; 9] = [
    "admission",
    "on-hit",
    "on-unread",
    "review-words",
    "known-digests",
    "yara-rules",
    "images",
    "approvals",
    "longest-days",
];

/// What is wrong, and where.
type Wrong = (usize, &'static str);

impl AdmissionTable {
    /// What the table says; `text` is that of the policy.
    pub(super) fn read(self, approvals: ApprovalsTable, text: &str) -> Result<Admission, Wrong> {
        let plain = Admission::default();
        let on_hit = match self.on_hit {
            None => plain.on_hit,
            Some(said) if *said.get_ref() == Verdict::Admit => {
                return Err((said.span().start, "`on-hit` is \"refuse\" or \"review\""));
            }
            Some(said) => said.into_inner(),
        };
        let longest_approval = match approvals.longest_days {
            None => plain.longest_approval,
            Some(days) if !(1..=3660).contains(days.get_ref()) => {
                return Err((days.span().start, "`longest-days` is between 1 and 3660"));
            }
            Some(days) => Span::from_secs(u64::from(days.into_inner()) * 86_400),
        };
        Ok(Admission {
            on_hit,
            on_unread: self.on_unread.unwrap_or(plain.on_unread),
            review_words: words(self.review_words)?,
            known_digests: digests(self.known_digests)?,
            images: self.images.map(images).transpose()?,
            yara_rules: self.yara_rules.map(|rules| yara(rules, text)).transpose()?,
            longest_approval,
        })
    }
}

fn images(given: Vec<Spanned<String>>) -> Result<BTreeSet<Hash>, Wrong> {
    if let Some(last) = given.get(MOST_DIGESTS) {
        return Err((last.span().start, "at most 10000 `images` are listed"));
    }
    let read = |text: Spanned<String>| {
        let at = text.span().start;
        let hex = text.get_ref().rsplit_once("sha256:").map(|(_, hex)| hex);
        let wrong = "an image is named as NAME@sha256:DIGEST or sha256:ID";
        hex.and_then(Hash::from_hex).ok_or((at, wrong))
    };
    given.into_iter().map(read).collect()
}

fn yara(given: Spanned<String>, policy: &str) -> Result<YaraRules, Wrong> {
    let at = given.span().start;
    let text = given.into_inner();
    if text.trim().is_empty() {
        return Err((at, "`yara-rules` has no rule: leave it out"));
    }
    // A line break right behind the opening quotes is not of the text.
    let (before, rest) = policy.split_at_checked(at).unwrap_or((policy, ""));
    let opening = rest.strip_prefix("'''").or_else(|| rest.strip_prefix("\"\"\""));
    let is_below = opening.is_some_and(|rest| rest.starts_with(['\n', '\r']));
    let line = 1 + before.matches('\n').count() + usize::from(is_below);
    Ok(YaraRules { text, line })
}

fn words(given: Vec<Spanned<String>>) -> Result<Vec<String>, Wrong> {
    if let Some(last) = given.get(MOST_WORDS) {
        return Err((last.span().start, "at most 256 `review-words` are looked for"));
    }
    let mut words = Vec::with_capacity(given.len());
    for word in given {
        let at = word.span().start;
        let word = word.into_inner().to_lowercase();
        if word.chars().count() < 2 || word.len() > 64 || word.chars().any(char::is_control) {
            return Err((at, "a word has at least 2 characters and at most 64 bytes"));
        }
        words.push(word);
    }
    words.sort_unstable();
    words.dedup();
    Ok(words)
}

fn digests(given: Vec<Spanned<String>>) -> Result<BTreeSet<Hash>, Wrong> {
    if let Some(last) = given.get(MOST_DIGESTS) {
        return Err((last.span().start, "at most 10000 `known-digests` are looked for"));
    }
    let read = |text: Spanned<String>| {
        let at = text.span().start;
        Hash::from_hex(text.get_ref()).ok_or((at, "a digest is 64 hexadecimal digits"))
    };
    given.into_iter().map(read).collect()
}
