//! Products and normalisations.

use proptest::prelude::*;

use super::{ANY, RANKED, check, check_between};
use crate::onnx::{AttributeProto, TensorProto};

#[test]
fn products_of_all_ranks() {
    let pairs: [(&[usize], &[usize]); 12] = [
        (&[2, 3], &[3, 4]),
        (&[5, 2, 3], &[3, 4]),
        (&[2, 5, 2, 3], &[3, 4]),
        (&[5, 2, 3], &[5, 3, 4]),
        (&[2, 3], &[5, 3, 4]),
        (&[1, 2, 3], &[5, 3, 4]),
        (&[2, 1, 2, 3], &[5, 3, 4]),
        (&[3], &[3]),
        (&[3], &[3, 4]),
        (&[3], &[5, 3, 4]),
        (&[2, 3], &[3]),
        (&[5, 2, 3], &[3]),
    ];
    for (a, b) in pairs {
        check(&[a, b], RANKED, |graph, x| graph.matmul(&x[0], &x[1]));
    }
}

#[test]
fn a_turned_operand_is_turned_back() {
    check(&[&[5, 2, 3], &[4, 3]], RANKED, |graph, x| {
        let weight = graph.transpose(&x[1], &[1, 0]);
        graph.matmul(&x[0], &weight)
    });
    check(&[&[2, 3, 4], &[2, 5, 4]], RANKED, |graph, x| {
        let turned = graph.transpose(&x[1], &[0, 2, 1]);
        graph.matmul(&x[0], &turned)
    });
}

#[test]
fn a_frozen_weight_as_it_is_stored_is_used_without_a_transposition() {
    let model = super::graph(&[&[2, 3]], super::Shapes::Known, &|graph, x| {
        let weight = graph.initializer(TensorProto::from_f32("w", &[4, 3], &super::numbers(3, 12, -1.0, 1.0)));
        let bias = graph.initializer(TensorProto::from_f32("b", &[4], &[0.0; 4]));
        graph.linear(&x[0], &weight, &bias)
    });
    let gradient = super::differentiate(&model, "y", &["x0"]).unwrap().graph.unwrap();
    let count = |op: &str| gradient.node.iter().filter(|node| node.op_type == op).count();
    assert_eq!((count("Transpose"), count("MatMul"), count("ReduceSum")), (1, 2, 0));
}

#[test]
fn gemm_in_all_its_forms() {
    for (turn_a, turn_b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for c in [&[4usize][..], &[2, 4], &[2, 1], &[]] {
            let a: &[usize] = if turn_a == 1 { &[3, 2] } else { &[2, 3] };
            let b: &[usize] = if turn_b == 1 { &[4, 3] } else { &[3, 4] };
            check(&[a, b, c], RANKED, |graph, x| {
                let attributes = vec![
                    AttributeProto::float("alpha", 0.7),
                    AttributeProto::float("beta", 1.3),
                    AttributeProto::int("transA", turn_a),
                    AttributeProto::int("transB", turn_b),
                ];
                graph.op("Gemm", &[&x[0], &x[1], &x[2]], attributes)
            });
        }
    }
}

#[test]
fn fused_products_in_all_their_forms() {
    for (turn_a, turn_b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let a: &[usize] = if turn_a == 1 { &[2, 3, 2] } else { &[2, 2, 3] };
        let b: &[usize] = if turn_b == 1 { &[2, 4, 3] } else { &[2, 3, 4] };
        check(&[a, b], RANKED, |graph, x| {
            let attributes = vec![
                AttributeProto::float("alpha", 0.7),
                AttributeProto::int("transA", turn_a),
                AttributeProto::int("transB", turn_b),
            ];
            graph.op_in("com.microsoft", "FusedMatMul", &[&x[0], &x[1]], attributes)
        });
    }
}

#[test]
fn layer_normalisation_by_input_scale_and_bias() {
    check(&[&[2, 3, 6], &[6], &[6]], ANY, |graph, x| graph.layer_norm(&x[0], &x[1], &x[2], 1e-5));
    check(&[&[2, 2, 3], &[2, 3], &[2, 3]], RANKED, |graph, x| {
        graph.op("LayerNormalization", &[&x[0], &x[1], &x[2]], vec![AttributeProto::int("axis", 1)])
    });
    check(&[&[2, 6], &[6]], RANKED, |graph, x| graph.op("LayerNormalization", &[&x[0], &x[1]], Vec::new()));
}

#[test]
fn normalisation_without_the_mean() {
    check(&[&[2, 3, 6], &[6]], RANKED, |graph, x| {
        let attributes = vec![AttributeProto::int("axis", -1), AttributeProto::float("epsilon", 1e-5)];
        graph.op("SimplifiedLayerNormalization", &[&x[0], &x[1]], attributes)
    });
}

#[test]
fn frozen_products_of_four_and_eight_bits_pass_the_gradient_to_the_activation() {
    let (n, k, block) = (3usize, 20usize, 16usize);
    let blocks = k.div_ceil(block);
    for bits in [4usize, 8] {
        for with_points in [false, true] {
            check_between((-1.0, 1.0), &[&[2, 2, 20]], super::RANKED, |graph, x| {
                let bytes = |count: usize, salt: usize| -> bytes::Bytes {
                    (0..count).map(|at| (at * 37 + salt) as u8).collect()
                };
                let weight = bytes(n * blocks * block * bits / 8, 5);
                let dims = [n, blocks, block * bits / 8].map(|size| size as i64);
                let weight = TensorProto::from_raw("w", crate::onnx::DataType::Uint8, &dims, weight);
                let weight = graph.initializer(weight);
                let size = if bits == 4 { 0.02 } else { 0.002 };
                let scales = super::numbers(2, n * blocks, size, 2.0 * size);
                let scales = graph.initializer(TensorProto::from_f32("s", &[(n * blocks) as i64], &scales));
                let points = (blocks * bits).div_ceil(8) * n;
                let points =
                    TensorProto::from_raw("z", crate::onnx::DataType::Uint8, &[points as i64], bytes(points, 110));
                let points = graph.initializer(points);
                let attributes = [("N", n), ("K", k), ("bits", bits), ("block_size", block)];
                let attributes = attributes.map(|(name, size)| AttributeProto::int(name, size as i64)).to_vec();
                let mut inputs = vec![&x[0], &weight, &scales];
                if with_points {
                    inputs.push(&points);
                }
                graph.op_in("com.microsoft", "MatMulNBits", &inputs, attributes)
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn products_of_any_broadcast(
        batch in proptest::collection::vec((1usize..4, 0u8..3), 0..3),
        sizes in (1usize..4, 1usize..4, 1usize..4),
        cut in (0usize..3, 0usize..3),
    ) {
        let side = |one: u8| batch.iter().map(|&(size, which)| if which == one { 1 } else { size }).collect::<Vec<_>>();
        let (mut a, mut b) = (side(1), side(2));
        // Leading axes may also be left out on one side.
        a.drain(..if cut.1 == 0 { cut.0.min(a.len()) } else { 0 });
        b.drain(..if cut.1 == 1 { cut.0.min(b.len()) } else { 0 });
        a.extend([sizes.0, sizes.1]);
        b.extend([sizes.1, sizes.2]);
        check(&[&a, &b], RANKED, |graph, x| graph.matmul(&x[0], &x[1]));
    }
}
