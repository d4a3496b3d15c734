//! From the vectors of a text's tokens to the one of the text.

use crate::{GraphBuilder, Value};

/// How a text's vector is made of those of its tokens, padding left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// The first token's.
    Cls,
    /// The largest number at each place.
    Max,
    /// Their sum, divided by the square root of their number.
    MeanSqrtLen,
    /// The last token's.
    LastToken,
}

impl Pooling {
    /// Writes it: `tokens` is `[batch, seq, hidden]`, `mask` float `[batch, seq]` with 1 at tokens and 0 at padding, which
    /// follows them; gives `[batch, hidden]`.
    pub(super) fn write(self, graph: &mut GraphBuilder, tokens: &Value, mask: &Value) -> Value {
        graph.scoped("pool", |graph| match self {
            Self::Mean => mean(graph, tokens, mask),
            Self::Cls => {
                let first = graph.int_scalar(0);
                graph.gather(tokens, &first, 1)
            }
            Self::Max => largest(graph, tokens, mask),
            Self::MeanSqrtLen => {
                let count = count(graph, mask);
                let root = graph.op("Sqrt", &[&count], Vec::new());
                let sum = weighted_sum(graph, tokens, mask);
                graph.div(&sum, &root)
            }
            Self::LastToken => {
                let last = last_only(graph, mask);
                weighted_sum(graph, tokens, &last)
            }
        })
    }
}

fn mean(graph: &mut GraphBuilder, tokens: &Value, mask: &Value) -> Value {
    let sum = weighted_sum(graph, tokens, mask);
    let count = count(graph, mask);
    graph.div(&sum, &count)
}

/// Tokens of each text, `[batch, 1]`, and never quite 0.
fn count(graph: &mut GraphBuilder, mask: &Value) -> Value {
    let tiny = graph.scalar(1e-9);
    let count = graph.reduce_sum(mask, &[1], true);
    graph.max(&count, &tiny)
}

fn weighted_sum(graph: &mut GraphBuilder, tokens: &Value, weights: &Value) -> Value {
    let column = graph.unsqueeze(weights, &[-1]);
    let weighted = graph.mul(tokens, &column);
    graph.reduce_sum(&weighted, &[1], false)
}

/// Padding is put far below any number, as Sentence Transformers does.
fn largest(graph: &mut GraphBuilder, tokens: &Value, mask: &Value) -> Value {
    let (one, low) = (graph.scalar(1.0), graph.scalar(-1e9));
    let padding = graph.sub(&one, mask);
    let lowered = graph.mul(&padding, &low);
    let lowered = graph.unsqueeze(&lowered, &[-1]);
    let tokens = graph.add(tokens, &lowered);
    let axis = graph.int_list(&[1]);
    graph.op("ReduceMax", &[&tokens, &axis], vec![crate::onnx::AttributeProto::int("keepdims", 0)])
}

/// 1 at the last token of each text: where the mask is 1 and what follows is padding or nothing.
fn last_only(graph: &mut GraphBuilder, mask: &Value) -> Value {
    let [zero, one, end, axis] = [0, 1, i64::MAX, 1].map(|number| graph.int_list(&[number]));
    let rest = graph.op("Slice", &[mask, &one, &end, &axis], Vec::new());
    let first = graph.op("Slice", &[mask, &zero, &one, &axis], Vec::new());
    let nothing = graph.sub(&first, &first);
    let next = graph.op("Concat", &[&rest, &nothing], vec![crate::onnx::AttributeProto::int("axis", 1)]);
    graph.sub(mask, &next)
}
