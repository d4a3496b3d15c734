//! The questions: JSONL of a file or of standard input, read as they come.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio_util::sync::CancellationToken;

use crate::agent::Told;
use crate::agent::spec::Money;

/// Longest line in bytes: a node reads passages of 64 KiB.
const MAX_LINE: u64 = 128 * 1024;
/// Longest id.
const MAX_ID: usize = 200;

/// A line as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: Option<String>,
    question: Option<String>,
    text: Option<String>,
    label: Option<String>,
    worth: Option<Money>,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// What it is known by in the journal.
    pub(super) subject: String,
    pub(super) text: String,
    /// Whether a passage is to be labelled.
    pub(super) classify: bool,
    /// The right label, where it is known.
    pub(super) label: Option<String>,
    /// What a right answer is worth, where the line says.
    pub(super) worth: Option<Money>,
}

/// What the subjects of questions begin with.
pub(super) const SUBJECT: &str = "question/";

impl Question {
    fn parse(line: &str) -> Result<Self> {
        let Line { id, question, text, label, worth } = serde_json::from_str(line)?;
        let (text, classify) = match (question, text) {
            (Some(question), None) => (question, false),
            (None, Some(text)) => (text, true),
            _ => anyhow::bail!("write either \"question\" or \"text\""),
        };
        anyhow::ensure!(!text.trim().is_empty(), "the question or passage is empty");
        let id = match id {
            Some(id) => {
                let good = (1..=MAX_ID).contains(&id.len()) && !id.chars().any(char::is_control);
                anyhow::ensure!(good, "\"id\" is 1 to {MAX_ID} bytes without controls");
                id
            }
            None => format!("{}", blake3::hash(format!("{classify}/{text}").as_bytes()).to_hex()),
        };
        Ok(Self { subject: format!("{SUBJECT}{id}"), text, classify, label, worth })
    }

    /// Its id, cut short.
    pub(super) fn shown(&self) -> String {
        self.subject.trim_start_matches(SUBJECT).chars().take(24).collect()
    }
}

/// See the module.
pub(super) struct Questions {
    from: Box<dyn AsyncBufRead + Send + Unpin>,
    number: u64,
}

impl Questions {
    /// Those at `path`; `-` is standard input.
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let from: Box<dyn AsyncBufRead + Send + Unpin> = if path == Path::new("-") {
            Box::new(BufReader::new(tokio::io::stdin()))
        } else {
            let file = tokio::fs::File::open(path).await;
            Box::new(BufReader::new(file.with_context(|| format!("cannot read the questions in {}", path.display()))?))
        };
        Ok(Self { from, number: 0 })
    }

    /// The next one; none if there is none, or the agent is asked to stop. A line that is none is told and left out.
    pub(super) async fn next(&mut self, stop: &CancellationToken, told: &Told) -> Result<Option<Question>> {
        loop {
            let mut line = Vec::new();
            let mut bounded = (&mut self.from).take(MAX_LINE);
            let read = tokio::select! {
                () = stop.cancelled() => return Ok(None),
                read = bounded.read_until(b'\n', &mut line) => read.context("cannot read the questions")?,
            };
            if read == 0 {
                return Ok(None);
            }
            self.number = self.number.saturating_add(1);
            if read as u64 == MAX_LINE && line.last() != Some(&b'\n') {
                anyhow::bail!("line {} of the questions has more than {MAX_LINE} bytes", self.number);
            }
            let text = String::from_utf8_lossy(&line);
            if text.trim().is_empty() {
                continue;
            }
            match Question::parse(text.trim()) {
                Ok(question) => return Ok(Some(question)),
                Err(error) => told.say(&format!("line {} of the questions is left out: {error:#}", self.number)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_question_or_a_passage_and_the_same_is_known_again() {
        let one = Question::parse(r#"{"question": "what do owls eat?"}"#).unwrap();
        assert_eq!(one, Question::parse(r#"{ "question": "what do owls eat?" }"#).unwrap());
        assert_ne!(one.subject, Question::parse(r#"{"text": "what do owls eat?"}"#).unwrap().subject);
        let named =
            Question::parse(r#"{"id": "7", "text": "An owl hoots.", "label": "birds", "worth": "0.5DNT"}"#).unwrap();
        assert_eq!(
            (named.subject.as_str(), named.label.as_deref(), named.worth),
            ("question/7", Some("birds"), Some(Money(500_000)))
        );
        for (line, says) in [
            ("{}", "either"),
            (r#"{"question": "a", "text": "b"}"#, "either"),
            (r#"{"question": " "}"#, "empty"),
            (r#"{"question": "a", "pay": "dn1"}"#, "pay"),
            (r#"{"question": "a", "id": ""}"#, "1 to 200"),
            (r#"{"question": "a", "worth": "5"}"#, "5DNT"),
        ] {
            let error = format!("{:#}", Question::parse(line).unwrap_err());
            assert!(error.contains(says), "{line}: {error}");
        }
    }
}
