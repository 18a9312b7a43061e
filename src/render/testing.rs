//! A screen in memory, for tests.

use std::io;
use std::sync::{Arc, Mutex};

use super::screen::{Form, Screen};
use crate::failure::Failure;

#[derive(Clone, Default)]
struct Page {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().expect("no test panics while it writes").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().expect("as above").clone()).expect("text")
    }
}

/// Returns what `write` writes to standard output and to standard error, 80 columns wide.
pub(crate) fn pages<T>(form: Form, write: impl FnOnce(&mut Screen) -> T) -> (String, String, T) {
    let (out, err) = (Page::default(), Page::default());
    let mut screen = Screen::into(out.clone(), err.clone(), form, Some(80));
    let result = write(&mut screen);
    screen.flush().expect("memory takes all");
    (out.text(), err.text(), result)
}

/// The same for a command that asks a scheduler.
pub(crate) async fn pages_of<T>(
    form: Form,
    write: impl AsyncFnOnce(&mut Screen) -> T,
) -> (String, String, T) {
    let (out, err) = (Page::default(), Page::default());
    let mut screen = Screen::into(out.clone(), err.clone(), form, Some(80));
    let result = write(&mut screen).await;
    screen.flush().expect("memory takes all");
    (out.text(), err.text(), result)
}

/// Returns what `write` writes to standard output.
pub(crate) fn page(form: Form, write: impl FnOnce(&mut Screen) -> Result<(), Failure>) -> String {
    let (out, _, result) = pages(form, write);
    result.expect("memory takes all");
    out
}

/// Compares marked blocks of a page below `docs/` with what they should hold.
///
/// A block follows a line `<!-- MARK: NAME -->`. With `REPOWER_BLESS` set the page is written instead, and a
/// block that it lacks is put behind the one before.
pub(crate) fn hold_page(page: &str, mark: &str, blocks: &[(String, String)]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let before = std::fs::read_to_string(&path).expect("the page is there");
    let mut after = before.clone();
    let mut last = after.len();
    for (name, content) in blocks {
        let line = format!("<!-- {mark}: {name} -->\n");
        let start = after.find(&line).unwrap_or_else(|| {
            after.insert_str(last, &format!("\n{line}```text\n```\n"));
            last + 1
        });
        let open = start + line.len();
        let first = after[open..].find('\n').expect("its first line ends") + open + 1;
        let end = after[first..].find("```").expect("the block closes") + first;
        after.replace_range(first..end, content);
        last = first + content.len() + "```\n".len();
    }
    fences(page, &after);
    let marks = |line: &&str| line.starts_with(&format!("<!-- {mark}: "));
    let marked = after.lines().filter(marks).count();
    assert_eq!(marked, blocks.len(), "{page} has blocks of things that are no more");
    if std::env::var_os("REPOWER_BLESS").is_some() {
        std::fs::write(&path, &after).expect("written");
    } else {
        assert_eq!(
            before, after,
            "{page} is stale: REPOWER_BLESS=1 cargo test -p repower --lib writes it anew"
        );
    }
}

/// Every block of a page that opens also closes, by a line of its own.
fn fences(page: &str, text: &str) {
    let mut open = None;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with("```")) {
        open = match open {
            None => {
                assert!(line.len() > 3, "{page}:{}: a block without a language", number + 1);
                Some(number)
            }
            Some(since) => {
                assert_eq!(line, "```", "{page}:{}: in the block since {since}", number + 1);
                None
            }
        };
    }
    assert_eq!(open, None, "{page}: a block that never closes");
}

#[test]
#[should_panic(expected = "page:5: in the block since 0")]
fn a_block_in_a_block_is_noticed() {
    fences("page", "```text\none\n\ntwo\n```t\n<!-- help: x -->\n```text\nthree\n```\n");
}
