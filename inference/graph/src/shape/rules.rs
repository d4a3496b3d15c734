//! Which rule an operator follows.

use super::fact::{Call, Outcome};
use super::{create, elementwise, gather, movement, product, reduce, slice, spatial};
use crate::onnx::DataType;

/// What is known of the outputs of a node; nothing for operators without a rule.
pub(super) fn apply(call: &Call<'_>) -> Outcome {
    match call.node.domain.as_str() {
        "" | "ai.onnx" => standard(call),
        "com.microsoft" => microsoft(call),
        _ => Ok(Vec::new()),
    }
}

fn standard(call: &Call<'_>) -> Outcome {
    match call.node.op_type.as_str() {
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Max" | "Min" | "Sum" | "Mean" | "Pow" | "PRelu" | "And" | "Or"
        | "Xor" | "BitShift" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" => elementwise::nary(call, 0, None),
        "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" => {
            elementwise::nary(call, 0, Some(DataType::Bool))
        }
        "Where" => elementwise::nary(call, 1, None),
        "Neg"
        | "Exp"
        | "Log"
        | "Sqrt"
        | "Reciprocal"
        | "Erf"
        | "Tanh"
        | "Sigmoid"
        | "Relu"
        | "Gelu"
        | "Sin"
        | "Cos"
        | "Tan"
        | "Asin"
        | "Acos"
        | "Atan"
        | "Sinh"
        | "Cosh"
        | "Asinh"
        | "Acosh"
        | "Atanh"
        | "Abs"
        | "Sign"
        | "Not"
        | "Clip"
        | "Softplus"
        | "Softsign"
        | "LeakyRelu"
        | "Elu"
        | "Selu"
        | "Celu"
        | "Mish"
        | "Swish"
        | "HardSigmoid"
        | "HardSwish"
        | "ThresholdedRelu"
        | "Shrink"
        | "Floor"
        | "Ceil"
        | "Round"
        | "BitwiseNot"
        | "Softmax"
        | "LogSoftmax"
        | "Hardmax"
        | "Trilu"
        | "CumSum"
        | "ScatterElements"
        | "ScatterND"
        | "Scatter"
        | "LpNormalization"
        | "MeanVarianceNormalization"
        | "LRN"
        | "ReverseSequence"
        | "BatchNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "RotaryEmbedding" => elementwise::unary(call, None),
        "IsNaN" | "IsInf" => elementwise::unary(call, Some(DataType::Bool)),
        "Dropout" => dropout(call),
        "Identity" => elementwise::identity(call),
        "Cast" => elementwise::cast(call),
        "CastLike" => elementwise::cast_like(call),
        "MatMul" => product::matmul(call, 0, 1, None),
        "MatMulInteger" => product::matmul(call, 0, 1, Some(DataType::Int32)),
        "QLinearMatMul" => product::matmul(call, 0, 3, call.element(7)),
        "Gemm" => product::gemm(call),
        "Einsum" => product::einsum(call),
        "Transpose" => movement::transpose(call),
        "Reshape" => movement::reshape(call),
        "Flatten" => movement::flatten(call),
        "Unsqueeze" => movement::unsqueeze(call),
        "Squeeze" => movement::squeeze(call),
        "Expand" => movement::expand(call),
        "Concat" => movement::concat(call),
        "Split" => movement::split(call),
        "Tile" => movement::tile(call),
        "Pad" => movement::pad(call),
        "Slice" => slice::slice(call),
        "Gather" => gather::gather(call),
        "GatherElements" => gather::gather_elements(call),
        "GatherND" => gather::gather_nd(call),
        "OneHot" => gather::one_hot(call),
        "TopK" => gather::top_k(call),
        "NonZero" => gather::non_zero(call),
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare" => reduce::reduce(call),
        "ArgMax" | "ArgMin" => reduce::arg(call),
        "LayerNormalization" | "RMSNormalization" | "SimplifiedLayerNormalization" => reduce::normalisation(call),
        "SoftmaxCrossEntropyLoss" | "NegativeLogLikelihoodLoss" => reduce::loss(call),
        "Constant" => create::constant(call),
        "ConstantOfShape" => create::constant_of_shape(call),
        "Shape" => create::shape(call),
        "Size" => create::elements(call),
        "Range" => create::range(call),
        "EyeLike" | "RandomNormalLike" | "RandomUniformLike" | "Bernoulli" => create::like(call),
        "QuantizeLinear" => create::quantize(call),
        "DequantizeLinear" => create::dequantize(call),
        "DynamicQuantizeLinear" => create::dynamic_quantize(call),
        "Conv" => spatial::convolution(call),
        "MaxPool" | "AveragePool" | "LpPool" => spatial::pool(call),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => spatial::global_pool(call),
        _ => Ok(Vec::new()),
    }
}

fn microsoft(call: &Call<'_>) -> Outcome {
    match call.node.op_type.as_str() {
        "MatMulNBits" | "MatMulBnb4" => product::packed(call),
        "FusedMatMul" => product::fused_matmul(call),
        "DynamicQuantizeMatMul" | "MatMulIntegerToFloat" => product::matmul(call, 0, 1, Some(DataType::Float)),
        "Gelu" | "FastGelu" | "QuickGelu" | "BiasGelu" | "RotaryEmbedding" => elementwise::unary(call, None),
        "SkipLayerNormalization" | "SkipSimplifiedLayerNormalization" => reduce::skip_normalisation(call),
        "QuantizeLinear" => create::quantize(call),
        "DequantizeLinear" => create::dequantize(call),
        _ => Ok(Vec::new()),
    }
}

/// The value, and the mask of what was kept.
fn dropout(call: &Call<'_>) -> Outcome {
    let kept = elementwise::unary(call, None)?;
    let mask = elementwise::unary(call, Some(DataType::Bool))?;
    Ok([kept, mask].concat())
}
