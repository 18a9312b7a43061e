//! The person's terminal in another mode, and what they type there.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::sync::{Mutex, Once, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

/// How the terminal was, as long as it is in another mode.
static BEFORE: Mutex<Option<Before>> = Mutex::new(None);

struct Before {
    mode: Termios,
    full: bool,
}

/// What the terminal shows while it is this one's: it is as before when this is dropped, also by a panic.
#[derive(Debug)]
pub(crate) struct Raw(());

/// Whether both standard input and output are a terminal.
pub(crate) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Columns and rows.
pub(crate) fn size() -> (usize, usize) {
    let size = tcgetwinsize(rustix::stdio::stdout()).ok();
    let size = size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    size.filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or((80, 24))
}

impl Raw {
    /// Takes each key as it is typed; with `full`, on an empty screen beside the one that was there.
    pub(crate) fn enter(full: bool) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let tell = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                leave();
                tell(panic);
            }));
        });
        let mode = tcgetattr(rustix::stdio::stdin())?;
        let mut raw = mode.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Before { mode, full });
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &raw)?;
        if full {
            show("\x1b[?1049h\x1b[?25l\x1b[2J")?;
        }
        Ok(Self(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        leave();
    }
}

/// Writes to the terminal at once.
pub(crate) fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Makes the terminal what it was.
fn leave() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(before) = before else { return };
    // It may be gone: then nobody misses what it was.
    if before.full {
        drop(show("\x1b[?25h\x1b[?1049l"));
    }
    let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &before.mode);
}

/// What comes on standard input, piece by piece, to its end. The thread that reads it ends with the process.
pub(crate) fn typed() -> mpsc::Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel(8);
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        loop {
            match io::stdin().lock().read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => {
                    if tell.blocking_send(buffer[..count].to_vec()).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
    told
}
