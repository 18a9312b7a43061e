//! A file that is not packed.

use std::io::{self, Read};

use repower_model::{Hash, Sign};
use repower_patterns::Hits;
use sha2::{Digest as _, Sha256};

use crate::bounded::fill;
use crate::files::{Looker, Spot};
use crate::rules;
use crate::tail::Tail;

/// A file below this size that is no program may tell a program what to do.
const SMALL: u64 = 64 << 10;

/// Beginnings of programs: ELF, PE, Mach-O of four kinds, and scripts.
const PROGRAMS: [&[u8]; 7] = [
    b"\x7fELF",
    b"MZ",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"#!",
];

/// Endings of names of what an interpreter runs.
const SCRIPTS: [&str; 12] =
    [".py", ".sh", ".bash", ".pl", ".rb", ".js", ".mjs", ".lua", ".php", ".ps1", ".jl", ".r"];

pub(crate) fn look(
    looker: &mut Looker<'_>,
    source: &mut dyn Read,
    spot: Spot<'_>,
    head: &[u8],
) -> io::Result<()> {
    let mut scan = looker.sought.patterns.scan();
    // A file alone has been compared by whoever brought it.
    let is_inside = spot.depth > 0 && !looker.sought.digests.is_empty();
    let mut digest = is_inside.then(Sha256::new);
    let mut buffer = std::mem::take(&mut looker.buffer);
    let (mut end_of, mut length) = (Tail::default(), 0_u64);
    let end = loop {
        let read = match fill(source, &mut buffer) {
            Ok(read) => read,
            Err(error) => break Err(error),
        };
        match looker.goes_on(read, spot.place) {
            Ok(true) if read > 0 => {}
            Ok(_) => break Ok(()),
            Err(error) => break Err(error),
        }
        scan.feed(&buffer[..read]);
        if let Some(rules) = &mut looker.rules {
            rules.feed(&buffer[..read]);
        }
        if let Some(digest) = &mut digest {
            digest.update(&buffer[..read]);
        }
        end_of.feed(&buffer[..read]);
        length += read as u64;
    };
    looker.buffer = buffer;
    if end_of.is_zip() {
        looker
            .budget
            .unread(spot.place, "has a zip behind its beginning, which is not unpacked here");
    }
    if let (Some(digest), Ok(()), false) = (digest, &end, looker.budget.is_spent) {
        known(looker, spot, Hash(digest.finalize().into()));
    }
    if let Some(scan) = &mut looker.rules {
        rules::judge(scan, &mut looker.budget, spot.place);
    }
    let hits = scan.hits();
    judge(looker, spot, hits, is_program(head, spot), length);
    end
}

fn known(looker: &mut Looker<'_>, spot: Spot<'_>, digest: Hash) {
    if looker.sought.digests.contains(&digest) {
        let detail = format!("has the digest {digest}, which is on the list of what must not run");
        looker.budget.mark(Sign::KnownDigest, spot.place, detail);
    }
}

/// Whether a file is a program, as far as its beginning, its name and its mode say.
fn is_program(head: &[u8], spot: Spot<'_>) -> bool {
    spot.executable || begins_program(head) || is_script(spot.place)
}

/// Whether a file begins as a program does.
pub(crate) fn begins_program(head: &[u8]) -> bool {
    PROGRAMS.iter().any(|magic| head.starts_with(magic))
}

/// Whether a name ends as those of scripts do.
pub(crate) fn is_script(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SCRIPTS.iter().any(|ending| name.ends_with(ending))
}

/// Constants count wherever they are: nothing but such a function has several of them. Words count
/// in programs; a text has words about everything, so one that is small is a reason to ask, and a
/// large one is data.
pub(crate) fn judge(
    looker: &mut Looker<'_>,
    spot: Spot<'_>,
    hits: Hits,
    program: bool,
    length: u64,
) {
    if hits.is_proof_of_work() {
        let detail = format!("has {} constants of a proof-of-work function", hits.constants());
        looker.budget.mark(Sign::ProofOfWork, spot.place, detail);
    }
    if !hits.is_pool_client() {
        return;
    }
    let detail = format!("has {} words of pool protocols", hits.words());
    if program {
        looker.budget.mark(Sign::PoolClient, spot.place, detail);
    } else if length < SMALL {
        looker.budget.mark(Sign::Word, spot.place, format!("{detail}, and is no program"));
    }
}
