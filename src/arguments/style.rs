//! How help looks on a terminal.

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Effects};

/// Titles are bold, what is to be typed is cyan.
pub(super) const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::Yellow.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Green.on_default());
