//! A list of C strings as the kernel wants arguments and environments.

use std::ffi::{CString, NulError, OsStr, c_char};
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

/// A list of C strings with the list of pointers that ends in a null.
#[derive(Debug)]
pub(crate) struct Strings {
    /// What the pointers point at.
    owned: Vec<CString>,
    pointers: Vec<usize>,
}

impl Strings {
    /// An empty list.
    pub(crate) fn new() -> Self {
        Self { owned: Vec::new(), pointers: vec![0] }
    }

    /// Adds one.
    ///
    /// # Errors
    ///
    /// If it has a zero byte inside, which no program could be told.
    pub(crate) fn push(&mut self, text: &OsStr) -> Result<(), NulError> {
        let text = CString::new(text.as_bytes())?;
        let last = self.pointers.len() - 1;
        self.pointers[last] = text.as_ptr().addr();
        ptr::from_ref(text.as_c_str()).cast::<c_char>().expose_provenance();
        self.pointers.push(0);
        self.owned.push(text);
        Ok(())
    }

    /// Adds `name=value`.
    ///
    /// # Errors
    ///
    /// If either has a zero byte inside.
    pub(crate) fn push_variable(&mut self, name: &OsStr, value: &OsStr) -> Result<(), NulError> {
        let mut text = name.to_owned();
        text.push("=");
        text.push(value);
        self.push(&text)
    }

    pub(super) fn as_ptr(&self) -> *const usize {
        self.pointers.as_ptr()
    }
}
