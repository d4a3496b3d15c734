//! Which nodes matter: those on a way from what is differentiated by to the objective.

use std::collections::HashSet;

use super::forward::Forward;
use super::rules;
use crate::model::reads;
use crate::onnx::NodeProto;

/// The values and nodes on a way from `wrt` to the objective.
#[derive(Debug)]
pub(super) struct Path {
    values: HashSet<String>,
    nodes: Vec<usize>,
}

impl Path {
    /// Follows the values `wrt` forward and `objective` back; what both reach matters.
    pub(super) fn between(forward: &Forward<'_>, wrt: &[&str], objective: &str) -> Self {
        let moving = moved_by(forward, wrt);
        let mut leading = HashSet::from([objective.to_owned()]);
        let mut nodes = Vec::new();
        for (position, node) in forward.nodes().iter().enumerate().rev() {
            let matters = |name: &String| moving.contains(name) && leading.contains(name);
            if !blocks(forward, node)
                && node.output.iter().any(matters)
                && reads(node).any(|name| moving.contains(name))
            {
                leading.extend(reads(node).map(str::to_owned));
                nodes.push(position);
            }
        }
        let values = moving.into_iter().filter(|name| leading.contains(name)).collect();
        Self { values, nodes }
    }

    /// Whether the objective depends on the value, and the value on what is differentiated by.
    pub(super) fn contains(&self, value: &str) -> bool {
        self.values.contains(value)
    }

    /// Positions of the nodes on the way, last first.
    pub(super) fn nodes(&self) -> &[usize] {
        &self.nodes
    }
}

/// Values that change smoothly with `wrt`, themselves included.
fn moved_by(forward: &Forward<'_>, wrt: &[&str]) -> HashSet<String> {
    let mut moving: HashSet<String> = wrt.iter().map(|&name| name.to_owned()).collect();
    for node in forward.nodes() {
        if !blocks(forward, node) && reads(node).any(|name| moving.contains(name)) {
            let outputs = node.output.iter().filter(|name| !name.is_empty() && forward.may_be_float(name));
            moving.extend(outputs.cloned());
        }
    }
    moving
}

/// Whether no change passes the node: shapes, comparisons, roundings and all that give integers or truth values.
fn blocks(forward: &Forward<'_>, node: &NodeProto) -> bool {
    rules::is_flat(&node.domain, &node.op_type) || !node.output.iter().any(|name| forward.may_be_float(name))
}
