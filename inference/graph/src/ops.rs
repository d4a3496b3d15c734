//! One method per standard operator that the graphs built here use.

use super::{GraphBuilder, Value};
use crate::onnx::{AttributeProto, DataType};

impl GraphBuilder {
    /// `a + b`, broadcast.
    pub fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Add", &[a, b], Vec::new())
    }

    /// `a - b`, broadcast.
    pub fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Sub", &[a, b], Vec::new())
    }

    /// `a * b`, broadcast.
    pub fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Mul", &[a, b], Vec::new())
    }

    /// `a / b`, broadcast.
    pub fn div(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Div", &[a, b], Vec::new())
    }

    /// Element-wise maximum, broadcast.
    pub fn max(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Max", &[a, b], Vec::new())
    }

    /// Matrix product over the last two axes, the others broadcast.
    pub fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        self.op("MatMul", &[a, b], Vec::new())
    }

    /// Axes in the order `axes`.
    pub fn transpose(&mut self, x: &Value, axes: &[i64]) -> Value {
        self.op("Transpose", &[x], vec![AttributeProto::ints("perm", axes)])
    }

    /// `x` in another shape: 0 keeps an axis, -1 is worked out.
    pub fn reshape(&mut self, x: &Value, shape: &[i64]) -> Value {
        let shape = self.int_list(shape);
        self.op("Reshape", &[x, &shape], Vec::new())
    }

    /// `x` with axes of size 1 put in at `axes`.
    pub fn unsqueeze(&mut self, x: &Value, axes: &[i64]) -> Value {
        let axes = self.int_list(axes);
        self.op("Unsqueeze", &[x, &axes], Vec::new())
    }

    /// Entries of `table` along `axis` picked by integer `indices`.
    pub fn gather(&mut self, table: &Value, indices: &Value, axis: i64) -> Value {
        self.op("Gather", &[table, indices], vec![AttributeProto::int("axis", axis)])
    }

    /// `x` converted to another element type.
    pub fn cast(&mut self, x: &Value, to: DataType) -> Value {
        self.op("Cast", &[x], vec![AttributeProto::int("to", i64::from(i32::from(to)))])
    }

    /// The size of one axis of `x`, as a list of one integer.
    pub fn axis_size(&mut self, x: &Value, axis: i64) -> Value {
        let attributes = vec![AttributeProto::int("start", axis), AttributeProto::int("end", axis + 1)];
        self.op("Shape", &[x], attributes)
    }

    /// The first `length` (a list of one integer) rows of `table`.
    pub fn first_rows(&mut self, table: &Value, length: &Value) -> Value {
        let zero = self.int_list(&[0]);
        self.op("Slice", &[table, &zero, length, &zero], Vec::new())
    }

    /// Softmax along `axis`.
    pub fn softmax(&mut self, x: &Value, axis: i64) -> Value {
        self.op("Softmax", &[x], vec![AttributeProto::int("axis", axis)])
    }

    /// Layer normalisation over the last axis.
    pub fn layer_norm(&mut self, x: &Value, scale: &Value, bias: &Value, epsilon: f32) -> Value {
        let attributes = vec![AttributeProto::int("axis", -1), AttributeProto::float("epsilon", epsilon)];
        self.op("LayerNormalization", &[x, scale, bias], attributes)
    }

    /// The exact Gaussian error linear unit (opset 20).
    pub fn gelu(&mut self, x: &Value) -> Value {
        self.op("Gelu", &[x], vec![AttributeProto::string("approximate", "none")])
    }

    /// The tanh approximation of [`GraphBuilder::gelu`] (opset 20).
    pub fn gelu_tanh(&mut self, x: &Value) -> Value {
        self.op("Gelu", &[x], vec![AttributeProto::string("approximate", "tanh")])
    }

    /// `max(x, 0)`.
    pub fn relu(&mut self, x: &Value) -> Value {
        self.op("Relu", &[x], Vec::new())
    }

    /// Sums over `axes`, which stay as size 1 if `keep`.
    pub fn reduce_sum(&mut self, x: &Value, axes: &[i64], keep: bool) -> Value {
        let axes = self.int_list(axes);
        self.op("ReduceSum", &[x, &axes], vec![AttributeProto::int("keepdims", i64::from(keep))])
    }

    /// Euclidean norms over `axes`, which stay as size 1 if `keep`.
    pub fn reduce_l2(&mut self, x: &Value, axes: &[i64], keep: bool) -> Value {
        let axes = self.int_list(axes);
        self.op("ReduceL2", &[x, &axes], vec![AttributeProto::int("keepdims", i64::from(keep))])
    }

    /// `x Wᵀ + b` for a weight stored `[out, in]`, as PyTorch does; `x` is `[.., in]`.
    ///
    /// The transposition is a node, so that the weight's bytes can be used where they lie; the runtime folds it into
    /// the packing it does anyway.
    pub fn linear(&mut self, x: &Value, weight: &Value, bias: &Value) -> Value {
        let weight = self.transpose(weight, &[1, 0]);
        let product = self.matmul(x, &weight);
        self.add(&product, bias)
    }
}
