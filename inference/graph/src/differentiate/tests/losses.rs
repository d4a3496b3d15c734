//! Losses over classes.

use super::{RANKED, check, check_between};
use crate::onnx::{AttributeProto, TensorProto};
use crate::{GraphBuilder, Value};

fn labels(graph: &mut GraphBuilder, shape: &[i64], values: &[i64]) -> Value {
    graph.initializer(TensorProto::from_i64("labels", shape, values))
}

#[test]
fn cross_entropy_with_every_reduction_weights_and_ignored_labels() {
    for reduction in ["none", "mean", "sum"] {
        for weighted in [false, true] {
            for ignored in [None, Some(1), Some(-100)] {
                let attributes = |_: &()| {
                    let mut attributes = vec![AttributeProto::string("reduction", reduction)];
                    attributes.extend(ignored.map(|index| AttributeProto::int("ignore_index", index)));
                    attributes
                };
                let last = ignored.unwrap_or(2);
                let body = |op: &'static str| {
                    move |graph: &mut GraphBuilder, x: &[Value]| {
                        let labels = labels(graph, &[4], &[0, 2, 1, last]);
                        let weights = graph.initializer(TensorProto::from_f32("weights", &[3], &[0.5, 1.5, 0.8]));
                        let mut inputs = vec![&x[0], &labels];
                        if weighted {
                            inputs.push(&weights);
                        }
                        graph.op(op, &inputs, attributes(&()))
                    }
                };
                check(&[&[4, 3]], RANKED, body("SoftmaxCrossEntropyLoss"));
                check(&[&[4, 3]], RANKED, body("NegativeLogLikelihoodLoss"));
            }
        }
    }
}

#[test]
fn cross_entropy_over_positions() {
    check(&[&[2, 3, 2]], RANKED, |graph, x| {
        let labels = labels(graph, &[2, 2], &[0, 2, 1, 1]);
        graph.op("SoftmaxCrossEntropyLoss", &[&x[0], &labels], vec![AttributeProto::string("reduction", "none")])
    });
}

#[test]
fn both_outputs_of_cross_entropy_lead_back() {
    check(&[&[4, 3]], RANKED, |graph, x| {
        let labels = labels(graph, &[4], &[0, 2, 1, 1]);
        let attributes = vec![AttributeProto::string("reduction", "mean")];
        let [loss, logs] = graph.op_n("SoftmaxCrossEntropyLoss", &[&x[0], &labels], attributes);
        let square = graph.mul(&logs, &logs);
        graph.mul(&square, &loss)
    });
}

#[test]
fn a_loss_composed_of_softmax_and_gather() {
    check_between((-1.0, 1.0), &[&[4, 3], &[3, 5]], RANKED, |graph, x| {
        let scores = graph.matmul(&x[0], &x[1]);
        let logs = graph.op("LogSoftmax", &[&scores], vec![AttributeProto::int("axis", -1)]);
        let labels = labels(graph, &[4, 1], &[0, 2, 1, 4]);
        let picked = graph.op("GatherElements", &[&logs, &labels], vec![AttributeProto::int("axis", 1)]);
        graph.op("Neg", &[&picked], Vec::new())
    });
}
