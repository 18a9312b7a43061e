//! Reading policy files.

use std::io::Read as _;
use std::path::Path;

use repower_core::policy::Policy as Rules;

use super::error::CheckError;

/// The largest policy that is read, in bytes.
pub(super) const LARGEST: u64 = 1 << 20;

/// The policy in a file.
pub(super) fn read(path: &Path) -> Result<Rules, CheckError> {
    let unreadable = |source| CheckError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST {
        return Err(CheckError::TooLarge { path: path.to_owned() });
    }
    Rules::parse(&text).map_err(|source| CheckError::Wrong { path: path.to_owned(), source })
}
