//! Operators that a model defines itself: which there are, and what they grow to when the runtime writes them out.

use std::collections::{HashMap, HashSet};

use super::{Limits, ValidateError, graph::Walk};
use crate::onnx::{FunctionProto, GraphProto, ModelProto, NodeProto};

/// The functions of a model by domain, name and overload.
#[derive(Default)]
pub(super) struct Functions<'a>(HashMap<String, &'a FunctionProto>);

fn key(domain: &str, name: &str, overload: &str) -> String {
    [domain, name, overload].join("\0")
}

impl<'a> Functions<'a> {
    /// Collects the model's functions.
    pub(super) fn of(model: &'a ModelProto, limits: &Limits) -> Result<Self, ValidateError> {
        limits.check(model.functions.len() as u64, limits.functions, || "the number of functions".to_owned())?;
        let mut functions = HashMap::new();
        for function in &model.functions {
            let fail =
                |reason: &str| ValidateError::Function { name: function.name.clone(), reason: reason.to_owned() };
            if ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"].contains(&function.domain.as_str()) {
                return Err(fail("is defined in a domain of the runtime's own"));
            }
            if functions.insert(key(&function.domain, &function.name, &function.overload), function).is_some() {
                return Err(fail("is defined twice"));
            }
        }
        Ok(Self(functions))
    }

    /// Whether the node calls one of them.
    pub(super) fn contains(&self, node: &NodeProto) -> bool {
        self.get(node).is_some()
    }

    fn get(&self, node: &NodeProto) -> Option<(String, &'a FunctionProto)> {
        // Most models define none.
        if self.0.is_empty() {
            return None;
        }
        let key = key(&node.domain, &node.op_type, &node.overload);
        let function = *self.0.get(&key)?;
        Some((key, function))
    }

    /// Checks the bodies.
    pub(super) fn walk(&'a self, walk: &mut Walk<'a>) -> Result<(), ValidateError> {
        for function in self.0.values() {
            let mut visible: HashSet<&str> = HashSet::new();
            for name in function.input.iter().chain(&function.output).chain(&function.attribute) {
                walk.name(name)?;
            }
            walk.name(&function.name)?;
            visible.extend(function.input.iter().map(String::as_str));
            // Defaults are attributes like others: nothing may hide in them.
            let defaults = NodeProto {
                name: function.name.clone(),
                op_type: "Identity".to_owned(),
                attribute: function.attribute_proto.clone(),
                ..NodeProto::default()
            };
            let empty = Functions::default();
            let mut apart = Walk { limits: walk.limits, functions: &empty, nodes: 0, initialisers: 0 };
            apart.node(&defaults, 0, &mut HashSet::new(), true)?;
            for node in &function.node {
                walk.node(node, 0, &mut visible, true)?;
            }
            if let Some(lost) = function.output.iter().find(|output| !visible.contains(output.as_str())) {
                let reason = format!("does not compute its output {lost:?}");
                return Err(ValidateError::Function { name: function.name.clone(), reason });
            }
        }
        Ok(())
    }

    /// Nodes of the graph once every call is written out; a few small functions can make very many.
    pub(super) fn expanded(&self, graph: &GraphProto) -> Result<u64, ValidateError> {
        self.sum(&graph.node, &mut HashMap::new())
    }

    fn sum(&self, nodes: &[NodeProto], known: &mut HashMap<String, Option<u64>>) -> Result<u64, ValidateError> {
        let mut total = 0u64;
        for node in nodes {
            total = total.saturating_add(match self.get(node) {
                Some((key, function)) => self.size(key, function, known)?,
                None => 1,
            });
            for graph in node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)) {
                total = total.saturating_add(self.sum(&graph.node, known)?);
            }
        }
        Ok(total)
    }

    fn size(
        &self,
        key: String,
        function: &'a FunctionProto,
        known: &mut HashMap<String, Option<u64>>,
    ) -> Result<u64, ValidateError> {
        match known.get(&key) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => {
                let reason = "calls itself".to_owned();
                return Err(ValidateError::Function { name: function.name.clone(), reason });
            }
            None => {}
        }
        known.insert(key.clone(), None);
        let size = self.sum(&function.node, known)?;
        known.insert(key, Some(size));
        Ok(size)
    }
}
