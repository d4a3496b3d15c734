//! Reductions, softmax and running sums.

use super::{ANY, RANKED, check, check_between};
use crate::onnx::AttributeProto;

#[test]
fn reductions_over_any_axes_with_and_without_keeping_them() {
    for op in [
        "ReduceSum",
        "ReduceMean",
        "ReduceMax",
        "ReduceMin",
        "ReduceL1",
        "ReduceL2",
        "ReduceSumSquare",
        "ReduceLogSumExp",
    ] {
        for keep in [0, 1] {
            for axes in [&[-1i64][..], &[0], &[0, 2], &[1, -3], &[0, 1, 2]] {
                check(&[&[2, 3, 4]], ANY, |graph, x| {
                    let axes = graph.int_list(axes);
                    graph.op(op, &[&x[0], &axes], vec![AttributeProto::int("keepdims", keep)])
                });
            }
            check(&[&[2, 3]], ANY, |graph, x| graph.op(op, &[&x[0]], vec![AttributeProto::int("keepdims", keep)]));
        }
    }
}

#[test]
fn a_reduction_over_no_axes_can_be_nothing() {
    check(&[&[2, 3]], ANY, |graph, x| {
        let attributes = vec![AttributeProto::int("noop_with_empty_axes", 1), AttributeProto::int("keepdims", 0)];
        graph.op("ReduceSum", &[&x[0]], attributes)
    });
}

#[test]
fn the_norm_of_nothing_has_no_slope_and_no_nan() {
    let model = super::graph(&[&[2, 2]], super::Shapes::Known, &|graph, x| graph.reduce_l2(&x[0], &[-1], false));
    let gradient = super::differentiate(&model, "ReduceL2", &["x0"]).unwrap();
    let data = vec![vec![0.0, 0.0, 3.0, 4.0]];
    let (_, found) = super::evaluate(&mut super::served(&gradient, 1), &[&[2, 2]], &data, "grad.x0");
    assert_eq!(found, [0.0, 0.0, 0.6, 0.8]);
}

#[test]
fn equal_largest_elements_share_the_gradient() {
    let model = super::graph(&[&[4]], super::Shapes::Known, &|graph, x| graph.op("ReduceMax", &[&x[0]], Vec::new()));
    let gradient = super::differentiate(&model, "ReduceMax", &["x0"]).unwrap();
    let data = vec![vec![2.0, 5.0, 5.0, 1.0]];
    let (_, found) = super::evaluate(&mut super::served(&gradient, 1), &[&[4]], &data, "grad.x0");
    assert_eq!(found, [0.0, 0.5, 0.5, 0.0]);
}

#[test]
fn softmax_along_any_axis() {
    for axis in [-1, 0, 1] {
        for op in ["Softmax", "LogSoftmax"] {
            check(&[&[2, 3, 4]], ANY, |graph, x| {
                let soft = graph.op(op, &[&x[0]], vec![AttributeProto::int("axis", axis)]);
                let five = graph.scalar(5.0);
                graph.mul(&soft, &five)
            });
        }
    }
}

#[test]
fn running_sums_in_all_their_forms() {
    for (exclusive, reverse) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        check(&[&[2, 4]], ANY, |graph, x| {
            let axis = graph.int_scalar(1);
            let attributes = vec![AttributeProto::int("exclusive", exclusive), AttributeProto::int("reverse", reverse)];
            graph.op("CumSum", &[&x[0], &axis], attributes)
        });
    }
}

#[test]
fn cosine_similarity_is_a_composition() {
    check_between((0.2, 1.5), &[&[3, 5], &[3, 5]], RANKED, |graph, x| {
        let unit = |graph: &mut crate::GraphBuilder, x: &crate::Value| {
            let norm = graph.reduce_l2(x, &[-1], true);
            graph.div(x, &norm)
        };
        let (a, b) = (unit(graph, &x[0]), unit(graph, &x[1]));
        let b = graph.transpose(&b, &[1, 0]);
        graph.matmul(&a, &b)
    });
}
