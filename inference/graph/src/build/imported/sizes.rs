//! How wide an ONNX file's output is, how many tokens it knows, and how long a text may be.

use std::collections::HashSet;

use super::ExportConfig;
use super::signature::{Reading, Signature, TOKEN_TYPES, unusable};
use crate::build::{ATTENTION_MASK, BuildError, INPUT_IDS};
use crate::model::Index;
use crate::onnx::{ModelProto, NodeProto};
use crate::shape::{Shapes, Size};

/// Longest input where nothing says what it is: what most encoders take.
const USUAL_POSITIONS: usize = 512;

/// Tables of no more rows are of token types, not of positions.
const MAX_TOKEN_TYPES: usize = 4;

/// The row of padding in a table of positions that counts from behind it, where `config.json` does not say.
const USUAL_PADDING: usize = 1;

/// What has been found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Numbers in what is read for each text.
    pub width: usize,
    /// Tokens known; `usize::MAX` where no table shows it.
    pub vocabulary: usize,
    /// Longest input in tokens.
    pub positions: usize,
}

impl Sizes {
    pub(super) fn of(
        model: &ModelProto,
        shapes: &Shapes,
        signature: &Signature,
        config: &ExportConfig,
    ) -> Result<Self, BuildError> {
        let graph = model.graph.as_ref().ok_or(crate::GraphError::NoGraph)?;
        let tables = Tables::of(&Index::new(graph)?, shapes);
        let padding = config.pad_token_id.unwrap_or(USUAL_PADDING);
        let found = tables.positions(padding);
        let positions = found.into_iter().chain(config.max_position_embeddings).min().unwrap_or(USUAL_POSITIONS);
        let vocabulary = tables.words.iter().map(|(rows, _)| *rows).min().unwrap_or(usize::MAX);
        Ok(Self { width: width(shapes, signature, config)?, vocabulary, positions })
    }
}

/// Classes of a classifier at most, as many as a release can name.
const MAX_CLASSES: usize = 1_024;

/// Numbers in a vector at most.
const MAX_WIDTH: usize = 1 << 16;

/// The last size of the output, or what `config.json` says of one that is not known.
fn width(shapes: &Shapes, signature: &Signature, config: &ExportConfig) -> Result<usize, BuildError> {
    let output = signature.reading.output();
    let last = shapes.get(output).and_then(|known| known.shape.as_ref()?.last().cloned());
    let known = match last {
        Some(Size::Known(size)) => usize::try_from(size).ok().filter(|&size| size > 0),
        _ => None,
    };
    match (known, config.hidden_size, &signature.reading) {
        (Some(known), Some(said), Reading::Tokens(_)) if known != said => {
            Err(unusable(format!("its output {output} is {known} numbers wide, hidden_size of config.json is {said}")))
        }
        (Some(known), _, Reading::Logits(_)) if known > MAX_CLASSES => {
            Err(unusable(format!("it has {known} classes, more than {MAX_CLASSES}")))
        }
        (Some(known), ..) if known > MAX_WIDTH => {
            Err(unusable(format!("its output {output} is {known} numbers wide, more than {MAX_WIDTH}")))
        }
        (Some(known), ..) => Ok(known),
        (None, Some(said), Reading::Tokens(_)) => Ok(said),
        (None, _, Reading::Logits(_)) if !config.id2label.is_empty() => Ok(config.id2label.len()),
        (None, ..) => {
            Err(unusable(format!("it does not say how wide its output {output} is; export it with that size fixed")))
        }
    }
}

/// The tables of vectors that tokens and positions are looked up in, as (rows, columns).
#[derive(Debug, Default)]
struct Tables {
    words: Vec<(usize, usize)>,
    /// Those with rows for each place.
    places: Vec<(usize, usize)>,
    /// Those whose rows are counted from the tokens themselves, as RoBERTa does: it keeps the rows up to that of its
    /// padding token to itself.
    counted: Vec<(usize, usize)>,
}

impl Tables {
    fn of(index: &Index<'_>, shapes: &Shapes) -> Self {
        let direct = reached(index, INPUT_IDS, |node| ["Cast", "Identity", "Reshape"].contains(&node.op_type.as_str()));
        let carries = |node: &NodeProto| !["Shape", "Size"].contains(&node.op_type.as_str());
        let tokens = reached(index, INPUT_IDS, carries);
        let kinds = reached(index, TOKEN_TYPES, carries);
        let mut varying = tokens.clone();
        varying.extend(reached(index, ATTENTION_MASK, carries));
        varying.extend(&kinds);
        let table = |name: &String| {
            let sizes = shapes.get(name).filter(|_| !varying.contains(name.as_str()))?.shape.as_ref()?;
            let [Size::Known(rows), Size::Known(columns)] = sizes.as_slice() else { return None };
            Some((usize::try_from(*rows).ok()?, usize::try_from(*columns).ok()?))
        };
        let mut tables = Self::default();
        for node in index.order().iter().map(|&position| index.node(position)) {
            let of = |input: usize| node.input.get(input).and_then(table);
            match (node.op_type.as_str(), node.input.get(1).map(String::as_str)) {
                ("EmbedLayerNormalization", _) => {
                    tables.words.extend(of(2));
                    tables.places.extend(of(3));
                }
                ("Gather", Some(rows)) if node.int("axis").unwrap_or(0) == 0 => {
                    let tables = match rows {
                        rows if direct.contains(rows) => &mut tables.words,
                        rows if kinds.contains(rows) => continue,
                        rows if tokens.contains(rows) => &mut tables.counted,
                        _ => &mut tables.places,
                    };
                    tables.extend(of(0));
                }
                ("Slice", _) => {
                    tables.places.extend(of(0).map(|(rows, columns)| (rows - start(node, shapes).min(rows), columns)))
                }
                _ => {}
            }
        }
        tables
    }

    /// The longest input that a table of positions has rows for. Such a table is as wide as the tokens' own.
    fn positions(&self, padding: usize) -> Option<usize> {
        let wide = |(rows, columns): &&(usize, usize)| {
            *rows > MAX_TOKEN_TYPES && self.words.iter().any(|(_, width)| width == columns)
        };
        let places = self.places.iter().filter(wide).map(|(rows, _)| *rows);
        let counted = self.counted.iter().filter(wide).map(|(rows, _)| rows.saturating_sub(padding.saturating_add(1)));
        places.chain(counted).filter(|&rows| rows > 0).max()
    }
}

/// The first row that a slice takes, where it is known.
fn start(node: &NodeProto, shapes: &Shapes) -> usize {
    let given = node.input.get(1).and_then(|starts| shapes.integers(starts)).or_else(|| node.ints("starts"));
    given.and_then(|starts| usize::try_from(*starts.first()?).ok()).unwrap_or(0)
}

/// Names of the values that depend on an input, itself included, through nodes that `passes` takes.
fn reached<'a>(index: &Index<'a>, input: &'a str, passes: impl Fn(&NodeProto) -> bool) -> HashSet<&'a str> {
    let mut reached = HashSet::from([input]);
    for node in index.order().iter().map(|&position| index.node(position)).filter(|node| passes(node)) {
        if crate::model::reads(node).any(|name| reached.contains(name)) {
            reached.extend(node.output.iter().map(String::as_str).filter(|name| !name.is_empty()));
        }
    }
    reached
}
