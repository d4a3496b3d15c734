//! `chat`: one thing said, or a conversation of which each line is a turn.
//!
//! At a terminal, what is refused or stopped ends no conversation; from a pipe the first refusal ends it, so that a script
//! knows.

use std::io::{BufRead, IsTerminal, Read, Write};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::args::ChatArgs;
use super::client::{Client, Refused};
use super::complete::{Writer, is_too_long, print, whole};
use super::output::Output;

const PATH: &str = "/v1/chat/completions";
/// The longest line that is said, in bytes: a node reads no longer prompt.
const MAX_LINE: u64 = 1 << 20;

const COMMANDS: &str = "/reset begins anew, /exit or Ctrl-D ends, Ctrl-C stops an answer";
const FULL: &str = "the conversation is longer than the model reads: /reset begins anew; shorter turns or a smaller \
    --max-tokens leave more room";

/// `chat`.
pub(super) async fn run(client: &Client, args: ChatArgs, output: Output) -> Result<()> {
    let writer = Writer::new(client, &args.model, args.how, output).await?;
    let mut conversation = Conversation { writer, system: args.system, turns: Vec::new() };
    match args.prompt {
        Some(prompt) => {
            conversation.turns.push(turn("user", &prompt));
            conversation.writer.once(PATH, "messages", conversation.messages()).await
        }
        None => conversation.hold().await,
    }
}

fn turn(role: &str, content: &str) -> Value {
    json!({ "role": role, "content": content })
}

struct Conversation<'a> {
    writer: Writer<'a>,
    system: Option<String>,
    /// What was said, from both sides.
    turns: Vec<Value>,
}

impl Conversation<'_> {
    fn messages(&self) -> Value {
        let system = self.system.iter().map(|system| turn("system", system));
        system.chain(self.turns.iter().cloned()).collect()
    }

    /// Says line after line until there are no more.
    async fn hold(&mut self) -> Result<()> {
        let watched = std::io::stdin().is_terminal() && !self.writer.output.json;
        if watched {
            note!("{COMMANDS}");
        }
        let mut lines = lines();
        loop {
            if watched {
                let _ = write!(std::io::stderr(), "> ");
            }
            let line = tokio::select! {
                line = lines.recv() => line,
                _ = tokio::signal::ctrl_c() => {
                    ensure!(watched, "stopped");
                    note!("\n{COMMANDS}");
                    continue;
                }
            };
            let Some(line) = line.transpose()? else { break };
            match line.trim() {
                "" => {}
                "/exit" | "/quit" => return Ok(()),
                "/help" => note!("{COMMANDS}"),
                "/reset" => {
                    self.turns.clear();
                    note!("nothing was said yet");
                }
                said => match self.say(said, watched).await {
                    Err(error) if watched && error.is::<Refused>() => note!("{error:#}"),
                    done => done?,
                },
            }
        }
        if watched {
            note!("");
        }
        Ok(())
    }

    /// One turn and its answer. What is refused was not said.
    async fn say(&mut self, said: &str, watched: bool) -> Result<()> {
        self.turns.push(turn("user", said));
        let answered = self.answer(watched).await;
        match answered {
            Ok(answer) => self.turns.push(turn("assistant", &answer)),
            Err(error) => {
                self.turns.pop();
                if !is_too_long(&error) {
                    return Err(error);
                }
                ensure!(watched, "{FULL}");
                note!("{FULL}");
            }
        }
        Ok(())
    }

    /// The answer to all that was said, printed as it comes.
    async fn answer(&self, watched: bool) -> Result<String> {
        let mut answer = String::new();
        let asking = async {
            let response = self.writer.send(PATH, "messages", self.messages()).await?;
            if self.writer.output.json {
                let value = whole(response).await?;
                self.writer.output.show(&value, |_| {});
                answer.push_str(value["choices"][0]["message"]["content"].as_str().unwrap_or_default());
                return Ok(None);
            }
            print(response, &mut answer, self.writer.is_data()).await.map(|printed| Some(printed.last))
        };
        let last = tokio::select! {
            last = asking => last?,
            _ = tokio::signal::ctrl_c() => {
                if !watched {
                    bail!("stopped; an answer that is paid for is written to its end and charged all the same");
                }
                say!("");
                note!("stopped; an answer that is paid for is charged all the same, `datanet receipt list` shows it");
                None
            }
        };
        if let Some(last) = last {
            self.writer.print_end(&last);
        }
        Ok(answer)
    }
}

/// The lines of standard input, read while answers come.
fn lines() -> mpsc::Receiver<Result<String>> {
    let (sender, lines) = mpsc::channel(1);
    // It waits for a line when the process ends, and ends with it.
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        while let Some(line) = next_line(&mut input) {
            let bad = line.is_err();
            if sender.blocking_send(line).is_err() || bad {
                return;
            }
        }
    });
    lines
}

fn next_line(input: &mut impl BufRead) -> Option<Result<String>> {
    let mut line = Vec::new();
    let read = input.take(MAX_LINE.saturating_add(1)).read_until(b'\n', &mut line).context("cannot read what is said");
    match read {
        Ok(0) => None,
        Ok(_) if line.len() as u64 > MAX_LINE => {
            Some(Err(anyhow::anyhow!("a line has more than {MAX_LINE} bytes; say it in shorter ones")))
        }
        Ok(_) => Some(String::from_utf8(line).context("a line is no UTF-8 text; say it in UTF-8")),
        Err(error) => Some(Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Result<String, String>> {
        let mut input = std::io::BufReader::new(bytes);
        let line = || next_line(&mut input).map(|line| line.map_err(|error| format!("{error:#}")));
        std::iter::from_fn(line).take(9).collect()
    }

    #[test]
    fn lines_are_turns_and_the_last_needs_no_end() {
        assert_eq!(all("one\n\ntwé".as_bytes()), [Ok("one\n".into()), Ok("\n".into()), Ok("twé".into())]);
        assert_eq!(all(b""), []);
    }

    #[test]
    fn lines_without_end_and_bytes_that_are_no_text_are_refused() {
        let long = vec![b'a'; MAX_LINE as usize + 7];
        assert!(all(&long)[0].as_ref().unwrap_err().contains("shorter"));
        assert!(all(b"\xff\n")[0].as_ref().unwrap_err().contains("UTF-8"));
    }
}
