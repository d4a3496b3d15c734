//! Steps that the built models share.

use super::Activation;
use crate::onnx::{AttributeProto, TensorProto};
use crate::{GraphBuilder, Value};

impl Activation {
    /// The name that `config.json` has for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_pytorch_tanh",
            Self::Relu => "relu",
            Self::Silu => "silu",
        }
    }
}

impl GraphBuilder {
    pub(super) fn activate(&mut self, x: &Value, activation: Activation) -> Value {
        match activation {
            Activation::Gelu => self.gelu(x),
            Activation::GeluTanh => self.gelu_tanh(x),
            Activation::Relu => self.relu(x),
            Activation::Silu => {
                let gate = self.op("Sigmoid", &[x], Vec::new());
                self.mul(x, &gate)
            }
        }
    }

    /// `x Wᵀ` for a weight stored `[out, in]`; see [`GraphBuilder::linear`].
    pub(super) fn project(&mut self, x: &Value, weight: &Value) -> Value {
        let weight = self.transpose(weight, &[1, 0]);
        self.matmul(x, &weight)
    }

    /// Sums along axis 1 up to each entry, without the entry itself if `before`.
    pub(super) fn cumulated(&mut self, x: &Value, before: bool) -> Value {
        let axis = self.int_scalar(1);
        self.op("CumSum", &[x, &axis], vec![AttributeProto::int("exclusive", i64::from(before))])
    }

    /// The parts side by side along `axis`.
    pub(super) fn concat(&mut self, parts: &[&Value], axis: i64) -> Value {
        self.op("Concat", parts, vec![AttributeProto::int("axis", axis)])
    }

    /// Entries `start..end` along `axis`.
    pub(super) fn slice(&mut self, x: &Value, axis: i64, start: i64, end: i64) -> Value {
        let [start, end, axis] = [start, end, axis].map(|number| self.int_list(&[number]));
        self.op("Slice", &[x, &start, &end, &axis], Vec::new())
    }

    /// A list of floats, `[numbers.len()]`, under this name.
    pub(super) fn floats(&mut self, name: &str, numbers: &[f32]) -> Value {
        let length = i64::try_from(numbers.len()).unwrap_or(i64::MAX);
        self.initializer(TensorProto::from_f32(name, &[length], numbers))
    }
}
