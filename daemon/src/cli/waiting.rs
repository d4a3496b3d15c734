//! Shows that something goes on whose steps nobody can count, and for how long it has: on a terminal a line that moves,
//! elsewhere a line when it changes and now and then.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::output::Output;
use super::progress::EVERY;

/// See the module.
pub(super) struct Waiting {
    shown: Shown,
    said: String,
    began: Instant,
    told: Instant,
}

enum Shown {
    Nothing,
    Lines,
    Bar(ProgressBar),
}

impl Waiting {
    /// Begins; nothing is shown to programs.
    pub(super) fn new(output: Output, words: &str) -> Self {
        let shown = match (output.json, std::io::stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (false, false) => Shown::Lines,
            (false, true) => {
                let bar = ProgressBar::new_spinner();
                if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}   {elapsed}") {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(Duration::from_millis(120));
                Shown::Bar(bar)
            }
        };
        let now = Instant::now();
        let mut waiting = Self { shown, said: String::new(), began: now, told: now };
        waiting.say(words);
        waiting
    }

    /// Says what goes on now.
    pub(super) fn say(&mut self, words: &str) {
        if self.said == words {
            return self.still();
        }
        words.clone_into(&mut self.said);
        match &self.shown {
            Shown::Nothing => {}
            Shown::Lines => self.line(),
            Shown::Bar(bar) => bar.set_message(self.said.clone()),
        }
    }

    /// Says that it still goes on, if nothing was said for long.
    pub(super) fn still(&mut self) {
        if matches!(self.shown, Shown::Lines) && self.told.elapsed() >= EVERY {
            self.line();
        }
    }

    /// Waits for `work`.
    pub(super) async fn during<T>(mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = tokio::time::sleep(EVERY) => self.still(),
            }
        };
        self.end();
        done
    }

    /// Leaves the screen as it was.
    pub(super) fn end(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    fn line(&mut self) {
        self.told = Instant::now();
        match self.began.elapsed().as_secs() {
            0 => note!("{}", self.said),
            seconds => note!("{}   {seconds} s", self.said),
        }
    }
}
