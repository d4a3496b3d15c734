//! The data behind a model, to find in it what a written answer repeats word for word.
//!
//! Words are the tokens here, not the model's: every node finds the same, whatever model wrote, and a match is a match of
//! whole words.

use std::collections::HashMap;

use datanet_data::corpus::Record;
use datanet_data::judge::{DuplicateIndex, RecordRef};
use datanet_training::span::{Document, Index, IndexBuilder, MAX_VOCABULARY, Rules, Span};
use datanet_types::Ppm;
use datanet_types::receipt::SpanMatch;

use crate::error::{Code, ServiceError, ServiceResult};

/// The data behind a model, in which any stretch of words is found at once.
#[derive(Debug)]
pub struct Corpus {
    index: Index,
    words: HashMap<String, u32>,
    /// The record of each document.
    documents: Vec<RecordRef>,
}

impl Corpus {
    /// Over records in the order in which they became final.
    ///
    /// # Errors
    /// When there are more words than an index holds ([`Code::BadCorpus`]).
    pub fn build(records: Vec<(RecordRef, Record)>) -> ServiceResult<Self> {
        let failed = |error: datanet_training::span::IndexError| ServiceError::new(Code::BadCorpus, error.to_string());
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let mut tokens = Vec::new();
        for (_, record) in &records {
            let mut line = Vec::new();
            for (word, _) in words(record.text()) {
                // What is rarer than the millionth word is never matched.
                let next = u32::try_from(numbers.len().min(MAX_VOCABULARY.saturating_sub(2))).unwrap_or(u32::MAX);
                line.push(*numbers.entry(word.to_owned()).or_insert(next));
            }
            tokens.push(line);
        }
        // One number more, for words that the corpus does not have.
        let vocabulary = numbers.len().min(MAX_VOCABULARY.saturating_sub(1)).saturating_add(1);
        let mut builder = IndexBuilder::new(vec![true; vocabulary]).map_err(failed)?;
        let clusters = clusters(&records);
        for (line, cluster) in tokens.iter().zip(clusters) {
            builder.add(line, Document { cluster, source: 0 }).map_err(failed)?;
        }
        let documents = records.into_iter().map(|(at, _)| at).collect();
        Ok(Self { index: builder.build(), words: numbers, documents })
    }

    /// Matches with their credits, in the order of the answer.
    pub fn matches(&self, answer: &str) -> Vec<(SpanMatch, f64)> {
        let words: Vec<(&str, usize)> = words(answer).collect();
        let unknown = u32::try_from(self.words.len().min(MAX_VOCABULARY.saturating_sub(1))).unwrap_or(u32::MAX);
        let tokens: Vec<u32> =
            words.iter().map(|(word, _)| self.words.get(*word).copied().unwrap_or(unknown)).collect();
        let spans = self.index.spans(&tokens, &Rules::default());
        spans.iter().flat_map(|span| self.named(span, &words)).collect()
    }

    fn named<'a>(&'a self, span: &'a Span, words: &'a [(&str, usize)]) -> impl Iterator<Item = (SpanMatch, f64)> + 'a {
        let start = words.get(span.start).map(|(_, at)| *at);
        let end =
            span.end.checked_sub(1).and_then(|last| words.get(last)).map(|(word, at)| at.saturating_add(word.len()));
        let place = |at: usize| u32::try_from(at).ok();
        span.found.iter().filter_map(move |found| {
            let record = self.documents.get(found.document as usize)?;
            let (start, end) = (place(start?)?, place(end?)?);
            let (contribution, record) = (record.contribution, record.record);
            Some((SpanMatch { start, end, contribution, record, weight: Ppm::ZERO }, span.credit))
        })
    }
}

/// The cluster of near copies of each record: the number of its first member.
fn clusters(records: &[(RecordRef, Record)]) -> Vec<u32> {
    let mut duplicates = DuplicateIndex::new();
    let mut places = HashMap::new();
    for (place, (at, _)) in records.iter().enumerate() {
        places.insert(*at, u32::try_from(place).unwrap_or(u32::MAX));
    }
    for contribution in records.chunk_by(|(a, _), (b, _)| a.contribution == b.contribution) {
        let Some((first, _)) = contribution.first() else { continue };
        let batch: Vec<(u64, Record)> = contribution.iter().map(|(at, record)| (at.record, record.clone())).collect();
        let nothing: Vec<[f32; 0]> = vec![[]; batch.len()];
        duplicates.add(first.contribution, &batch, &nothing);
    }
    let leader = |at: &RecordRef| duplicates.owner(at).and_then(|owner| places.get(&owner).copied());
    records.iter().map(|(at, _)| leader(at).or_else(|| places.get(at).copied()).unwrap_or_default()).collect()
}

/// Words and punctuation marks with the byte at which they begin; white space only parts them.
fn words(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let kind = |c: char| if c.is_alphanumeric() { 2 } else { u8::from(!c.is_whitespace()) };
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        loop {
            let (start, first) = rest.next()?;
            let mut end = start.saturating_add(first.len_utf8());
            if kind(first) == 0 {
                continue;
            }
            while let Some((at, next)) = rest.next_if(|(_, next)| kind(first) == 2 && kind(*next) == 2) {
                end = at.saturating_add(next.len_utf8());
            }
            return text.get(start..end).map(|word| (word, start));
        }
    })
}

#[cfg(test)]
mod tests {
    use datanet_types::ContributionId;

    use super::*;

    #[test]
    fn text_is_cut_into_words_and_marks() {
        let cut: Vec<_> = words("Don't stop, élan!").collect();
        let expected = [("Don", 0), ("'", 3), ("t", 4), ("stop", 6), (",", 10), ("élan", 12), ("!", 17)];
        assert_eq!(cut, expected);
    }

    #[test]
    fn what_is_repeated_names_the_record_that_said_it_first() {
        let schema = {
            let mut schema = datanet_types::schema::Schema::text_and_label(&[]);
            schema.fields.truncate(1);
            schema
        };
        let texts = [
            "Tawny owls call through the wet forest long after dark in late autumn evenings everywhere.",
            "Something about rivers that has nothing to do with birds of any kind at all.",
            "Tawny owls call through the wet forest long after dark in late autumn evenings everywhere!",
        ];
        let record = |(n, text): (u8, &&str)| {
            let json = serde_json::json!({ "text": text }).to_string();
            (RecordRef { contribution: ContributionId([n; 32]), record: 0 }, Record::from_json(&json, &schema).unwrap())
        };
        let corpus = Corpus::build((1..).zip(&texts).map(record).collect()).unwrap();
        let answer = "I heard that tawny owls call through the wet forest long after dark, mostly.";
        let found = corpus.matches(answer);
        assert_eq!(found.len(), 1, "{found:?}");
        let span = &found[0].0;
        assert_eq!(&answer[span.start as usize..span.end as usize], "owls call through the wet forest long after dark");
        assert_eq!(span.contribution, ContributionId([1; 32]));
        assert!(corpus.matches("nothing of this is known anywhere").is_empty());
    }
}
