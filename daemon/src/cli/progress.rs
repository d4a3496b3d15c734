//! How far a job is, on standard error: a bar for each phase where somebody watches, and a line now and then where the
//! output goes to a file.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use datanet_api::fine_tuning::{self, JobState};
use indicatif::{ProgressBar, ProgressStyle};

use super::output::Output;

/// How often a line is printed where there is no terminal.
pub(super) const EVERY: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Progress {
    shown: Shown,
    phase: Phase,
    /// What was shown last.
    said: String,
    told: Instant,
    /// When the phase began, as far as it was seen.
    began: Instant,
    /// Jobs that come first, while this one waits.
    pub before: Option<usize>,
}

enum Shown {
    Nothing,
    Lines,
    Bar(ProgressBar),
}

/// What a job does now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Unknown,
    Waiting,
    /// Its name, and whether its steps can be counted.
    Named(String, bool),
}

impl Phase {
    fn of(status: JobState, at: &fine_tuning::Progress) -> Self {
        if status == JobState::Queued {
            return Self::Waiting;
        }
        let counted = at.steps > 0;
        match at.phase.as_str() {
            "training" => Self::Named("training".to_owned(), counted),
            "attribution" => Self::Named("audit by retraining".to_owned(), counted),
            "data" => Self::Named("reading the data".to_owned(), counted),
            "evaluation" => Self::Named("asking the model and its base".to_owned(), counted),
            "halves" => Self::Named("training on random halves".to_owned(), counted),
            "influence" => Self::Named("working out whose records helped".to_owned(), counted),
            "writing" => Self::Named("writing the model's files".to_owned(), counted),
            "release" => Self::Named("releasing".to_owned(), counted),
            other => Self::Named(other.to_owned(), counted),
        }
    }
}

impl Progress {
    /// Nothing for programs.
    pub(super) fn new(output: Output) -> Self {
        let shown = match (output.json, std::io::stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Bar(ProgressBar::hidden()),
            (false, false) => Shown::Lines,
        };
        Self {
            shown,
            phase: Phase::Unknown,
            said: String::new(),
            told: Instant::now(),
            began: Instant::now(),
            before: None,
        }
    }

    /// Shows how far a job is.
    pub(super) fn show(&mut self, status: JobState, at: &fine_tuning::Progress) {
        let phase = Phase::of(status, at);
        let changed = phase != self.phase;
        self.phase = phase;
        if changed {
            self.began = Instant::now();
        }
        self.said = self.words(at);
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Lines if changed || self.told.elapsed() >= EVERY => self.line(),
            Shown::Lines => {}
            Shown::Bar(bar) => {
                if changed {
                    bar.finish_and_clear();
                    *bar = new_bar(&self.phase);
                }
                bar.set_length(at.steps);
                bar.set_position(at.step);
                bar.set_message(self.said.clone());
            }
        }
    }

    /// Shows that the job still goes on, if nothing was said for long.
    pub(super) fn still(&mut self) {
        if matches!(self.shown, Shown::Lines) && self.told.elapsed() >= EVERY {
            self.line();
        }
    }

    /// Says something that stays.
    pub(super) fn tell(&self, message: &str) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Lines => note!("{message}"),
            Shown::Bar(bar) if bar.is_hidden() => note!("{message}"),
            Shown::Bar(bar) => bar.println(message),
        }
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
            seconds if seconds >= EVERY.as_secs() => note!("{}   {seconds} s so far", self.said),
            _ => note!("{}", self.said),
        }
    }

    /// Phase, steps and what else is true of this phase; a bar shows the steps itself.
    fn words(&self, at: &fine_tuning::Progress) -> String {
        let (name, counted) = match &self.phase {
            Phase::Unknown => return String::new(),
            Phase::Waiting => return waiting(self.before),
            Phase::Named(name, counted) => (name, *counted),
        };
        let mut parts = Vec::new();
        if !matches!(self.shown, Shown::Bar(_)) {
            let steps = format!(" {}/{}", at.step, at.steps);
            parts.push(format!("{name}{}", if counted { steps.as_str() } else { "" }));
        } else if !counted {
            parts.push(name.clone());
        }
        // The loss and the memory are those of training's last step.
        if name == "training" {
            parts.extend(at.loss.map(|loss| format!("loss {loss:.4}")));
        }
        if counted {
            let left = at.seconds_left.filter(|_| at.step != at.steps);
            parts.extend(left.map(|left| format!("{left:.0} s left")));
        }
        if name == "training" {
            parts.extend(at.memory_bytes.map(|bytes| format!("{} MiB", bytes >> 20)));
        }
        parts.join("   ")
    }
}

fn waiting(before: Option<usize>) -> String {
    match before {
        None | Some(0) => "waiting".to_owned(),
        Some(1) => "waiting, 1 job before yours".to_owned(),
        Some(count) => format!("waiting, {count} jobs before yours"),
    }
}

fn new_bar(phase: &Phase) -> ProgressBar {
    let (bar, template) = match phase {
        Phase::Named(_, true) => (ProgressBar::new(0), "{prefix} {bar:30} {pos}/{len} {msg}"),
        _ => (ProgressBar::new_spinner(), "{spinner} {msg}   {elapsed}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    if let Phase::Named(name, _) = phase {
        bar.set_prefix(name.clone());
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(status: JobState, at: &fine_tuning::Progress) -> String {
        let mut progress = Progress { shown: Shown::Nothing, before: Some(1), ..Progress::new(Output { json: true }) };
        progress.show(status, at);
        progress.said
    }

    #[test]
    fn each_phase_shows_what_is_true_of_it() {
        let job = |status: JobState, phase: &str, step: u64, steps: u64| {
            let (phase, loss, seconds_left) = (phase.to_owned(), Some(1.0), Some(2.0));
            words(status, &fine_tuning::Progress { phase, step, steps, loss, seconds_left, memory_bytes: None })
        };
        assert_eq!(job(JobState::Queued, "", 0, 0), "waiting, 1 job before yours");
        assert_eq!(job(JobState::Running, "data", 0, 0), "reading the data");
        assert_eq!(job(JobState::Running, "training", 3, 9), "training 3/9   loss 1.0000   2 s left");
        assert_eq!(job(JobState::Running, "attribution", 1, 5), "audit by retraining 1/5   2 s left");
        assert_eq!(job(JobState::Running, "influence", 0, 0), "working out whose records helped");
        assert_eq!(job(JobState::Running, "influence", 32, 64), "working out whose records helped 32/64   2 s left");
        assert_eq!(job(JobState::Running, "release", 0, 0), "releasing");
    }
}
