//! One rule an operator: from the gradients of its outputs to those of its inputs.

mod activation;
mod arithmetic;
mod indexing;
mod layout;
mod matrix;
mod normalisation;
mod quantised;
mod reduce;
mod softmax;

use super::step::{Outcome, Step};

/// Writes the gradient nodes of one forward node.
pub(super) type Rule = fn(&mut Step<'_>) -> Outcome;

/// The rule of an operator, if there is one.
pub(super) fn find(domain: &str, op_type: &str) -> Option<Rule> {
    match domain {
        "" | "ai.onnx" => standard(op_type),
        "com.microsoft" => contributed(op_type),
        _ => None,
    }
}

/// Whether the operator's outputs do not change, or not smoothly, with its inputs: their gradient is 0 or none.
pub(super) fn is_flat(domain: &str, op_type: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
        && matches!(
            op_type,
            "Shape"
                | "Size"
                | "Equal"
                | "Greater"
                | "GreaterOrEqual"
                | "Less"
                | "LessOrEqual"
                | "Not"
                | "And"
                | "Or"
                | "Xor"
                | "IsNaN"
                | "IsInf"
                | "ArgMax"
                | "ArgMin"
                | "NonZero"
                | "ConstantOfShape"
                | "EyeLike"
                | "Sign"
                | "Floor"
                | "Ceil"
                | "Round"
                | "RandomNormalLike"
                | "RandomUniformLike"
                | "Bernoulli"
                | "Multinomial"
                | "Range"
                | "Constant"
        )
}

fn standard(op_type: &str) -> Option<Rule> {
    Some(match op_type {
        "Add" => arithmetic::add,
        "Sub" => arithmetic::sub,
        "Mul" => arithmetic::mul,
        "Div" => arithmetic::div,
        "Pow" => arithmetic::pow,
        "Sum" => arithmetic::sum,
        "Mean" => arithmetic::mean,
        "Neg" => arithmetic::neg,
        "Abs" => arithmetic::abs,
        "Reciprocal" => arithmetic::reciprocal,
        "Sqrt" => arithmetic::sqrt,
        "Exp" => arithmetic::exp,
        "Log" => arithmetic::log,
        "Max" | "Min" => arithmetic::extreme,
        "Clip" => arithmetic::clip,
        "Where" => arithmetic::choose,
        "Erf" => activation::erf,
        "Tanh" => activation::tanh,
        "Sigmoid" => activation::sigmoid,
        "Relu" => activation::relu,
        "LeakyRelu" => activation::leaky_relu,
        "Elu" => activation::elu,
        "Softplus" => activation::softplus,
        "Gelu" => activation::gelu,
        "Swish" => activation::swish,
        "Sin" => activation::sin,
        "Cos" => activation::cos,
        "MatMul" => matrix::matmul,
        "Gemm" => matrix::gemm,
        "LayerNormalization" => normalisation::layer,
        "RMSNormalization" | "SimplifiedLayerNormalization" => normalisation::root_mean_square,
        "Softmax" => softmax::softmax,
        "LogSoftmax" => softmax::log_softmax,
        "SoftmaxCrossEntropyLoss" => softmax::cross_entropy,
        "NegativeLogLikelihoodLoss" => softmax::negative_log_likelihood,
        "ReduceSum" => reduce::sum,
        "ReduceMean" => reduce::mean,
        "ReduceMax" | "ReduceMin" => reduce::extreme,
        "ReduceL1" => reduce::l1,
        "ReduceL2" => reduce::l2,
        "ReduceSumSquare" => reduce::sum_square,
        "ReduceLogSumExp" => reduce::log_sum_exp,
        "CumSum" => reduce::running_sum,
        "Gather" => indexing::gather,
        "GatherElements" => indexing::gather_elements,
        "GatherND" | "Tile" => indexing::pick,
        "Slice" => indexing::slice,
        "TopK" => indexing::top,
        "Identity" => layout::identity,
        "Dropout" => layout::dropout,
        "Cast" | "CastLike" => layout::cast,
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => layout::reshape,
        "Transpose" => layout::transpose,
        "Expand" => layout::expand,
        "Concat" => layout::concat,
        "Split" => layout::split,
        "Pad" => layout::pad,
        "Trilu" => layout::triangle,
        _ => return None,
    })
}

fn contributed(op_type: &str) -> Option<Rule> {
    Some(match op_type {
        "FusedMatMul" => matrix::fused,
        "Gelu" => activation::gelu,
        "FastGelu" => activation::fast_gelu,
        "QuickGelu" => activation::quick_gelu,
        "MatMulNBits" => quantised::matmul_nbits,
        "MatMulBnb4" => quantised::matmul_bnb4,
        _ => return None,
    })
}
