//! Sums of gradients: a value that is read in several places collects one contribution from each.

use std::collections::HashMap;

use crate::{GraphBuilder, Value};

/// Gradients by the name of the forward value that they belong to.
#[derive(Debug, Default)]
pub(super) struct Gradients {
    parts: HashMap<String, Vec<Value>>,
    counts: HashMap<String, usize>,
}

impl Gradients {
    /// Adds a contribution to the gradient of the value `of`; it has that value's shape.
    pub(super) fn add(&mut self, of: &str, part: Value) {
        self.parts.entry(of.to_owned()).or_default().push(part);
        *self.counts.entry(of.to_owned()).or_default() += 1;
    }

    /// How many contributions the gradient of `of` has had.
    pub(super) fn count(&self, of: &str) -> usize {
        self.counts.get(of).copied().unwrap_or(0)
    }

    /// The gradient of `of`: the sum of what has been contributed; `None` if nothing has.
    ///
    /// Ask only once every reader of the value has contributed.
    pub(super) fn total(&mut self, graph: &mut GraphBuilder, of: &str) -> Option<Value> {
        let parts = self.parts.get_mut(of)?;
        let total = parts.drain(..).reduce(|sum, part| graph.add(&sum, &part))?;
        parts.push(total.clone());
        Some(total)
    }
}
