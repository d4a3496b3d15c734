//! The thread that owns the model.
//!
//! Each turn of its loop takes what has come, lets sequences leave and join, reads a piece of the prompts that wait, and
//! takes one step with all sequences whose prompts have been read.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::DropGuard;

use super::GenerateConfig;
use super::decoder::Decoder;
use super::group::{Group, Row};
use super::prefill::{Pending, Prefill};
use super::prompt::PromptReader;
use crate::encoder::{Loaded, ServeError};
use crate::graph::adapter::Adapter;

/// What the handles ask for.
pub(super) enum GenerateCmd {
    /// An answer.
    Generate(Box<Pending>),
    /// Slots for an adapter's modules, after checking it.
    Cover { adapter: Arc<Adapter>, reply: oneshot::Sender<Result<(), ServeError>> },
}

/// Bounds of what runs at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    sequences: usize,
    cache_tokens: usize,
    prefill_tokens: usize,
}

impl From<&GenerateConfig> for Limits {
    fn from(config: &GenerateConfig) -> Self {
        Self {
            sequences: config.max_sequences,
            cache_tokens: config.cache_tokens,
            prefill_tokens: config.prefill_tokens,
        }
    }
}

/// Generates until every handle is gone and everything queued is answered.
pub(super) struct Worker {
    decoder: Decoder,
    prompts: Arc<PromptReader>,
    ends: Vec<u32>,
    limits: Limits,
    commands: mpsc::Receiver<GenerateCmd>,
    waiting: VecDeque<Pending>,
    prefill: Option<Prefill>,
    group: Group,
    /// Tells the handles that the thread has ended, by whatever way.
    _stopped: DropGuard,
}

impl Worker {
    pub(super) fn new(
        decoder: Decoder,
        prompts: Arc<PromptReader>,
        ends: Vec<u32>,
        limits: Limits,
        commands: mpsc::Receiver<GenerateCmd>,
        stopped: DropGuard,
    ) -> Self {
        let group = Group::empty(decoder.shape);
        let (waiting, prefill) = (VecDeque::new(), None);
        Self { decoder, prompts, ends, limits, commands, waiting, prefill, group, _stopped: stopped }
    }

    pub(super) fn run(mut self) {
        loop {
            if self.waiting.is_empty() && self.prefill.is_none() && self.group.is_empty() {
                let Some(command) = self.commands.blocking_recv() else { return };
                self.on_command(command);
            }
            while let Ok(command) = self.commands.try_recv() {
                self.on_command(command);
            }
            if let Err(error) = self.turn() {
                tracing::error!(%error, "generation stops");
                return;
            }
        }
    }

    fn on_command(&mut self, command: GenerateCmd) {
        match command {
            GenerateCmd::Generate(pending) => self.waiting.push_back(*pending),
            GenerateCmd::Cover { adapter, reply } => {
                // The caller may have left meanwhile.
                let _ = reply.send(self.decoder.session.cover(&adapter));
            }
        }
    }

    /// An error ends the thread.
    fn turn(&mut self) -> Result<(), ServeError> {
        self.waiting.retain(|pending| !pending.sequence.abandoned());
        for row in &mut self.group.rows {
            if row.as_ref().is_some_and(|row| row.sequence.abandoned()) {
                *row = None;
            }
        }
        if self.prefill.is_none() {
            self.prefill = self.admit()?;
        }
        if let Some(prefill) = self.prefill.take() {
            self.prefill = self.read(prefill)?;
        }
        if !self.group.is_empty() {
            let nobody_comes = self.waiting.is_empty() && self.prefill.is_none();
            self.group.tidy(nobody_comes)?;
            let group = std::mem::replace(&mut self.group, Group::empty(self.decoder.shape));
            self.group = self.step(group)?;
        }
        Ok(())
    }

    /// Takes those who wait, in their order, as far as there are rows, cache and slots for adapters. One that lacks a
    /// slot is overtaken; one that lacks cache is not, so that long ones get their turn.
    fn admit(&mut self) -> Result<Option<Prefill>, ServeError> {
        let mut rows = self.group.live().count();
        let mut adapters: BTreeSet<*const Loaded> =
            self.group.live().filter_map(|row| row.sequence.adapter.as_ref()).map(Arc::as_ptr).collect();
        let mut width = if rows == 0 { 0 } else { self.group.least_final_width() };
        let (mut taken, mut left) = (Vec::<Pending>::new(), VecDeque::new());
        while let Some(pending) = self.waiting.pop_front() {
            let wider = self.joined_width(&taken, &pending).max(width);
            let fits = rows < self.limits.sequences && (rows + 1).saturating_mul(wider) <= self.limits.cache_tokens;
            if !fits || pending.alone && !taken.is_empty() {
                left.push_back(pending);
                break;
            }
            let adapter = pending.sequence.adapter.as_ref().map(Arc::as_ptr);
            let new = adapter.filter(|adapter| !adapters.contains(adapter));
            if new.is_some() && adapters.len() >= self.decoder.session.capacity() {
                left.push_back(pending);
                continue;
            }
            adapters.extend(new);
            (rows, width) = (rows + 1, wider);
            let alone = pending.alone;
            taken.push(pending);
            if alone {
                break;
            }
        }
        // Those passed over keep their places before those not looked at.
        left.append(&mut self.waiting);
        self.waiting = left;
        if taken.is_empty() { Ok(None) } else { Ok(Some(Prefill::new(self.decoder.shape, taken)?)) }
    }

