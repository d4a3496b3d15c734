//! The contributions worker follows every contribution of the datanets this node subscribes to: fetch, attest, judge, reveal, index,
//! and forget what is revoked.
//!
//! It is level-triggered: after every block it compares what the ledger says with what is done and starts what is
//! missing. So it needs no memory of its own; after a crash, or when it joins late, it finds its work on the ledger.
//! Steps run beside it, few at a time of each kind, and report back.

mod fair;
mod judge;
mod progress;
mod steps;
mod track;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use datanet_config::{JudgingConfig, Subscription};
use datanet_ledger::LedgerReader;
use datanet_ledger::component::contributions::{self, Contribution, Status};
use datanet_ledger::component::validation::{self, Phase};
use datanet_ledger::component::{datanets, nodes};
use datanet_types::action::role;
use datanet_types::{Address, ContributionId, DatanetId};
use futures::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::blobs::contribution_tag;
use crate::error::{Code, ServiceError, ServiceResult};
use fair::fair_order;
pub use judge::SeenRecords;
pub use progress::Progress;
use steps::StepEnd;
pub use steps::Steps;
use track::{Duties, LedgerSide, Need, Step, Track};

/// News for the worker: a contribution about which something may have changed.
pub type Hint = ContributionId;

/// Steps of one kind that run at once.
fn slots(step: Step, judging: u32) -> usize {
    match step {
        // Waiting costs little; the network has slots of its own, shared by datanet and contributor.
        Step::Fetch => 256,
        Step::Attest | Step::GiveUp | Step::Reveal | Step::Forget => 8,
        Step::Judge => judging as usize,
        // The model does the work: more at once would only mix them up.
        Step::Index => 1,
    }
}

/// Contributions read from the ledger at a time.
const PAGE: usize = 256;

/// Contributions before their judges that are looked through for challenged ones.
const MAX_CHALLENGED: usize = 4_096;

/// Datanet and number: who came first.
type Place = (DatanetId, u64);

/// How a step ended, and for which contribution.
type Done = (Place, Step, ServiceResult<StepEnd>);

/// See the module.
pub struct ContributionsWorker {
    steps: Steps,
    /// Which datanets are followed.
    followed: Subscription,
    judging: JudgingConfig,
    /// Ends when the node stops.
    shutdown: CancellationToken,
    hints: mpsc::Receiver<Hint>,
    /// Says how far this is.
    progress: watch::Sender<Progress>,
    /// Final contributions that are done with.
    indexed: usize,
    /// For each datanet the number of the last contribution seen.
    seen: BTreeMap<DatanetId, u64>,
    /// For each datanet the place in its history of the last revocation seen.
    revoked: BTreeMap<DatanetId, u64>,
    /// What is not settled yet, by datanet and number: first come, first served.
    tracks: BTreeMap<Place, Track>,
    running: JoinSet<Done>,
}

impl ContributionsWorker {
    /// A worker that starts from nothing.
    pub fn new(
        steps: Steps,
        followed: Subscription,
        judging: JudgingConfig,
        hints: mpsc::Receiver<Hint>,
        progress: watch::Sender<Progress>,
        shutdown: CancellationToken,
    ) -> Self {
        let (seen, revoked, tracks) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let running = JoinSet::new();
        Self { steps, followed, judging, shutdown, hints, progress, indexed: 0, seen, revoked, tracks, running }
    }

