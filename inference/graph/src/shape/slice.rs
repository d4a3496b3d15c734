//! `Slice`: sizes of ranges whose ends may depend on symbols.

use super::extent::Extent;
use super::fact::{Call, Fact, Outcome};

/// Ends at or beyond this mean "to the end".
const FAR: i64 = i32::MAX as i64;

/// One range: `None` where a number is not known.
struct Cut {
    axis: usize,
    start: Option<Extent>,
    end: Option<Extent>,
    step: Option<i64>,
}

/// `Slice`.
pub(super) fn slice(call: &Call<'_>) -> Outcome {
    let Some(shape) = call.shape(0) else { return Ok(vec![Fact::new(call.element(0), None)]) };
    let Some(cuts) = cuts(call, shape.len())? else {
        return Ok(vec![Fact::new(call.element(0), Some(call.fresh_shape(0, shape.len())))]);
    };
    let mut result = shape.to_vec();
    for cut in &cuts {
        result[cut.axis] = length(&shape[cut.axis], cut).unwrap_or_else(|| call.fresh(0, cut.axis));
    }
    let entries = match (call.entries(0), cuts.as_slice()) {
        (Some(entries), [cut]) if shape.len() == 1 => picked(entries, cut),
        _ => None,
    };
    Ok(vec![Fact::new(call.element(0), Some(result)).with(entries)])
}

/// The ranges, from inputs or, in old operator sets, attributes; `None` where it is not known which axes are cut.
fn cuts(call: &Call<'_>, rank: usize) -> Result<Option<Vec<Cut>>, String> {
    let list = |input: usize, attribute: &str| -> Option<Vec<Option<Extent>>> {
        if call.has(input) {
            return call.entries(input).map(<[_]>::to_vec);
        }
        Some(call.node.ints(attribute)?.iter().map(|&number| Some(Extent::known(number))).collect())
    };
    let (starts, ends) = (list(1, "starts"), list(2, "ends"));
    // Bounds of unknown value still say how many axes are cut.
    let bounds = |input: usize| call.fact(input).and_then(Fact::count);
    let count = starts.as_ref().map(Vec::len).or_else(|| bounds(1)).or_else(|| bounds(2));
    let (Some(count), Some(axes), Some(steps)) = (count, call.numbers(3, "axes"), call.numbers(4, "steps")) else {
        return Ok(None);
    };
    let axes = axes.unwrap_or_else(|| (0..count as i64).collect());
    let at = |list: &Option<Vec<Option<Extent>>>, position: usize| list.as_ref()?.get(position)?.clone();
    let cut = |(position, &axis): (usize, &i64)| {
        Ok(Cut {
            axis: Call::axis(axis, rank)?,
            start: at(&starts, position),
            end: at(&ends, position),
            step: steps.as_ref().map_or(Some(1), |steps| steps.get(position).copied()),
        })
    };
    axes.iter().enumerate().map(cut).collect::<Result<Vec<_>, String>>().map(Some)
}

fn length(whole: &Extent, cut: &Cut) -> Option<Extent> {
    let (start, end, step) = (cut.start.as_ref()?, cut.end.as_ref()?, cut.step?);
    if let (Some(whole), Some(start), Some(end)) = (whole.number(), start.number(), end.number()) {
        return Some(Extent::known(positions(whole, start, end, step)?.1));
    }
    match (start.number(), end.number(), step) {
        // All of it, backwards.
        (Some(-1 | FAR..), Some(end), -1) if end <= -FAR => Some(whole.clone()),
        (Some(start @ 0..), Some(FAR..), 1) => whole.sub(&Extent::known(start))?.if_size(),
        (Some(-1), Some(FAR..), 1) => Some(Extent::known(1)),
        (Some(start @ 0..), Some(end), 1) if end < 0 => whole.add(&Extent::known(end.checked_sub(start)?))?.if_size(),
        // A symbolic bound is a position inside: beyond the end the graph would not run.
        (Some(start @ 0..), None, 1) if end == whole || whole.number().is_some() => end.sub(&Extent::known(start)),
        (None, None, 1) if end == whole || whole.number().is_some() => end.sub(start),
        (None, Some(FAR..), 1) => whole.sub(start),
        _ => None,
    }
}

/// First position and number of positions of a range over `whole` elements; `None` for a step of 0.
fn positions(whole: i64, start: i64, end: i64, step: i64) -> Option<(i64, i64)> {
    if whole < 0 {
        return None;
    }
    let absolute = |position: i64| if position < 0 { position.saturating_add(whole) } else { position };
    let (start, end) = (absolute(start), absolute(end));
    match step {
        0 => None,
        1.. => {
            let (start, end) = (start.clamp(0, whole), end.clamp(0, whole));
            let span = u64::try_from(end - start).unwrap_or(0);
            Some((start, span.div_ceil(step.unsigned_abs()) as i64))
        }
        _ => {
            let (start, end) = (start.clamp(-1, whole - 1), end.clamp(-1, whole - 1));
            let span = u64::try_from(start - end).unwrap_or(0);
            Some((start, span.div_ceil(step.unsigned_abs()) as i64))
        }
    }
}

fn picked(entries: &[Option<Extent>], cut: &Cut) -> Option<Vec<Option<Extent>>> {
    let (start, end, step) = (cut.start.as_ref()?.number()?, cut.end.as_ref()?.number()?, cut.step?);
    let (first, count) = positions(i64::try_from(entries.len()).ok()?, start, end, step)?;
    (0..count).map(|at| entries.get(usize::try_from(first + at * step).ok()?).cloned()).collect()
}
