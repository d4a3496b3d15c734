//! A base graph with slots for the adapters that have come so far, and the session that runs it.

use std::collections::BTreeSet;

use tokio::sync::watch;

use super::ServeError;
use super::bank::{Bank, Loaded, bucket};
use crate::graph::adapt::{AdaptSpec, Adapted, Binding, adapt};
use crate::graph::adapter::Adapter;
use crate::graph::quantise::{Precision, eight_bit};
use crate::onnx::ModelProto;
use crate::runtime::{Device, Provider, Runtime, RuntimeError, Session, SessionConfig, Tensor};

/// Name of the input that picks each row's slot.
const ADAPTER_IDS: &str = "adapter_ids";

/// What adapters are laid over, and the numbers that it is computed in.
struct Base {
    graph: ModelProto,
    precision: Precision,
}

/// A graph whose rows can each have another adapter.
///
/// Without adapters the plain graph runs. The first adapter of new modules has the session made anew, with slots for
/// them; the base graph is kept for that, which costs little where its weights stay in their file.
pub(crate) struct AdaptedSession {
    runtime: Runtime,
    config: SessionConfig,
    base: Base,
    session: Session,
    bank: Bank,
    provider: watch::Sender<Provider>,
}

impl AdaptedSession {
    /// Loads `graph`, with slots at `targets` from the start.
    pub(crate) fn load(
        runtime: &Runtime,
        graph: ModelProto,
        precision: Precision,
        config: SessionConfig,
        targets: &[String],
        capacity: usize,
    ) -> Result<Self, ServeError> {
        let base = Base { graph, precision };
        let (session, bank) = build(runtime, &base, &config, targets.to_vec(), capacity)?;
        let (provider, _) = watch::channel(session.provider().clone());
        Ok(Self { runtime: runtime.clone(), config, base, session, bank, provider })
    }

    /// What executes the graph, now and whenever that changes.
    pub(crate) fn provider(&self) -> watch::Receiver<Provider> {
        self.provider.subscribe()
    }

    /// Different adapters that one batch can mix.
    pub(crate) fn capacity(&self) -> usize {
        self.bank.capacity()
    }

    /// Checks an adapter against the model, and makes slots for its modules where there are none.
    ///
    /// On an error everything is as before.
    pub(crate) fn cover(&mut self, adapter: &Adapter) -> Result<(), ServeError> {
        let known: BTreeSet<&String> = self.bank.modules().iter().map(|slot| &slot.module).collect();
        if adapter.modules.keys().all(|name| known.contains(name)) {
            return self.bank.check(adapter);
        }
        // What can be said without the model is said before it is loaded anew.
        bucket(adapter.rank)?;
        adapter.check()?;
        let targets = known.into_iter().chain(adapter.modules.keys()).cloned().collect();
        let (session, bank) = build(&self.runtime, &self.base, &self.config, targets, self.bank.capacity())?;
        bank.check(adapter)?;
        (self.session, self.bank) = (session, bank);
        Ok(())
    }

    /// Runs a batch whose rows have these adapters, all of them covered; `None` is the base model.
    ///
    /// # Errors
    /// [`ServeError::AdaptersInUse`] for more different adapters than the bank holds, [`ServeError::Runtime`] for what
    /// concerns this batch, [`ServeError::Lost`] where nothing can be run any more.
    pub(crate) fn run(
        &mut self,
        inputs: &[(&str, &Tensor)],
        rows: &[Option<&Loaded>],
        outputs: &[&str],
    ) -> Result<Vec<Tensor>, ServeError> {
        // The widest adapter decides: narrower ones are padded with zeros, which change nothing.
        let rank = rows.iter().flatten().map(|loaded| loaded.bucket).max().unwrap_or(super::RANK_BUCKETS[0]);
        let slots = if self.bank.modules().is_empty() { Vec::new() } else { self.bank.seat(rank, rows)? };
        self.run_slots(inputs, slots, rank, outputs)
    }

    fn run_slots(
        &mut self,
        inputs: &[(&str, &Tensor)],
        slots: Vec<i64>,
        rank: usize,
        outputs: &[&str],
    ) -> Result<Vec<Tensor>, ServeError> {
        let rows = slots.len();
        let ids = Tensor::new(&[rows], slots)?;
        let first = run_with(&mut self.session, &self.bank, inputs, &ids, rank, outputs);
        match first {
            Err(error) if error.is_fatal() && self.on_device() => {
                self.recover(&error)?;
                Ok(run_with(&mut self.session, &self.bank, inputs, &ids, rank, outputs)?)
            }
            result => Ok(result?),
        }
    }

    fn on_device(&self) -> bool {
        self.provider.borrow().running != Device::Cpu
    }

    /// Goes on on the processor, visibly in the provider, after the device has been lost.
    pub(crate) fn recover(&mut self, lost: &RuntimeError) -> Result<(), ServeError> {
        tracing::warn!(reason = %lost, "the device is lost: the model goes on on the processor");
        self.config.device = Device::Cpu;
        let targets = self.bank.modules().iter().map(|slot| slot.module.clone()).collect();
        let built = build(&self.runtime, &self.base, &self.config, targets, self.bank.capacity());
        let (session, bank) = built.map_err(|error| ServeError::Lost(format!("{lost}; and then: {error}")))?;
        // The bank's tensors stay as they are: they lie in the host's memory.
        debug_assert_eq!(bank.modules().len(), self.bank.modules().len());
        self.session = session;
        self.provider.send_modify(|provider| {
            provider.running = Device::Cpu;
            provider.fallback = Some(lost.to_string());
        });
        Ok(())
    }
}

fn run_with(
    session: &mut Session,
    bank: &Bank,
    inputs: &[(&str, &Tensor)],
    ids: &Tensor,
    rank: usize,
    outputs: &[&str],
) -> Result<Vec<Tensor>, RuntimeError> {
    let mut inputs = inputs.to_vec();
    for (slot, stack) in bank.modules().iter().zip(bank.stacks(rank)) {
        inputs.push((&slot.a, &stack.a));
        inputs.push((&slot.b, &stack.b));
    }
    if !bank.modules().is_empty() {
        inputs.push((ADAPTER_IDS, ids));
    }
    session.run(&inputs, outputs)
}

/// A session over `base` with slots at `targets`, and an empty bank for them.
fn build(
    runtime: &Runtime,
    base: &Base,
    config: &SessionConfig,
    targets: Vec<String>,
    capacity: usize,
) -> Result<(Session, Bank), ServeError> {
    if targets.is_empty() {
        return Ok((load(runtime, &base.graph, base.precision, config)?, Bank::new(Vec::new(), capacity)));
    }
    let spec = AdaptSpec { targets, layers: None, binding: Binding::Bank, scale: 1.0 };
    let Adapted { model, slots } = adapt(&base.graph, &spec)?;
    Ok((load(runtime, &model, base.precision, config)?, Bank::new(slots, capacity)))
}

/// A session over `model`. Its fixed weights are made smaller after it has got its slots: adapters stay float.
fn load(
    runtime: &Runtime,
    model: &ModelProto,
    precision: Precision,
    config: &SessionConfig,
) -> Result<Session, ServeError> {
    if precision.is_float() {
        return Ok(Session::load(runtime, model, config)?);
    }
    let small = eight_bit::<ServeError>(model, config.weights.as_deref())?.model;
    Ok(Session::load(runtime, &small, &SessionConfig { weights: None, ..config.clone() })?)
}
