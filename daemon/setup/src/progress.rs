//! How setup tells what it is doing: bars on a terminal, lines in a log, JSON lines for programs.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Part, SetupError};

/// Something happened to a part.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum SetupEvent {
    /// Another process is making this part; we wait for it.
    Waiting,
    /// A step begins, described in a few words.
    Step {
        /// For people.
        text: String,
    },
    /// A download or an extraction goes on.
    Bytes {
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The tool at work printed this line.
    Line {
        /// Without its line break.
        text: String,
    },
    /// The part is there.
    Done {
        /// The executable, the library or the folder.
        path: PathBuf,
        /// Whether it was there before.
        cached: bool,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// The part cannot be had.
    Failed {
        /// Why, and what to type.
        error: String,
    },
}

/// Somebody who wants to know. Called from several tasks at once; must not block for long.
pub trait Progress: Send + Sync {
    /// `event` happened to `part`.
    fn on(&self, part: Part, event: &SetupEvent);
}

/// The right display for this process: JSON lines on standard output, bars if standard error is a terminal,
/// plain lines on standard error otherwise.
pub fn progress_for(json: bool) -> Arc<dyn Progress> {
    if json {
        Arc::new(JsonProgress)
    } else if std::io::stderr().is_terminal() {
        Arc::new(BarProgress::default())
    } else {
        Arc::new(LineProgress::default())
    }
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct SilentProgress;

impl Progress for SilentProgress {
    fn on(&self, _: Part, _: &SetupEvent) {}
}

/// One plain line on standard error for each step; no byte counts, nothing for what was there already, and of what a
/// tool prints only a line now and then, as a sign of life.
#[derive(Debug, Default)]
pub struct LineProgress {
    tool_lines: AtomicUsize,
}

/// Lines of a tool from one that is passed on to the next: a few dozen in all for CometBFT's some five hundred packages.
const TOOL_LINES: usize = 40;

impl Progress for LineProgress {
    fn on(&self, part: Part, event: &SetupEvent) {
        let is_tool = matches!(event, SetupEvent::Line { .. });
        if is_tool && !self.tool_lines.fetch_add(1, Ordering::Relaxed).is_multiple_of(TOOL_LINES) {
            return;
        }
        if let Some(text) = describe(event) {
            // Nobody may read on.
            let _ = writeln!(std::io::stderr(), "{}: {text}", part.label());
        }
    }
}

/// One JSON object a line on standard output: `{"part": "model", "event": "bytes", "done": 1, "total": 2}`.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonProgress;

impl Progress for JsonProgress {
    fn on(&self, part: Part, event: &SetupEvent) {
        #[derive(Serialize)]
        struct Line<'a> {
            part: Part,
            #[serde(flatten)]
            event: &'a SetupEvent,
        }
        if let Ok(line) = serde_json::to_string(&Line { part, event }) {
            // A reader that went away is no reason to stop setting up.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
    }
}

/// A live bar for each part on standard error.
#[derive(Default)]
pub struct BarProgress {
    screen: MultiProgress,
    bars: Mutex<BTreeMap<Part, ProgressBar>>,
}

impl Progress for BarProgress {
    fn on(&self, part: Part, event: &SetupEvent) {
        if matches!(event, SetupEvent::Done { cached: true, .. }) {
            return;
        }
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(part).or_insert_with(|| self.screen.add(spinner(part)));
        match event {
            SetupEvent::Bytes { done, total } => {
                if bar.length() != Some(*total) {
                    bar.set_style(style("{prefix:16} {bar:28} {bytes:>10} of {total_bytes} {bytes_per_sec}"));
                    bar.set_length(*total);
                }
                bar.set_position(*done);
            }
            SetupEvent::Done { .. } => {
                bar.set_style(style("{prefix:16} {msg}"));
                bar.finish_with_message(describe(event).unwrap_or_default());
            }
            SetupEvent::Failed { .. } => {
                bar.set_style(style("{prefix:16} {msg}"));
                // The error itself is printed by whoever asked for the part.
                bar.abandon_with_message("failed");
            }
            SetupEvent::Waiting | SetupEvent::Step { .. } | SetupEvent::Line { .. } => {
                bar.set_style(style(SPINNER));
                bar.unset_length();
                bar.set_message(describe(event).unwrap_or_default());
            }
        }
    }
}

const SPINNER: &str = "{prefix:16} {spinner} {elapsed:>4} {wide_msg}";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn spinner(part: Part) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_style(style(SPINNER)).with_prefix(part.label());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// The event in words; nothing for events that would only make noise in a log.
fn describe(event: &SetupEvent) -> Option<String> {
    match event {
        SetupEvent::Waiting => Some("another process is setting this up, waiting for it".to_owned()),
        SetupEvent::Step { text } | SetupEvent::Line { text } => Some(text.clone()),
        SetupEvent::Done { cached: true, .. } | SetupEvent::Bytes { .. } => None,
        SetupEvent::Done { path, millis, .. } => {
            Some(format!("ready after {:.1} s: {}", Duration::from_millis(*millis).as_secs_f64(), path.display()))
        }
        SetupEvent::Failed { error } => Some(format!("failed: {error}")),
    }
}

/// Reports on one part.
#[derive(Clone)]
pub(super) struct Reporter {
    part: Part,
    progress: Arc<dyn Progress>,
}

impl Reporter {
    pub(crate) fn new(part: Part, progress: Arc<dyn Progress>) -> Self {
        Self { part, progress }
    }

    fn send(&self, event: &SetupEvent) {
        self.progress.on(self.part, event);
    }

    pub(crate) fn waiting(&self) {
        self.send(&SetupEvent::Waiting);
    }

    pub(crate) fn step(&self, text: impl Into<String>) {
        self.send(&SetupEvent::Step { text: text.into() });
    }

    pub(crate) fn line(&self, text: &str) {
        self.send(&SetupEvent::Line { text: text.to_owned() });
    }

    pub(crate) fn bytes(&self, done: u64, total: u64) {
        self.send(&SetupEvent::Bytes { done, total });
    }

    pub(crate) fn done(&self, path: &Path, cached: bool, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.send(&SetupEvent::Done { path: path.to_path_buf(), cached, millis });
    }

    pub(crate) fn failed(&self, error: &SetupError) {
        self.send(&SetupEvent::Failed { error: error.to_string() });
    }
}
