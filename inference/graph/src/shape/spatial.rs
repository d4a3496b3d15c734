//! Convolutions and pooling over the axes after batch and channels.

use super::extent::Extent;
use super::fact::{Call, Fact, Outcome};

/// `Conv`: input 1 is the kernel, `[out, in/groups, ..]`.
pub(super) fn convolution(call: &Call<'_>) -> Outcome {
    let (Some([batch, _, space @ ..]), Some([channels, _, kernel @ ..])) = (call.shape(0), call.shape(1)) else {
        return Ok(vec![Fact::new(call.element(0), None)]);
    };
    let kernel: Option<Vec<i64>> = kernel.iter().map(Extent::number).collect();
    let shape = [&[batch.clone(), channels.clone()][..], &windows(call, space, kernel.as_deref())].concat();
    Ok(vec![Fact::new(call.element(0), Some(shape))])
}

/// `MaxPool`, `AveragePool` and `LpPool`.
pub(super) fn pool(call: &Call<'_>) -> Outcome {
    let Some([batch, channels, space @ ..]) = call.shape(0) else { return Ok(vec![Fact::new(call.element(0), None)]) };
    let shape =
        [&[batch.clone(), channels.clone()][..], &windows(call, space, call.node.ints("kernel_shape"))].concat();
    Ok(vec![Fact::new(call.element(0), Some(shape))])
}

/// `GlobalAveragePool` and its kin: every axis of space becomes 1.
pub(super) fn global_pool(call: &Call<'_>) -> Outcome {
    let one = |(axis, extent): (usize, &Extent)| if axis < 2 { extent.clone() } else { Extent::known(1) };
    Ok(vec![Fact::new(call.element(0), call.shape(0).map(|shape| shape.iter().enumerate().map(one).collect()))])
}

fn windows(call: &Call<'_>, space: &[Extent], kernel: Option<&[i64]>) -> Vec<Extent> {
    let window = |axis: usize| places(call, space[axis].number()?, *kernel?.get(axis)?, axis, space.len());
    (0..space.len()).map(|axis| window(axis).map_or_else(|| call.fresh(0, axis + 2), Extent::known)).collect()
}

/// Places of a kernel along one axis.
fn places(call: &Call<'_>, length: i64, kernel: i64, axis: usize, axes: usize) -> Option<i64> {
    let at = |name: &str, position: usize, default: i64| {
        call.node.ints(name).map_or(Some(default), |list| list.get(position).copied())
    };
    let (stride, dilation) = (at("strides", axis, 1)?, at("dilations", axis, 1)?);
    let (before, after) = (at("pads", axis, 0)?, at("pads", axis + axes, 0)?);
    let up = call.int("ceil_mode", 0) != 0;
    if stride <= 0 {
        return None;
    }
    let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
    match call.node.text("auto_pad").unwrap_or("NOTSET") {
        "SAME_UPPER" | "SAME_LOWER" => Some((length.checked_add(stride)? - 1) / stride),
        "VALID" => (length.checked_sub(reach)? / stride).checked_add(1),
        "NOTSET" => {
            let free = length.checked_add(before)?.checked_add(after)?.checked_sub(reach)?;
            let steps = if up { (free.checked_add(stride)? - 1) / stride } else { free / stride };
            // With rounding up, a window that would begin in the padding after the end does not count.
            let last = up && steps.checked_mul(stride)? >= length.checked_add(before)?;
            steps.checked_add(1)?.checked_sub(i64::from(last))
        }
        _ => None,
    }
}
