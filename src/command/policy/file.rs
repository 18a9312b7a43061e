//! Reading policy files.

use std::io::Read as _;
use std::path::Path;

use repower_admission::Rules as Yara;
use repower_core::policy::Policy as Rules;

use super::error::{CheckError, Faults, Told};

/// The largest policy that is read, in bytes.
pub(super) const LARGEST: u64 = 1 << 20;

/// The policy in a file; if it is none, with all that is wrong.
pub(super) fn read(path: &Path) -> Result<Rules, CheckError> {
    let unreadable = |source| CheckError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    // Who opens a pipe waits for its other end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(CheckError::NoFile { path: path.to_owned() });
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST {
        return Err(CheckError::TooLarge { path: path.to_owned() });
    }
    let rules = match Faults::of(Rules::faults(&text)) {
        Some(source) => return Err(CheckError::Wrong { path: path.to_owned(), source }),
        None => Rules::proposed(&text).map_err(|error| {
            let source = Faults::of(vec![error]).expect("a list of one");
            CheckError::Wrong { path: path.to_owned(), source }
        })?,
    };
    if let Some(yara) = &rules.admission.yara_rules
        && let Err(error) = Yara::compile(&yara.text)
        && let Some(source) = Told::of(error.told(yara.line))
    {
        return Err(CheckError::Rules { path: path.to_owned(), source });
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_read_and_nobody_waits_for_a_pipe() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        {
            use rustix::fs::{CWD, FileType, Mode, mknodat};
            mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).expect("a pipe");
        }

        let read = [pipe.as_path(), folder.path()].map(read);

        assert!(read.iter().all(|read| matches!(read, Err(CheckError::NoFile { .. }))), "{read:?}");
    }
}