    /// Runs until the node stops.
    ///
    /// # Errors
    /// None: what fails is told, and tried again.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut commits = self.steps.chain.commits();
        let mut hints_open = true;
        // Retries need a clock; blocks may be far apart.
        let mut retries = tokio::time::interval(std::time::Duration::from_secs(2));
        retries.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                changed = commits.changed() => if changed.is_err() { break },
                hint = self.hints.recv(), if hints_open => match hint {
                    Some(id) => self.nudge(&id),
                    None => hints_open = false,
                },
                Some(done) = self.running.join_next() => self.on_done(done),
                _ = retries.tick(), if !self.tracks.is_empty() => {}
            }
            // Whatever else has happened meanwhile is seen with the same look.
            while let Ok(id) = self.hints.try_recv() {
                self.nudge(&id);
            }
            while let Some(done) = self.running.try_join_next() {
                self.on_done(done);
            }
            if let Err(error) = self.look() {
                tracing::warn!(%error, "the contributions worker could not read the ledger; it tries again after the next block");
            }
        }
        self.running.shutdown().await;
        Ok(())
    }

    fn nudge(&mut self, id: &ContributionId) {
        if let Some(track) = self.tracks.values_mut().find(|track| track.id == *id) {
            track.nudge();
        }
    }

    fn on_done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let (key, step, result) = match done {
            Ok(done) => done,
            Err(error) => return tracing::error!(%error, "a step broke off"),
        };
        let Some(track) = self.tracks.get_mut(&key) else { return };
        match result {
            Ok(outcome) => {
                track.unfit |= matches!(outcome, StepEnd::Unfit);
                track.succeeded(step);
                if matches!(step, Step::Index | Step::Forget) {
                    self.steps.holes.remove(&track.id);
                }
            }
            Err(error) => {
                let now = Instant::now();
                let pause = track.failed(step, now);
                // The bytes are nowhere, or are no records: not this node's fault, and nothing that waiting would mend.
                if matches!(error.code, Code::BlobUnavailable | Code::BadRecords) && track.is_hopeless(now) {
                    self.steps.holes.add(track.id);
                }
                tracing::info!(contribution = %track.id, ?step, %error, ?pause, "step failed; it is tried again");
            }
        }
    }

    /// Compares ledger and work done, and starts what is missing.
    fn look(&mut self) -> ServiceResult<()> {
        let reader = self.steps.chain.reader()?;
        self.discover(&reader)?;
        self.discover_challenged(&reader)?;
        let duties = self.duties(&reader)?;
        let account = self.steps.identity.account()?;
        let now = Instant::now();
        let mut settled = Vec::new();
        let keys = fair_order(self.tracks.iter().map(|(place, track)| (place, &track.contributor)));
        let mut busy: BTreeMap<Step, usize> = BTreeMap::new();
        for step in self.tracks.values().filter_map(|track| track.busy) {
            *busy.entry(step).or_default() += 1;
        }
        for key in keys {
            let Some(track) = self.tracks.get(&key).filter(|track| track.busy.is_none()) else { continue };
            let side = match track.side {
                Some((height, side)) if height == reader.height() => side,
                _ => match self.ledger_side(&reader, &track.id, &account)? {
                    Some(side) => side,
                    None => continue,
                },
            };
            let need = track.need(&side, &duties);
            let need = match need {
                Need::Do(step) if !track.ready(step, now) => Need::Waiting,
                need => need,
            };
            if let Some(track) = self.tracks.get_mut(&key) {
                track.side = Some((reader.height(), side));
            }
            match need {
                Need::Settled => settled.push(key),
                Need::Waiting => {}
                Need::Do(step) => {
                    let running = busy.entry(step).or_default();
                    if *running < slots(step, self.judging.concurrency) && self.start(&reader, key, step)? {
                        *running += 1;
                    }
                }
            }
        }
        for key in settled {
            let Some(track) = self.tracks.remove(&key) else { continue };
            self.indexed = self.indexed.saturating_add(usize::from(track.side.is_some_and(|(_, side)| side.is_final)));
            if let Some(contribution) = contributions::get(&reader, &track.id)? {
                self.let_go(&contribution);
            }
        }
        self.progress.send_replace(Progress::of(reader.height(), self.indexed, self.tracks.values()));
        Ok(())
    }

    /// Adds contributions that are new on the ledger.
    fn discover(&mut self, reader: &LedgerReader) -> ServiceResult<()> {
        for datanet in datanets::list(reader, None, usize::MAX)? {
            // Wherever its bytes may have come from: what is revoked is kept nowhere.
            self.discover_revoked(reader, &datanet.id)?;
            if !self.followed.includes(&datanet.id) {
                continue;
            }
            loop {
                let last = self.seen.get(&datanet.id).copied();
                let page = contributions::in_datanet(reader, &datanet.id, last, PAGE)?;
                let Some(newest) = page.last() else { break };
                self.seen.insert(datanet.id, newest.seq);
                for contribution in page.iter().filter(|c| !c.is_refused_for_good()) {
                    let place = (datanet.id, contribution.seq);
                    self.tracks.entry(place).or_insert_with(|| Track::new(contribution.id, contribution.contributor));
                }
            }
        }
        Ok(())
    }

    /// Adds contributions whose verdict is challenged. They may have been done with long ago.
    fn discover_challenged(&mut self, reader: &LedgerReader) -> ServiceResult<()> {
        for id in validation::before_judges(reader, MAX_CHALLENGED)? {
            let Some(contribution) = contributions::get(reader, &id)?.filter(|contribution| contribution.challenged)
            else {
                continue;
            };
            let place = (contribution.datanet, contribution.seq);
            if !self.followed.includes(&contribution.datanet) || self.tracks.contains_key(&place) {
                continue;
            }
            // It is done with anew once that is over.
            self.indexed = self.indexed.saturating_sub(usize::from(contribution.status() == Status::Final));
            self.tracks.insert(place, Track::new(id, contribution.contributor));
        }
        Ok(())
    }

    /// Adds contributions that were revoked. They may have been settled long ago.
    fn discover_revoked(&mut self, reader: &LedgerReader, datanet: &DatanetId) -> ServiceResult<()> {
        loop {
            let last = self.revoked.get(datanet).copied();
            let page = contributions::revoked_in(reader, datanet, last, PAGE)?;
            let Some(newest) = page.last() else { return Ok(()) };
            self.revoked.insert(*datanet, newest.revoked_position);
            for contribution in page {
                let place = (*datanet, contribution.seq);
                self.tracks.entry(place).or_insert_with(|| Track::new(contribution.id, contribution.contributor));
            }
        }
    }

    fn duties(&self, reader: &LedgerReader) -> ServiceResult<Duties> {
        let node = nodes::get(reader, &self.steps.identity.node_key())?;
        let least = self.steps.chain.params()?.min_storage_stake;
        Ok(Duties {
            storage: node.is_some_and(|node| node.has(role::STORAGE) && node.stake >= least),
            judging: self.judging.automatic && self.steps.embedder.engine().is_ok(),
            indexing: self.steps.embedder.engine().is_ok(),
        })
    }

    fn ledger_side(
        &self,
        reader: &LedgerReader,
        id: &ContributionId,
        me: &Address,
    ) -> ServiceResult<Option<LedgerSide>> {
        let Some(contribution) = contributions::get(reader, id)? else { return Ok(None) };
        let status = contribution.status();
        let mut side = LedgerSide {
            refused: contribution.is_refused_for_good(),
            disputed: status == Status::Refused && contribution.is_disputable(),
            revoked: status == Status::Revoked,
            is_final: status == Status::Final && !contribution.challenged,
            attested: contributions::has_attested(reader, id, &self.steps.identity.node_key())?,
            ..LedgerSide::default()
        };
        if contribution.is_before_judges() {
            let round = validation::judging_round(reader, &contribution)?.unwrap_or_default();
            let member = round.member(me).is_some();
            let committed = validation::commitment(reader, id, round.number, me)?.is_some();
            let revealed = validation::reveal(reader, id, round.number, me)?.is_some();
            side.may_commit = member && !committed && round.phase() == Phase::Commit;
            if side.may_commit {
                let quarter = self.steps.chain.params()?.commit_seconds / 4;
                side.commit_is_urgent = reader.block_seconds().saturating_add(quarter) >= round.commit_deadline;
            }
            side.may_reveal = member && committed && !revealed && round.phase() == Phase::Reveal;
        }
        Ok(Some(side))
    }

    /// Starts a step, unless it has to wait; whether it did.
    fn start(&mut self, reader: &LedgerReader, key: Place, step: Step) -> ServiceResult<bool> {
        let Some(track) = self.tracks.get(&key) else { return Ok(false) };
        let Some(contribution) = contributions::get(reader, &track.id)? else { return Ok(false) };
        if step == Step::Judge && !self.may_judge(reader, key, &contribution)? {
            return Ok(false);
        }
        let Some(track) = self.tracks.get_mut(&key) else { return Ok(false) };
        track.busy = Some(step);
        let steps = self.steps.clone();
        self.running.spawn(async move {
            // A step that panics must give its place back, or no other of its kind would ever run.
            let result = AssertUnwindSafe(steps.perform(step, &contribution)).catch_unwind().await;
            let broke_off = |_| Err(ServiceError::new(Code::StepPanicked, "the step broke off; the log says where"));
            (key, step, result.unwrap_or_else(broke_off))
        });
        Ok(true)
    }

    /// A copy can only be told from its original if the original is here: so what came earlier is waited for, but not once it
    /// was asked for in vain, and never beyond half the time there is.
    fn may_judge(&self, reader: &LedgerReader, key: Place, contribution: &Contribution) -> ServiceResult<bool> {
        let (datanet, seq) = key;
        let here = |track: &Track| track.was_tried() || track.side.is_some_and(|(_, side)| side.revoked);
        let earlier_here = self.tracks.range((datanet, 0)..(datanet, seq)).all(|(_, track)| here(track));
        let round = validation::judging_round(reader, contribution)?.unwrap_or_default();
        let half = self.steps.chain.params()?.commit_seconds / 2;
        Ok(earlier_here || reader.block_seconds().saturating_add(half) >= round.commit_deadline)
    }

    /// Nothing is left to do for it here.
    fn let_go(&self, contribution: &Contribution) {
        if let Err(error) = self.steps.db.forget_judgement(&contribution.id) {
            tracing::warn!(%error, "could not forget a judgement");
        }
        if contribution.is_refused_for_good() {
            self.steps.records.forget_embeddings(&contribution.blob);
            let (blobs, tag) = (self.steps.blobs.clone(), contribution_tag(&contribution.id));
            tokio::spawn(async move {
                if let Err(error) = blobs.release(&tag).await {
                    tracing::warn!(%error, %tag, "could not release the bytes of a refused contribution");
                }
            });
        }
    }
}
