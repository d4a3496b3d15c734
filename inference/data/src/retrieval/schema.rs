//! How documents look to tantivy.

use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer};

use crate::words::{each_compared, each_word};

/// The name under which the tokenizer is registered with tantivy.
pub(super) const TOKENIZER: &str = "datanet";
/// Terms of a query beyond this many different ones are not looked up: a page of text, in any script.
const QUERY_TERMS: usize = 1024;

/// Names of the columns.
pub(super) const ROW: &str = "row";
pub(super) const LENGTH: &str = "length";

/// Records have all fields but `manifest`; manifests have `contribution` and `manifest`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// Id of the contribution, raw bytes.
    pub(super) contribution: Field,
    /// Position of the record in the contribution.
    pub(super) record: Field,
    /// Row of its vector, and the number under which its text is found again.
    pub(super) row: Field,
    /// Tokens of its text, counted exactly; tantivy's own field norm is rounded.
    pub(super) length: Field,
    /// The text.
    pub(super) text: Field,
    /// The label.
    pub(super) label: Field,
    /// Marks a manifest by the term 1.
    pub(super) sealed: Field,
    /// The manifest, as JSON.
    pub(super) manifest: Field,
}

/// The schema and its fields.
pub(super) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    // Frequencies without positions: there are no phrase queries, and positions would double the postings.
    let terms = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::WithFreqs)
        .set_fieldnorms(false);
    let fields = Fields {
        contribution: builder.add_bytes_field("contribution", INDEXED | STORED),
        record: builder.add_u64_field("record", STORED),
        row: builder.add_u64_field(ROW, INDEXED | FAST),
        length: builder.add_u64_field(LENGTH, FAST),
        text: builder.add_text_field("text", TextOptions::default().set_indexing_options(terms).set_stored()),
        label: builder.add_text_field("label", STORED),
        sealed: builder.add_u64_field("sealed", INDEXED),
        manifest: builder.add_bytes_field("manifest", STORED),
    };
    (builder.build(), fields)
}

/// Words of any language and script (`crate::words`). No stemming, because a datanet's language is not known here; the
/// semantic leg covers inflection.
pub(super) fn tokenizer() -> TextAnalyzer {
    TextAnalyzer::from(WordTokenizer::default())
}

/// Our words, as tantivy takes them.
#[derive(Clone, Default)]
pub(super) struct WordTokenizer {
    tokens: Vec<Token>,
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.tokens.clear();
        each_word(text, |word| {
            self.tokens.push(Token {
                offset_from: word.range.start,
                offset_to: word.range.end,
                position: self.tokens.len(),
                text: word.text.to_owned(),
                position_length: 1,
            });
        });
        WordStream { tokens: &mut self.tokens, next: 0 }
    }
}

/// The words of one text.
pub(super) struct WordStream<'a> {
    tokens: &'a mut Vec<Token>,
    next: usize,
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        self.next += 1;
        self.next <= self.tokens.len()
    }

    fn token(&self) -> &Token {
        &self.tokens[self.next - 1]
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.tokens[self.next - 1]
    }
}

/// How many terms `text` has.
pub(super) fn count_terms(analyzer: &mut TextAnalyzer, text: &str) -> u64 {
    let mut terms = 0;
    analyzer.token_stream(text).process(&mut |_| terms += 1);
    terms
}

/// The different terms of a query, in order. There is no query syntax, so there is no text that fails to parse. Of words
/// without blanks the pairs are looked up, which say more than their single characters.
pub(super) fn query_terms(text: &str) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let mut terms: Vec<String> = Vec::new();
    each_compared(text, |term| {
        if terms.len() < QUERY_TERMS && !seen.contains(term) {
            seen.insert(term.to_owned());
            terms.push(term.to_owned());
        }
    });
    terms
}
