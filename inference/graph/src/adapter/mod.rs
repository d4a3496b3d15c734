//! Adapters as files: what a run of training leaves and what a server loads.
//!
//! [`Adapter`] is the form in memory, as PEFT has it. [`peft`] reads and writes PEFT's folders; [`onnx_adapter`] the
//! single file that ONNX Runtime loads beside an adapted graph. Both are read as a stranger's: sizes are bounded, shapes
//! checked against real lengths, and numbers that are not finite refused.

mod error;
mod flat;
mod numbers;
pub mod onnx_adapter;
pub mod peft;
#[cfg(test)]
mod tests;

pub use error::AdapterError;

use std::collections::BTreeMap;

use crate::adapt::LoraSlot;
use numbers::{finite, transposed};

/// The largest rank.
pub const MAX_RANK: usize = 4_096;
/// The largest width of a module.
pub const MAX_FEATURES: usize = 1 << 22;
/// Modules of an adapter at most.
pub const MAX_MODULES: usize = 1 << 16;
/// Bytes of an adapter file at most.
pub const MAX_BYTES: u64 = 1 << 30;

/// A low-rank adapter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adapter {
    /// The model it was made for, as its maker calls it.
    pub base: String,
    /// Rank, the same for all modules, 1 to [`MAX_RANK`].
    pub rank: usize,
    /// The update is multiplied by `alpha / rank`.
    pub alpha: f32,
    /// The modules that were asked for, by PEFT's rule.
    pub targets: Vec<String>,
    /// The adapted modules by path, without the architecture's prefix.
    pub modules: BTreeMap<String, LoraPair>,
    /// Tensors that were trained as a whole, such as `classifier.weight`.
    pub saved: BTreeMap<String, DenseTensor>,
}

/// The two factors of one module's update, `scale · B A` in PyTorch's orientation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoraPair {
    /// `[rank, in_features]`, row by row.
    pub a: Vec<f32>,
    /// `[out_features, rank]`, row by row.
    pub b: Vec<f32>,
    /// Numbers that the module reads.
    pub in_features: usize,
    /// Numbers that the module writes.
    pub out_features: usize,
}

/// A tensor, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DenseTensor {
    /// Sizes, outermost axis first.
    pub shape: Vec<usize>,
    /// As many numbers as the product of the sizes.
    pub data: Vec<f32>,
}

impl LoraPair {
    /// From the orientation of an adapted graph: `a` `[in, rank]`, `b` `[rank, out]`. The sizes must fit the lengths, as
    /// [`Adapter::check`] checks.
    pub fn from_graph(a: &[f32], b: &[f32], in_features: usize, out_features: usize) -> Self {
        Self {
            a: transposed(a, in_features),
            b: transposed(b, b.len() / out_features.max(1)),
            in_features,
            out_features,
        }
    }

    /// `A` as an adapted graph takes it, `[in, rank]`.
    pub fn graph_a(&self) -> Vec<f32> {
        transposed(&self.a, self.a.len() / self.in_features.max(1))
    }

    /// `B` as an adapted graph takes it, `[rank, out]`, times `scale`.
    pub fn graph_b(&self, scale: f32) -> Vec<f32> {
        let mut b = transposed(&self.b, self.out_features);
        if scale != 1.0 {
            b.iter_mut().for_each(|number| *number *= scale);
        }
        b
    }

    fn check(&self, module: &str, rank: usize) -> Result<(), AdapterError> {
        let within = |size: usize| (1..=MAX_FEATURES).contains(&size);
        let sizes = within(self.in_features) && within(self.out_features);
        if !sizes || self.a.len() != rank * self.in_features || self.b.len() != self.out_features * rank {
            return Err(AdapterError::Shape { name: module.to_owned() });
        }
        if finite(&self.a) && finite(&self.b) { Ok(()) } else { Err(AdapterError::NotFinite(module.to_owned())) }
    }
}

impl Adapter {
    /// The factor of the update.
    pub fn scale(&self) -> f32 {
        self.alpha / self.rank as f32
    }

    /// Checks that sizes agree with lengths and bounds, and that every number is finite.
    ///
    /// # Errors
    /// [`AdapterError`], which names the module.
    pub fn check(&self) -> Result<(), AdapterError> {
        if !(1..=MAX_RANK).contains(&self.rank) {
            return Err(AdapterError::Rank(self.rank));
        }
        if !self.alpha.is_finite() {
            return Err(AdapterError::NotFinite("alpha".to_owned()));
        }
        if self.modules.len() + self.saved.len() > MAX_MODULES {
            return Err(AdapterError::TooLarge(format!("{} modules", self.modules.len() + self.saved.len())));
        }
        if self.modules.is_empty() && self.saved.is_empty() {
            return Err(AdapterError::Empty);
        }
        self.modules.iter().try_for_each(|(module, pair)| pair.check(module, self.rank))?;
        for (name, tensor) in &self.saved {
            let size = tensor.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
            if size != Some(tensor.data.len()) {
                return Err(AdapterError::Shape { name: name.clone() });
            }
            if !finite(&tensor.data) {
                return Err(AdapterError::NotFinite(name.clone()));
            }
        }
        Ok(())
    }

    /// Checks that every module of the adapter has a slot of its size.
    ///
    /// # Errors
    /// [`AdapterError::Misfit`] for an adapter that was made for another base model, or for other targets.
    pub fn fits(&self, slots: &[LoraSlot]) -> Result<(), AdapterError> {
        for (module, pair) in &self.modules {
            let slot = slots.iter().find(|slot| slot.module == *module);
            let found = slot.map(|slot| [slot.in_features, slot.out_features]);
            let expected = [pair.in_features, pair.out_features];
            if found != Some(expected) {
                return Err(AdapterError::Misfit { module: module.clone(), expected, found });
            }
        }
        Ok(())
    }
}
