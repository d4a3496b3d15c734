//! Following a job's events until it is over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use reqwest::Method;
use serde_json::Value;

use super::client::Client;
use super::output::{Output, text};
use super::progress::{EVERY, Progress};

/// Times that a broken stream is taken up, a second apart.
const RETRIES: usize = 30;

/// Follows a job until it is over: the job as it is then. `None` if Ctrl-C left it to the node.
pub async fn watch(client: &Client, id: &str, output: Output) -> Result<Option<Value>> {
    let mut follower = Follower {
        client,
        id,
        progress: Progress::new(output),
        last: Value::Null,
        after: String::new(),
        counted: None,
    };
    tokio::select! {
        job = follower.run() => job.map(Some),
        _ = tokio::signal::ctrl_c() => {
            eprintln!("\nthe job goes on in the node: `datanet jobs follow {id}` watches it, `datanet jobs cancel {id}` ends it");
            Ok(None)
        }
    }
}

fn is_over(job: &Value) -> bool {
    matches!(job["status"].as_str(), Some("succeeded" | "failed" | "cancelled"))
}

struct Follower<'a> {
    client: &'a Client,
    id: &'a str,
    progress: Progress,
    /// The job as it was seen last.
    last: Value,
    /// The last event's id.
    after: String,
    /// When the jobs before this one were counted last.
    counted: Option<Instant>,
}

impl Follower<'_> {
    async fn run(&mut self) -> Result<Value> {
        let path = format!("/v1/fine_tuning/jobs/{}/events", self.id);
        // A stream that breaks off, because the node is started again, is taken up where it was.
        for attempt in 0..=RETRIES {
            let mut query = vec![("stream", "true".to_owned())];
            query.extend((!self.after.is_empty()).then(|| ("after", self.after.clone())));
            match self.client.send(self.client.request(Method::GET, &path).query(&query)).await {
                Ok(response) => self.read(response).await?,
                Err(error) if attempt == RETRIES || self.last.is_null() => return Err(error),
                Err(_) => {}
            }
            if is_over(&self.last) {
                self.progress.end();
                return Ok(self.last.take());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        bail!("the node's events broke off; `datanet jobs follow {}` takes them up", self.id)
    }

    async fn read(&mut self, response: reqwest::Response) -> Result<()> {
        let (mut stream, mut buffer) = (response.bytes_stream(), Vec::new());
        loop {
            let Ok(chunk) = tokio::time::timeout(EVERY, stream.next()).await else {
                self.progress.still();
                continue;
            };
            let Some(Ok(chunk)) = chunk else { return Ok(()) };
            buffer.extend_from_slice(&chunk);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let Some(data) = line.strip_prefix(b"data: ") else { continue };
                self.take(serde_json::from_slice(data).context("the node sent a damaged event")?).await?;
            }
        }
    }

    async fn take(&mut self, value: Value) -> Result<()> {
        if value["object"] != "fine_tuning.job" {
            self.after = text(&value["id"]);
            // Steps and retrainings are what the bar shows.
            if !matches!(value["data"]["kind"].as_str(), Some("step" | "attribution")) {
                self.progress.tell(&text(&value["message"]));
            }
            return Ok(());
        }
        let counted = self.counted.is_some_and(|moment| moment.elapsed() < EVERY);
        if value["status"] == "queued" && !counted {
            self.progress.before = Some(self.before(&value).await?);
            self.counted = Some(Instant::now());
        }
        if !is_over(&value) {
            self.progress.show(&value);
        }
        self.last = value;
        Ok(())
    }

    /// How many jobs the node does first.
    async fn before(&self, job: &Value) -> Result<usize> {
        let jobs = self.client.get_with("/v1/fine_tuning/jobs", &[("limit", "1000".to_owned())]).await?;
        let newest_first = jobs["data"].as_array().into_iter().flatten();
        let older = newest_first.skip_while(|other| other["id"] != job["id"]).skip(1);
        Ok(older.filter(|other| matches!(other["status"].as_str(), Some("queued" | "running"))).count())
    }
}
