//! The cosine of the query with every vector of a scope: exact, because a receipt must be, and fast enough: it reads
//! memory in order on all cores (a graph index would answer approximately, and differently on every node).

use rayon::prelude::*;

use super::RetrievalError;
use super::scope::Scope;
use super::space::Extent;
use super::vectors::{VectorFile, blocks};
use crate::Embedding;

/// Running sums that do not wait for one another; the compiler turns them into vector instructions. Their number
/// fixes the order of additions, and so the result to the bit on every machine.
const LANES: usize = 16;

/// The cosine of each document of the scope with `query`, by position.
pub(super) fn cosines(vectors: &VectorFile, scope: &Scope, query: &Embedding) -> Result<Vec<f32>, RetrievalError> {
    let mut cosines = vec![0f32; scope.documents as usize];
    let mut rest = cosines.as_mut_slice();
    let mut pieces: Vec<(Extent, &mut [f32])> = Vec::new();
    for rows in scope.runs().iter().flat_map(|run| blocks(run.rows)) {
        let (piece, behind) = rest.split_at_mut(rows.count as usize);
        pieces.push((rows, piece));
        rest = behind;
    }
    let width = query.dimensions() * size_of::<f32>();
    pieces.into_par_iter().try_for_each_init(Vec::new, |buffer, (rows, out)| {
        let block = vectors.read(rows, buffer)?;
        for (row, cosine) in block.chunks_exact(width.max(1)).zip(out) {
            *cosine = dot(row, query.as_slice());
        }
        Ok::<_, std::io::Error>(())
    })?;
    Ok(cosines)
}

fn dot(row: &[u8], query: &[f32]) -> f32 {
    let (row_chunks, row_rest) = row.as_chunks::<{ 4 * LANES }>();
    let (query_chunks, query_rest) = query.as_chunks::<LANES>();
    let mut sums = [0f32; LANES];
    for (values, numbers) in row_chunks.iter().zip(query_chunks) {
        let (values, _) = values.as_chunks::<4>();
        for lane in 0..LANES {
            sums[lane] += f32::from_le_bytes(values[lane]) * numbers[lane];
        }
    }
    let (values, _) = row_rest.as_chunks::<4>();
    let rest: f32 = values.iter().zip(query_rest).map(|(value, number)| f32::from_le_bytes(*value) * number).sum();
    sums.iter().sum::<f32>() + rest
}
