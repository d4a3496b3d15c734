use proptest::prelude::*;

use super::*;

/// Tokens from `continuing` on continue a word.
fn index(documents: &[(&[u32], u32)], vocabulary: usize, continuing: usize) -> Index {
    let starts_word = (0..vocabulary).map(|token| token < continuing).collect();
    let mut builder = IndexBuilder::new(starts_word).unwrap();
    for (number, (tokens, cluster)) in documents.iter().enumerate() {
        builder.add(tokens, Document { cluster: *cluster, source: number as u32 }).unwrap();
    }
    builder.build()
}

/// Everything counts.
const OPEN: Rules =
    Rules { least_tokens: 1, rarest: 1.0, documents: usize::MAX, occurrences: usize::MAX, output: 1000 };

#[test]
fn a_quoted_sentence_credits_who_wrote_it() {
    let index = index(&[(&[1, 2, 3, 4, 5, 6], 0), (&[7, 8, 9, 1, 2], 1)], 20, 20);
    let spans = index.spans(&[19, 2, 3, 4, 5, 18, 7, 8, 9], &Rules { rarest: 1.0, ..Rules::default() });
    assert_eq!(spans.len(), 1);
    let span = &spans[0];
    assert_eq!((span.start, span.end, span.clusters), (1, 5, 1));
    assert_eq!(span.found, [Found { document: 0, at: 1, cluster: 0, source: 0 }]);
    // Token 2 stands twice among 11, the others once.
    assert!((span.credit - (4.0 * 11f64.ln() - 2f64.ln())).abs() < 1e-9);
    assert_eq!(credits(&spans).keys().copied().collect::<Vec<_>>(), [0]);
}

#[test]
fn duplicates_share_and_the_earliest_of_a_cluster_earns() {
    let text: &[u32] = &[1, 2, 3, 4, 5];
    let index = index(&[(&[9, 9], 9), (text, 4), (text, 4), (text, 7)], 20, 20);
    let spans = index.spans(text, &Rules { rarest: 1.0, ..Rules::default() });
    assert_eq!(spans[0].clusters, 2);
    assert_eq!(spans[0].found.iter().map(|found| found.document).collect::<Vec<_>>(), [1, 3]);
    assert!((spans[0].credit * 2.0 - spans[0].surprise).abs() < 1e-12);
}

#[test]
fn a_span_is_cut_to_whole_words() {
    // 10 and above continue a word: the corpus has "1 2+10 3 4 5+11", the output "1 2 3"...
    let index = index(&[(&[1, 2, 10, 3, 4, 5, 11], 0)], 20, 10);
    let whole = index.spans(&[2, 10, 3, 4, 5, 11], &OPEN);
    assert_eq!((whole[0].start, whole[0].end), (0, 6));
    // The output's word 5+12 is another one, so the span ends before it.
    let cut = index.spans(&[2, 10, 3, 4, 5, 12], &OPEN);
    assert_eq!((cut[0].start, cut[0].end), (0, 4));
    // The output's word ends at 5, the corpus's goes on: no match of whole words longer than what stands before.
    let other = index.spans(&[3, 4, 5, 1], &OPEN);
    assert_eq!(other.iter().map(|span| (span.start, span.end)).collect::<Vec<_>>(), [(0, 2), (3, 4)]);
}

#[test]
fn boilerplate_earns_about_nothing() {
    let common: &[u32] = &[1, 2, 3, 4];
    let mut documents: Vec<(&[u32], u32)> = (0..200).map(|cluster| (common, cluster)).collect();
    documents.push((&[5, 6, 7, 8], 200));
    let index = index(&documents, 20, 20);
    let spans = index.spans(&[1, 2, 3, 4, 5, 6, 7, 8], &OPEN);
    assert_eq!(spans.len(), 2);
    assert!(spans[0].credit < spans[1].credit / 500.0);
    let ten = index.spans(common, &Rules { rarest: 1.0, ..Rules::default() });
    assert_eq!((ten[0].found.len(), ten[0].clusters), (10, 200));
    assert!(index.spans(common, &Rules { occurrences: 100, ..OPEN }).is_empty());
}

#[test]
fn only_the_rarest_are_kept() {
    let index = index(&[(&[1, 2, 3, 4], 0), (&[5, 6, 7, 8], 1), (&[1, 1, 2, 2, 3, 4, 3, 4], 2)], 20, 20);
    let output = [1, 2, 3, 4, 19, 5, 6, 7, 8];
    let spans = index.spans(&output, &Rules::default());
    // A twentieth of nine tokens is one span, and the second is rarer.
    assert_eq!(spans.iter().map(|span| span.start).collect::<Vec<_>>(), [5]);
}

#[test]
fn a_longer_span_challenges_a_list() {
    let index = index(&[(&[1, 2, 3, 4, 5, 6], 0), (&[2, 3, 4, 5], 1)], 20, 20);
    let output = [1, 2, 3, 4, 5, 6];
    let rules = Rules { rarest: 1.0, ..Rules::default() };
    let honest = index.spans(&output, &rules);
    let short = Span { start: 1, end: 5, ..index.spans(&output[1..5], &rules)[0].clone() };
    assert!(index.verify(&output, &honest[0], &rules) && index.verify(&output, &short, &rules));
    assert!(index.challenges(&output, std::slice::from_ref(&short), &honest[0], &rules));
    assert!(!index.challenges(&output, &honest, &short, &rules));
    let greedy = Span { credit: 1e6, ..honest[0].clone() };
    assert!(!index.challenges(&output, &[short], &greedy, &rules));
    let outside = Span { start: 3, end: 99, ..honest[0].clone() };
    assert!(!index.verify(&output, &outside, &rules));
}