    /// Width that the cache reaches at most when `pending` joins beside those `taken`: the longest prompt or sequence,
    /// and from there as many steps as the one that stays longest.
    fn joined_width(&self, taken: &[Pending], pending: &Pending) -> usize {
        let joining = || taken.iter().chain(std::iter::once(pending));
        let lengths = joining().map(|pending| pending.prompt.len()).chain(self.group.live().map(|row| row.length));
        let steps = joining().map(|pending| pending.sequence.remaining());
        let steps = steps.chain(self.group.live().map(|row| row.sequence.remaining()));
        lengths.max().unwrap_or(0) + steps.max().unwrap_or(0).max(pending.final_length() - pending.prompt.len())
    }

    /// Reads a piece of the prompts. Once they have been read, their first tokens are chosen and they join the group;
    /// gives them back before that.
    fn read(&mut self, mut prefill: Prefill) -> Result<Option<Prefill>, ServeError> {
        let feed = prefill.feed(self.limits.prefill_tokens);
        let result = self.decoder.step(&prefill.cache, feed, &prefill.adapters());
        let logits = match result {
            Ok((logits, cache)) => {
                prefill.cache = cache;
                logits
            }
            Err(error @ ServeError::Lost(_)) => return Err(error),
            Err(error) => {
                self.blame(prefill.rows, error);
                return Ok(None);
            }
        };
        if !prefill.is_done() {
            return Ok(Some(prefill));
        }
        let Prefill { cache, rows, .. } = prefill;
        let vocabulary = logits.len() / rows.len().max(1);
        let mut started = Vec::with_capacity(rows.len());
        for (mut pending, logits) in rows.into_iter().zip(logits.chunks_exact(vocabulary.max(1))) {
            let next = pending.sequence.advance(logits, &self.ends, self.prompts.tokenizer());
            let length = pending.prompt.len();
            started.push(next.map(|next| Row { sequence: pending.sequence, length, next }));
        }
        let started = Group::new(self.decoder.shape, cache, started);
        if !started.is_empty() {
            self.group.join(started, self.limits.cache_tokens)?;
        }
        Ok(None)
    }

    /// A prompt that failed alone is at fault; of several, each gets another try by itself.
    fn blame(&mut self, rows: Vec<Pending>, error: ServeError) {
        if rows.len() == 1 {
            let message = error.to_string();
            for mut pending in rows {
                pending.sequence.fail(ServeError::Output(message.clone()).into());
            }
            return;
        }
        tracing::debug!(%error, prompts = rows.len(), "prompts failed together, they are read one by one");
        for pending in rows.into_iter().rev() {
            self.waiting.push_front(Pending { alone: true, ..pending });
        }
    }

    /// One token for each sequence. Where that fails, each sequence steps alone, and those that fail alone end.
    fn step(&mut self, mut group: Group) -> Result<Group, ServeError> {
        match self.decoder.step(&group.cache, group.feed(), &group.adapters()) {
            Ok((logits, cache)) => {
                group.cache = cache;
                let vocabulary = (logits.len() / group.rows.len().max(1)).max(1);
                for (place, logits) in group.rows.iter_mut().zip(logits.chunks_exact(vocabulary)) {
                    let Some(mut row) = place.take() else { continue };
                    if let Some(next) = row.sequence.advance(logits, &self.ends, self.prompts.tokenizer()) {
                        *place = Some(Row { length: row.length + 1, next, ..row });
                    }
                }
                Ok(group)
            }
            Err(error @ ServeError::Lost(_)) => Err(error),
            Err(error) if group.live().count() > 1 => {
                tracing::debug!(%error, "a step failed, its sequences step one by one");
                let mut together = Group::empty(self.decoder.shape);
                for part in group.split()? {
                    let part = self.step(part)?;
                    if !part.is_empty() {
                        together.join(part, self.limits.cache_tokens)?;
                    }
                }
                Ok(together)
            }
            Err(error) => {
                for row in group.rows.iter_mut().flatten() {
                    row.sequence.fail(ServeError::Output(error.to_string()).into());
                }
                Ok(Group::empty(self.decoder.shape))
            }
        }
    }
}
