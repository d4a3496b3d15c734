//! What a person sees while something runs: live lines on a terminal, plain ones elsewhere, and nothing on standard
//! output that a program reading `--json` would trip over.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Plain lines say again where a long step stands after this time, not at every change.
const REPEAT: Duration = Duration::from_secs(5);

/// Prints a line or a block of them. A closed pipe is the reader's wish, and no failure: the work goes on.
pub fn print(text: impl std::fmt::Display) {
    let mut out = std::io::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).ok();
}

/// The same on standard error.
pub fn complain(text: impl std::fmt::Display) {
    writeln!(std::io::stderr(), "{text}").ok();
}

/// Where progress goes.
#[derive(Clone)]
pub struct Ui {
    /// On a terminal: the lines that move.
    live: Option<MultiProgress>,
    /// Plain lines go to standard error, because standard output belongs to the answer.
    to_stderr: bool,
}

impl Ui {
    /// For a person, or with `json` for a program that reads standard output.
    pub fn new(json: bool) -> Self {
        let live = std::io::stderr().is_terminal() && std::io::stdout().is_terminal() && !json;
        Self { live: live.then(MultiProgress::new), to_stderr: json }
    }

    /// Whether standard output is read by a program, so that only standard error may be written to.
    pub fn is_for_programs(&self) -> bool {
        self.to_stderr
    }

    /// Prints one line or a block of them, above what moves.
    pub fn line(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        match &self.live {
            Some(live) => live.suspend(|| print(text)),
            None if self.to_stderr => complain(text),
            None => print(text),
        }
    }

    /// A step of unknown length.
    pub fn step(&self, title: impl Into<String>) -> Step {
        self.begin(title.into(), None)
    }

    /// A step of `len` parts.
    pub fn bar(&self, title: impl Into<String>, len: usize) -> Step {
        self.begin(title.into(), Some(len as u64))
    }

    fn begin(&self, title: String, len: Option<u64>) -> Step {
        let bar = self.live.as_ref().map(|live| live.add(progress_bar(&title, len)));
        if bar.is_none() {
            self.line(format!("  … {title}"));
        }
        let now = Instant::now();
        let inner = Inner { ui: self.clone(), title, len, started: now, bar, said: Mutex::new((now, 0)) };
        Step(Arc::new(inner))
    }
}

fn progress_bar(title: &str, len: Option<u64>) -> ProgressBar {
    let template = match len {
        Some(_) => "  {spinner} {prefix:<34} {bar:24} {pos}/{len} {elapsed} {msg}",
        None => "  {spinner} {prefix:<34} {elapsed} {msg}",
    };
    let bar = len.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar.set_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// One thing under way. Clones share it.
#[derive(Clone)]
pub struct Step(Arc<Inner>);

struct Inner {
    ui: Ui,
    title: String,
    len: Option<u64>,
    started: Instant,
    bar: Option<ProgressBar>,
    /// When a plain line was last printed, and how many parts are done.
    said: Mutex<(Instant, u64)>,
}

impl Step {
    /// What is happening just now.
    pub fn say(&self, text: impl Into<String>) {
        self.advance(0, text.into());
    }

    /// One part more is done.
    pub fn one(&self, text: impl Into<String>) {
        self.advance(1, text.into());
    }

    fn advance(&self, parts: u64, text: String) {
        let inner = &self.0;
        let mut said = inner.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.1 += parts;
        match &inner.bar {
            Some(bar) => {
                bar.inc(parts);
                bar.set_message(text);
            }
            None if said.0.elapsed() >= REPEAT => {
                said.0 = Instant::now();
                let count = inner.len.map(|len| format!(" {}/{len}", said.1)).unwrap_or_default();
                inner.ui.line(format!("    {}{count} {text}", inner.title));
            }
            None => {}
        }
    }

    /// The step is over; returns how long it took in seconds.
    pub fn done(self, text: impl AsRef<str>) -> f64 {
        self.end("✓", text.as_ref())
    }

    /// The step came to nothing.
    pub fn failed(self, text: impl AsRef<str>) -> f64 {
        self.end("✗", text.as_ref())
    }

    fn end(self, mark: &str, text: &str) -> f64 {
        let seconds = self.0.started.elapsed().as_secs_f64();
        if let Some(bar) = &self.0.bar {
            bar.finish_and_clear();
        }
        self.0.ui.line(format!("  {mark} {:<34} {seconds:>6.1} s  {text}", self.0.title));
        seconds
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Base units as DNT, with the digits that matter: `1.234567 DNT`.
pub fn dnt(amount: u64) -> String {
    let text = format!("{}.{:06}", amount / 1_000_000, amount % 1_000_000);
    format!("{} DNT", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_with_the_digits_that_matter() {
        assert_eq!(dnt(0), "0 DNT");
        assert_eq!(dnt(1_000_000), "1 DNT");
        assert_eq!(dnt(1_230), "0.00123 DNT");
        assert_eq!(dnt(10_000_000), "10 DNT");
    }
}
