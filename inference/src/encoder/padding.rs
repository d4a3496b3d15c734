//! From token ids of several lengths to one rectangle.

use crate::runtime::{RuntimeError, Tensor};

/// How texts are padded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Padding {
    /// Lengths are multiples of this many tokens,
    pub(crate) step: usize,
    /// but never beyond this many, which is all that the model reads.
    pub(crate) max: usize,
}

impl Padding {
    /// Length to which a text of `tokens` tokens is padded: it depends on nothing but the text.
    pub(crate) fn length(self, tokens: usize) -> usize {
        tokens.next_multiple_of(self.step).min(self.max).max(tokens)
    }

    /// Token ids and attention mask, both `[texts, length]`, of texts padded on the right.
    pub(crate) fn tensors(self, texts: &[&[u32]]) -> Result<(Tensor, Tensor), RuntimeError> {
        let length = texts.iter().map(|text| self.length(text.len())).max().unwrap_or(0);
        let (mut ids, mut mask) = (vec![0i64; texts.len() * length], vec![0i64; texts.len() * length]);
        for (row, text) in texts.iter().enumerate() {
            for (column, &id) in text.iter().enumerate() {
                ids[row * length + column] = i64::from(id);
                mask[row * length + column] = 1;
            }
        }
        let shape = [texts.len(), length];
        Ok((Tensor::new(&shape, ids)?, Tensor::new(&shape, mask)?))
    }
}
