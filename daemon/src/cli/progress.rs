//! How far a job is, on standard error: a bar for each phase where somebody watches, and a line now and then where the
//! output goes to a file.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::output::{Output, text};

/// How often a line is printed where there is no terminal.
pub const EVERY: Duration = Duration::from_secs(10);

/// See the module.
pub struct Progress {
    shown: Shown,
    phase: Phase,
    /// What was shown last.
    said: String,
    told: Instant,
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
    fn of(job: &Value) -> Self {
        if job["status"] == "queued" {
            return Self::Waiting;
        }
        let counted = job["progress"]["steps"].as_u64() > Some(0);
        match text(&job["progress"]["phase"]).as_str() {
            "training" => Self::Named("training".to_owned(), counted),
            "attribution" => Self::Named("audit by retraining".to_owned(), counted),
            // What is left of an earlier phase's steps says nothing of these.
            "data" => Self::Named("reading the data".to_owned(), false),
            "release" => Self::Named("releasing".to_owned(), false),
            other => Self::Named(other.to_owned(), false),
        }
    }
}

impl Progress {
    /// Nothing for programs.
    pub fn new(output: Output) -> Self {
        let shown = match (output.json, std::io::stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Bar(ProgressBar::hidden()),
            (false, false) => Shown::Lines,
        };
        Self { shown, phase: Phase::Unknown, said: String::new(), told: Instant::now(), before: None }
    }

    /// Shows how far the job is.
    pub fn show(&mut self, job: &Value) {
        let phase = Phase::of(job);
        let changed = phase != self.phase;
        self.phase = phase;
        self.said = self.words(job);
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Lines if changed || self.told.elapsed() >= EVERY => self.line(),
            Shown::Lines => {}
            Shown::Bar(bar) => {
                if changed {
                    bar.finish_and_clear();
                    *bar = new_bar(&self.phase);
                }
                bar.set_length(job["progress"]["steps"].as_u64().unwrap_or_default());
                bar.set_position(job["progress"]["step"].as_u64().unwrap_or_default());
                bar.set_message(self.said.clone());
            }
        }
    }

    /// Shows that the job still goes on, if nothing was said for long.
    pub fn still(&mut self) {
        if matches!(self.shown, Shown::Lines) && self.told.elapsed() >= EVERY {
            self.line();
        }
    }

    /// Says something that stays.
    pub fn tell(&self, message: &str) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Lines => eprintln!("{message}"),
            Shown::Bar(bar) if bar.is_hidden() => eprintln!("{message}"),
            Shown::Bar(bar) => bar.println(message),
        }
    }

    /// Leaves the screen as it was.
    pub fn end(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    fn line(&mut self) {
        self.told = Instant::now();
        eprintln!("{}", self.said);
    }

    /// Phase, steps and what else is true of this phase; a bar shows the steps itself.
    fn words(&self, job: &Value) -> String {
        let progress = &job["progress"];
        let (name, counted) = match &self.phase {
            Phase::Unknown => return String::new(),
            Phase::Waiting => return waiting(self.before),
            Phase::Named(name, counted) => (name, *counted),
        };
        let mut parts = Vec::new();
        if !matches!(self.shown, Shown::Bar(_)) {
            let steps = format!(" {}/{}", text(&progress["step"]), text(&progress["steps"]));
            parts.push(format!("{name}{}", if counted { steps.as_str() } else { "" }));
        } else if !counted {
            parts.push(name.clone());
        }
        // The loss and the time are those of training's last step.
        if name == "training" {
            parts.extend(progress["loss"].as_f64().map(|loss| format!("loss {loss:.4}")));
            let left = progress["seconds_left"].as_f64().filter(|_| progress["step"] != progress["steps"]);
            parts.extend(left.map(|left| format!("{left:.0} s left")));
            parts.extend(progress["memory_bytes"].as_u64().map(|bytes| format!("{} MiB", bytes >> 20)));
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
        _ => (ProgressBar::new_spinner(), "{spinner} {msg}"),
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
    use serde_json::json;

    use super::*;

    fn words(job: &Value) -> String {
        let mut progress = Progress { shown: Shown::Nothing, before: Some(1), ..Progress::new(Output { json: true }) };
        progress.show(job);
        progress.said
    }

    #[test]
    fn each_phase_shows_what_is_true_of_it() {
        let job = |status: &str, phase: &str, step: u64, steps: u64| {
            let progress = json!({ "phase": phase, "step": step, "steps": steps, "loss": 1.0, "seconds_left": 2.0 });
            words(&json!({ "status": status, "progress": progress }))
        };
        assert_eq!(job("queued", "", 0, 0), "waiting, 1 job before yours");
        assert_eq!(job("running", "data", 0, 0), "reading the data");
        assert_eq!(job("running", "training", 3, 9), "training 3/9   loss 1.0000   2 s left");
        assert_eq!(job("running", "attribution", 1, 5), "audit by retraining 1/5");
        assert_eq!(job("running", "release", 5, 5), "releasing");
    }
}