#[test]
fn tokens_outside_the_vocabulary_are_refused_in_a_corpus_and_harmless_in_an_output() {
    let mut builder = IndexBuilder::new(vec![true; 4]).unwrap();
    let document = Document { cluster: 0, source: 0 };
    assert_eq!(builder.add(&[4], document), Err(IndexError::Token { token: 4, vocabulary: 4 }));
    builder.add(&[1, 2], document).unwrap();
    let index = builder.build();
    assert_eq!((index.count(&[u32::MAX]), index.count(&[1, 2]), index.tokens()), (0, 1, 2));
    assert!(index.spans(&[u32::MAX, 9, 9, 9, 9], &OPEN).is_empty());
    assert_eq!(index.document(0), [1, 2]);
    assert!(IndexBuilder::new(vec![true; MAX_VOCABULARY + 1]).is_err());
}

#[test]
fn an_empty_corpus_has_no_spans() {
    let index = IndexBuilder::new(vec![true; 4]).unwrap().build();
    assert!(index.spans(&[1, 2, 3], &OPEN).is_empty());
    assert_eq!(Index::from_bytes(&index.to_bytes()).unwrap(), index);
}

#[test]
fn wide_vocabularies_survive_the_file() {
    let wide = index(&[(&[70_000, 3, 70_001], 0)], 80_000, 80_000);
    assert_eq!(Index::from_bytes(&wide.to_bytes()).unwrap(), wide);
    assert_eq!(wide.count(&[3, 70_001]), 1);
}

/// The naive search: every span of the output that stands as whole words somewhere, no other such span being around
/// it, when all tokens are words.
fn naive(documents: &[Vec<u32>], output: &[u32]) -> Vec<(usize, usize)> {
    let stands = |span: &[u32]| documents.iter().any(|tokens| tokens.windows(span.len()).any(|window| window == span));
    let mut all: Vec<(usize, usize)> = Vec::new();
    for start in 0..output.len() {
        for end in start + 1..=output.len() {
            if stands(&output[start..end]) {
                all.push((start, end));
            }
        }
    }
    let within = |a: &(usize, usize), b: &(usize, usize)| a != b && b.0 <= a.0 && a.1 <= b.1;
    all.iter().filter(|a| !all.iter().any(|b| within(a, b))).copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn spans_are_those_of_a_naive_search(
        documents in proptest::collection::vec(proptest::collection::vec(0u32..5, 0..15), 0..8),
        output in proptest::collection::vec(0u32..6, 0..15),
    ) {
        let given: Vec<(&[u32], u32)> =
            documents.iter().enumerate().map(|(at, tokens)| (&tokens[..], at as u32 / 2)).collect();
        let index = index(&given, 6, 6);
        let spans = index.spans(&output, &OPEN);
        let found: Vec<(usize, usize)> = spans.iter().map(|span| (span.start, span.end)).collect();
        prop_assert_eq!(found, naive(&documents, &output));
        for span in &spans {
            prop_assert!(index.verify(&output, span, &OPEN));
            let tokens = &output[span.start..span.end];
            let count: usize = documents
                .iter()
                .map(|document| document.windows(tokens.len()).filter(|window| *window == tokens).count())
                .sum();
            prop_assert_eq!(index.count(tokens), count);
            for found in &span.found {
                let own = &documents[found.document as usize][found.at as usize..];
                prop_assert_eq!(&own[..tokens.len()], tokens);
                // Nobody of the cluster said it earlier.
                let earlier = documents[..found.document as usize].iter().enumerate();
                for (at, document) in earlier.filter(|(at, _)| *at as u32 / 2 == found.cluster) {
                    prop_assert!(!document.windows(tokens.len()).any(|window| window == tokens), "{}", at);
                }
            }
        }
    }

    #[test]
    fn an_index_survives_its_file_and_damage_is_noticed(
        documents in proptest::collection::vec(proptest::collection::vec(0u32..5, 1..10), 1..5),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let given: Vec<(&[u32], u32)> = documents.iter().map(|tokens| (&tokens[..], 0)).collect();
        let index = index(&given, 5, 3);
        let mut bytes = index.to_bytes();
        prop_assert_eq!(&Index::from_bytes(&bytes).unwrap(), &index);
        let at = at.index(bytes.len());
        prop_assert!(Index::from_bytes(&bytes[..at]).is_err());
        bytes[at] = byte;
        // What is read in spite of the damage is at least an index.
        if let Ok(read) = Index::from_bytes(&bytes) {
            let _ = read.spans(&[0, 1, 2, 3, 4], &OPEN);
        }
    }

    #[test]
    fn garbage_is_never_an_index(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Index::from_bytes(&bytes).is_err());
    }
}
