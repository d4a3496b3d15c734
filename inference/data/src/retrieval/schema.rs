//! How documents look to tantivy.

use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{
    AsciiFoldingFilter, LowerCaser, RemoveLongFilter, SimpleTokenizer, TextAnalyzer, TokenStream,
};

/// The name under which the tokenizer is registered with tantivy.
pub(super) const TOKENIZER: &str = "datanet";
/// Longer runs of letters and digits are no words: hashes, encoded data.
const LONGEST_TERM_BYTES: usize = 64;
/// Terms of a query beyond this many different ones are not looked up.
const QUERY_TERMS: usize = 256;

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

/// Words of any language: runs of letters and digits, lower case, without accents. No stemming, because a datanet's
/// language is not known here; the semantic leg covers inflection.
pub(super) fn tokenizer() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(LONGEST_TERM_BYTES))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build()
}

/// How many terms `text` has.
pub(super) fn count_terms(analyzer: &mut TextAnalyzer, text: &str) -> u64 {
    let mut terms = 0;
    analyzer.token_stream(text).process(&mut |_| terms += 1);
    terms
}

/// The different terms of a query, in order. There is no query syntax, so there is no text that fails to parse.
pub(super) fn query_terms(text: &str) -> Vec<String> {
    let mut analyzer = tokenizer();
    let mut stream = analyzer.token_stream(text);
    let mut terms: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    while terms.len() < QUERY_TERMS && stream.advance() {
        let term = &stream.token().text;
        if seen.insert(term.clone()) {
            terms.push(term.clone());
        }
    }
    terms
}
