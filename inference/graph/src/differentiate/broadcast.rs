//! From the shape of a broadcast result back to the shape of an operand: sums over the axes that were repeated.

use super::step::Step;
use crate::Value;
use crate::onnx::{AttributeProto, DataType, TensorProto};
use crate::shape::Size;

/// How a gradient gets its operand's shape.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// Axes in front that the operand does not have.
    leading: usize,
    /// Axes to sum over, the leading ones among them.
    axes: Vec<i64>,
}

impl Step<'_> {
    /// Contributes a gradient that has the shape of the first output to an operand that was broadcast to it.
    pub(super) fn give_summed(&mut self, at: usize, gradient: &Value) {
        let from = self.shape_of_output(0);
        self.give_reduced(at, gradient, from.as_deref());
    }

    /// Contributes a gradient of the shape `from` to an operand that was broadcast to that shape.
    pub(super) fn give_reduced(&mut self, at: usize, gradient: &Value, from: Option<&[Size]>) {
        if !self.wants(at) {
            return;
        }
        let plan = from.zip(self.shape(at).as_deref()).and_then(|(from, to)| plan(from, to));
        let reduced = match plan {
            Some(plan) => self.reduce(gradient, &plan),
            None => self.reduce_at_run_time(at, gradient),
        };
        if let Some(reduced) = reduced {
            self.give(at, reduced);
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "its sibling can fail")]
    fn reduce(&mut self, gradient: &Value, plan: &Plan) -> Option<Value> {
        if plan.axes.is_empty() {
            return Some(gradient.clone());
        }
        if plan.axes.len() == plan.leading {
            return Some(self.graph.reduce_sum(gradient, &plan.axes, false));
        }
        let sum = self.graph.reduce_sum(gradient, &plan.axes, true);
        if plan.leading == 0 {
            return Some(sum);
        }
        let leading: Vec<i64> = (0..plan.leading as i64).collect();
        let leading = self.graph.int_list(&leading);
        Some(self.op("Squeeze", &[&sum, &leading]))
    }

    /// Compares the two shapes when the graph runs.
    fn reduce_at_run_time(&mut self, at: usize, gradient: &Value) -> Option<Value> {
        let operand = self.x(at).ok()?;
        let (to, from) = (self.shape_of(&operand), self.shape_of(gradient));
        let (to_rank, from_rank) = (self.shape_of(&to), self.shape_of(&from));
        let missing = self.graph.sub(&from_rank, &to_rank);
        let one = TensorProto::from_raw("value", DataType::Int64, &[1], 1i64.to_le_bytes().to_vec().into());
        let ones = self.graph.op("ConstantOfShape", &[&missing], vec![AttributeProto::tensor("value", one)]);
        let padded = self.joined(&[&ones, &to]);
        let same = self.op("Equal", &[&padded, &from]);
        let repeated = self.op("Not", &[&same]);
        let axes = self.op("NonZero", &[&repeated]);
        let first = self.graph.int_list(&[0]);
        let axes = self.op("Squeeze", &[&axes, &first]);
        let attributes = vec![AttributeProto::int("keepdims", 1), AttributeProto::int("noop_with_empty_axes", 1)];
        let sum = self.graph.op("ReduceSum", &[gradient, &axes], attributes);
        Some(self.graph.op("Reshape", &[&sum, &to], vec![AttributeProto::int("allowzero", 1)]))
    }
}

/// The axes to sum over, if the sizes tell.
fn plan(from: &[Size], to: &[Size]) -> Option<Plan> {
    let leading = from.len().checked_sub(to.len())?;
    let mut axes: Vec<i64> = (0..leading as i64).collect();
    for (axis, (to, from)) in to.iter().zip(&from[leading..]).enumerate() {
        match (to, from) {
            (Size::Known(1), Size::Known(1)) => {}
            (Size::Known(1), _) => axes.push((leading + axis) as i64),
            (Size::Known(_), _) => {}
            (Size::Symbol(to), Size::Symbol(from)) if to == from => {}
            // A size that could be 1 beside one that is not known to be the same.
            _ => return None,
        }
    }
    Some(Plan { leading, axes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_known_where_sizes_are() {
        let (n, m) = (Size::Symbol("n".into()), Size::Symbol("m".into()));
        let some = |leading, axes: &[i64]| Some(Plan { leading, axes: axes.to_vec() });
        assert_eq!(plan(&[n.clone(), Size::Known(3)], &[n.clone(), Size::Known(3)]), some(0, &[]));
        assert_eq!(plan(&[n.clone(), Size::Known(3)], &[Size::Known(3)]), some(1, &[0]));
        assert_eq!(plan(&[m.clone(), n.clone()], &[Size::Known(1), n.clone()]), some(0, &[0]));
        assert_eq!(plan(&[m.clone(), n.clone()], &[Size::Known(1)]), some(1, &[0, 1]));
        assert_eq!(plan(std::slice::from_ref(&n), &[m]), None);
        assert_eq!(plan(&[Size::Known(3)], &[n]), None);
        assert_eq!(plan(&[Size::Unknown], &[Size::Unknown]), None);
    }
}
