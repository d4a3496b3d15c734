//! Following a job's events until it is over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use datanet_api::fine_tuning::{FineTuningEvent, FineTuningJob, JobState, JobUpdate, PageParams};
use datanet_api::{ClientError, ClientResult};
use futures::{Stream, StreamExt};

use super::client::{Client, told};
use super::output::{Output, text};
use super::progress::{EVERY, Progress};

/// Times that a broken stream is taken up, a second apart.
const RETRIES: usize = 30;

/// Follows a job until it is over: the job as it is then. `None` if Ctrl-C left it to the node.
pub(super) async fn watch(client: &Client, id: &str, output: Output) -> Result<Option<FineTuningJob>> {
    let mut follower = Follower { client, id, progress: Progress::new(output), last: None, after: None, counted: None };
    tokio::select! {
        job = follower.run() => job.map(Some),
        _ = tokio::signal::ctrl_c() => {
            note!("\nthe job goes on in the node: `datanet jobs follow {id}` watches it, `datanet jobs cancel {id}` ends it");
            Ok(None)
        }
    }
}

struct Follower<'a> {
    client: &'a Client,
    id: &'a str,
    progress: Progress,
    /// The job as it was seen last.
    last: Option<FineTuningJob>,
    /// The last event's id.
    after: Option<String>,
    /// When the jobs before this one were counted last.
    counted: Option<Instant>,
}

impl Follower<'_> {
    async fn run(&mut self) -> Result<FineTuningJob> {
        // A stream that breaks off, because the node is started again, is taken up where it was.
        for attempt in 0..=RETRIES {
            match self.client.node.job_updates(self.id, self.after.as_deref()).await {
                Ok(updates) => self.read(updates).await?,
                Err(error) if attempt == RETRIES || self.last.is_none() => return Err(told(error)),
                Err(_) => {}
            }
            if let Some(job) = self.last.take_if(|job| job.status.is_over()) {
                self.progress.end();
                return Ok(job);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        bail!("the node's events broke off; `datanet jobs follow {}` takes them up", self.id)
    }

    async fn read(&mut self, updates: impl Stream<Item = ClientResult<JobUpdate>>) -> Result<()> {
        let mut updates = std::pin::pin!(updates);
        loop {
            let Ok(update) = tokio::time::timeout(EVERY, updates.next()).await else {
                self.progress.still();
                continue;
            };
            match update {
                Some(Ok(JobUpdate::Job(job))) => self.stands(*job).await?,
                Some(Ok(JobUpdate::Event(event))) => self.happened(event),
                Some(Err(error @ ClientError::Answer { .. })) => return Err(error).context("a damaged event"),
                Some(Err(_)) | None => return Ok(()),
            }
        }
    }

    fn happened(&mut self, event: FineTuningEvent) {
        // Steps and retrainings are what the bar shows.
        if !matches!(event.data["kind"].as_str(), Some("step" | "attribution")) {
            self.progress.tell(&text(&event.message.into()));
        }
        self.after = Some(event.id);
    }

    async fn stands(&mut self, job: FineTuningJob) -> Result<()> {
        let counted = self.counted.is_some_and(|moment| moment.elapsed() < EVERY);
        if job.status == JobState::Queued && !counted {
            self.progress.before = Some(self.before(&job).await?);
            self.counted = Some(Instant::now());
        }
        if !job.status.is_over() {
            self.progress.show(job.status, &job.progress);
        }
        self.last = Some(job);
        Ok(())
    }

    /// How many jobs the node does first.
    async fn before(&self, job: &FineTuningJob) -> Result<usize> {
        let all = PageParams { limit: Some(1_000), ..PageParams::default() };
        let newest_first = self.client.node.jobs(&all).await.map_err(told)?.data.into_iter();
        let older = newest_first.skip_while(|other| other.id != job.id).skip(1);
        Ok(older.filter(|other| !other.status.is_over()).count())
    }
}
