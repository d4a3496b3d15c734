//! Following a job's events until it is over.

use std::time::Instant;

use anyhow::{Context, Result};
use datanet_api::ClientResult;
use datanet_api::fine_tuning::{FineTuningEvent, FineTuningJob, JobState, JobUpdate, PageParams};
use futures::Stream;

use super::client::{Client, told};
use super::link::{Link, Next};
use super::output::{Output, text};
use super::progress::{EVERY, Progress};

/// Follows a job until it is over: the job as it is then. `None` if Ctrl-C left it to the node.
pub(super) async fn watch(client: &Client, id: &str, output: Output) -> Result<Option<FineTuningJob>> {
    let back =
        format!("the job goes on once it is started (`datanet start`), and `datanet jobs follow {id}` watches it");
    let link = Link::new(client, back);
    let mut follower = Follower { link, id, progress: Progress::new(output), last: None, after: None, counted: None };
    tokio::select! {
        job = follower.run() => job.map(Some),
        _ = tokio::signal::ctrl_c() => {
            note!("\nthe job goes on in the node: `datanet jobs follow {id}` watches it, `datanet jobs cancel {id}` ends it");
            Ok(None)
        }
    }
}

struct Follower<'a> {
    link: Link<'a>,
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
        loop {
            let node = self.link.node.clone();
            let opened = self.link.open(node.job_updates(self.id, self.after.as_deref())).await;
            if let Some(updates) = opened.map_err(told)? {
                self.read(updates).await?;
            }
            if let Some(job) = self.last.take_if(|job| job.status.is_over()) {
                self.progress.end();
                return Ok(job);
            }
            if let Err(gone) = self.link.wait().await {
                self.progress.end();
                return Err(gone);
            }
        }
    }

    async fn read(&mut self, updates: impl Stream<Item = ClientResult<JobUpdate>>) -> Result<()> {
        let mut updates = std::pin::pin!(updates);
        loop {
            match self.link.next(&mut updates).await.context("a damaged event")? {
                Next::Event(JobUpdate::Job(job)) => self.stands(*job).await?,
                Next::Event(JobUpdate::Event(event)) => self.happened(event),
                Next::Quiet => self.progress.still(),
                Next::Over => return Ok(()),
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
            // How many come first is a courtesy.
            self.progress.before = self.before(&job).await.ok();
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
        let newest_first = self.link.node.jobs(&all).await.map_err(told)?.data.into_iter();
        let older = newest_first.skip_while(|other| other.id != job.id).skip(1);
        Ok(older.filter(|other| !other.status.is_over()).count())
    }
}
