//! Adapters for tests.

use crate::graph::adapt::LoraSlot;
use crate::graph::adapter::{Adapter, LoraPair};

/// Reproducible numbers between -1 and 1.
pub(crate) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(next).collect()
}

/// An adapter of random numbers for these modules, strong enough to change what the model says.
pub(crate) fn adapter(modules: &[LoraSlot], rank: usize, seed: u64) -> Adapter {
    let pair = |(index, slot): (usize, &LoraSlot)| {
        let scaled = |part: u64, count: usize| {
            let numbers = numbers(seed * 1_000 + 2 * index as u64 + part, count);
            numbers.into_iter().map(|number| number * 0.1).collect()
        };
        let pair = LoraPair {
            a: scaled(0, rank * slot.in_features),
            b: scaled(1, slot.out_features * rank),
            in_features: slot.in_features,
            out_features: slot.out_features,
        };
        (slot.module.clone(), pair)
    };
    Adapter {
        base: "test".to_owned(),
        rank,
        alpha: 2.0 * rank as f32,
        targets: vec!["query".to_owned(), "value".to_owned()],
        modules: modules.iter().enumerate().map(pair).collect(),
        saved: std::collections::BTreeMap::new(),
    }
}

/// The queries and values of a model's layers.
pub(crate) fn slots(layers: usize, names: [&str; 2], sizes: [[usize; 2]; 2]) -> Vec<LoraSlot> {
    let slot = |layer: usize| {
        names.iter().zip(sizes).map(move |(name, [in_features, out_features])| {
            let module = name.replace("{}", &layer.to_string());
            let [a, b] = ["A", "B"].map(|part| format!("lora.{module}.{part}"));
            LoraSlot { module, a, b, in_features, out_features }
        })
    };
    (0..layers).flat_map(slot).collect()
}
