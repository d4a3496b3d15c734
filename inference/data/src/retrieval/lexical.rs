//! BM25 over exactly the documents of a scope, in integers.
//!
//! Robertson and Zaragoza, *The Probabilistic Relevance Framework: BM25 and Beyond* (2009), with k1 = 1.2, b = 0.75 and
//! the inverse document frequency that is never negative:
//!
//! ```text
//! score(d) = sum over terms t of  idf(t) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * len(d) / avg_len))
//! idf(t)   = log2(1 + (N - df + 1/2) / (df + 1/2)) = log2((2N + 2) / (2df + 1))
//! ```
//!
//! N, df and avg_len count the scope's documents only. Fixed point with 16 fractional bits throughout.

use tantivy::postings::Postings;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, SegmentReader, TERMINATED, Term};

use super::RetrievalError;
use super::schema::{LENGTH, ROW};
use super::scope::Scope;
use super::view::View;

/// Fractional bits of a score.
pub(super) const FRACTION_BITS: u32 = 16;

/// A term in a document of the scope.
struct Occurrence {
    position: u32,
    frequency: u32,
    length: u64,
}

/// The score of each document of the scope, by position; zero where no term occurs.
pub(super) fn bm25(view: &View, scope: &Scope, terms: &[String]) -> Result<Vec<u32>, RetrievalError> {
    let mut scores = vec![0u32; scope.documents as usize];
    if scope.documents == 0 || scope.terms == 0 {
        return Ok(scores);
    }
    let average = (u128::from(scope.terms) << FRACTION_BITS) / u128::from(scope.documents);
    let mut occurrences = Vec::new();
    for text in terms {
        let term = Term::from_field_text(view.fields.text, text);
        occurrences.clear();
        for segment in view.searcher.segment_readers() {
            collect(view, scope, segment, &term, &mut occurrences)?;
        }
        let idf = inverse_document_frequency(u64::from(scope.documents), occurrences.len() as u64);
        for found in &occurrences {
            if let Some(score) = scores.get_mut(found.position as usize) {
                *score = score.saturating_add(contribution(idf, found, average));
            }
        }
    }
    Ok(scores)
}

fn collect(
    view: &View,
    scope: &Scope,
    segment: &SegmentReader,
    term: &Term,
    occurrences: &mut Vec<Occurrence>,
) -> Result<(), RetrievalError> {
    let index = segment.inverted_index(view.fields.text)?;
    let Some(mut postings) = index.read_postings(term, IndexRecordOption::WithFreqs)? else { return Ok(()) };
    let rows = segment.fast_fields().column_first_or_default::<u64>(ROW)?;
    let lengths = segment.fast_fields().column_first_or_default::<u64>(LENGTH)?;
    let mut document = postings.doc();
    while document != TERMINATED {
        // A deleted record's row may be another's by now.
        if !segment.is_deleted(document)
            && let Some(position) = scope.position(rows.get_val(document))
        {
            let (frequency, length) = (postings.term_freq(), lengths.get_val(document));
            occurrences.push(Occurrence { position, frequency, length });
        }
        document = postings.advance();
    }
    Ok(())
}

/// One term's part of a score. With avg_len > 0, `1.2 * (0.25 + 0.75 * len / avg) = (3 + 9 * len / avg) / 10`.
fn contribution(idf: u64, found: &Occurrence, average: u128) -> u32 {
    let frequency = u128::from(found.frequency) << FRACTION_BITS;
    let relative_length = (u128::from(found.length) << (2 * FRACTION_BITS)) / average.max(1);
    let saturation = ((3 << FRACTION_BITS) + 9 * relative_length) / 10;
    let score = u128::from(idf) * frequency * 22 / (10 * (frequency + saturation)).max(1);
    u32::try_from(score).unwrap_or(u32::MAX)
}

fn inverse_document_frequency(documents: u64, with_term: u64) -> u64 {
    let numerator = 2 * u128::from(documents) + 2;
    let denominator = 2 * u128::from(with_term) + 1;
    log2((numerator << 32) / denominator)
}

/// The logarithm of a number of at least 1 with 32 fractional bits, by repeated squaring: exact to the last bit it
/// gives on every machine, which a library's `f64::ln` is not bound to be.
fn log2(value: u128) -> u64 {
    let whole = (127 - value.max(1).leading_zeros()).saturating_sub(32);
    let mut mantissa = value >> whole;
    let mut result = u64::from(whole);
    for _ in 0..FRACTION_BITS {
        mantissa = (mantissa * mantissa) >> 32;
        let bit = u32::from(mantissa >= 2 << 32);
        mantissa >>= bit;
        result = (result << 1) | u64::from(bit);
    }
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_follow_the_formula(
            documents in 1u64..5_000_000,
            share in 0.0f64..1.0,
            frequency in 1u32..200,
            length in 1u64..20_000,
            average in 0.5f64..20_000.0,
        ) {
            let with_term = (documents as f64 * share) as u64;
            let idf = (1.0 + (documents as f64 - with_term as f64 + 0.5) / (with_term as f64 + 0.5)).log2();
            let tf = f64::from(frequency);
            let expected = idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length as f64 / average));
            let found = Occurrence { position: 0, frequency, length };
            let score = contribution(inverse_document_frequency(documents, with_term), &found, (average * 65536.0) as u128);
            prop_assert!((f64::from(score) / 65536.0 - expected).abs() < 1e-3, "{score} {expected}");
        }
    }
}
