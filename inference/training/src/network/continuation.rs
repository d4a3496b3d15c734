//! What a language model wrote after a prompt, as a loss of its own.
//!
//! The very tokens that were drawn are attributed, after the very tokens that the prompt was read as: the same words in other tokens would
//! be another answer, and the special tokens of a chat would be letters.

use std::ops::Range;

use datanet_inference::runtime::Tensor;

use super::compile::Kind;
use super::examples::Examples;
use super::objective::{LABELS, WEIGHTS};
use super::{Network, NetworkError, owned};
use crate::data::Task;

/// Tokens that are read at a time. It bounds the memory of a pass whatever was written; each token is predicted from all that is before it,
/// or from half as many.
const WINDOW: usize = 1_024;

/// Log-probabilities of a pass: 256 MiB, of which the way back holds some copies. Of a large vocabulary fewer tokens are read at a time, the same
/// on every machine.
const LOGS: usize = 1 << 26;

/// A part of a text that is read by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    /// What is read.
    read: Range<usize>,
    /// What of that is predicted.
    predicted: Range<usize>,
}

impl Network {
    /// The mean loss of the tokens `written` after `prompt`, and its gradient. Replaces the loaded records.
    ///
    /// # Errors
    /// [`NetworkError`]; where nothing was written, or nothing before it, and where a token is none of the model's.
    pub fn continuation(
        &mut self,
        theta: &[f32],
        prompt: &[u32],
        written: &[u32],
    ) -> Result<(f32, Vec<f32>), NetworkError> {
        self.check(theta)?;
        let (text, vocabulary) = ([prompt, written].concat(), self.blueprint.vocabulary);
        if self.task != Task::Generate || prompt.is_empty() || written.is_empty() {
            let what = "it takes a prompt, and something that a decoder wrote after it";
            return Err(NetworkError::Written(what.to_owned()));
        }
        if let Some(token) = text.iter().find(|token| **token as usize >= vocabulary) {
            return Err(NetworkError::Written(format!("it has token {token}; the model knows {vocabulary}")));
        }
        let shared = owned(self.blueprint.layout.shared(theta)?);
        let over = 1.0 / written.len() as f32;
        let (mut loss, mut sum) = (0.0f64, vec![0.0; theta.len()]);
        for window in windows(prompt.len(), text.len(), read_at_once(vocabulary, self.blueprint.max_positions)) {
            self.hold(Examples::written(text[window.read.clone()].to_vec()))?;
            let (logs, gradient) = self.predicted_part(&shared, &text, &window, over)?;
            loss -= logs;
            sum.iter_mut().zip(&gradient).for_each(|(sum, x)| *sum += x);
        }
        Ok(((loss / written.len() as f64) as f32, sum))
    }

    /// The sum of the log-probabilities of what a window predicts, and the gradient of minus `over` times that.
    fn predicted_part(
        &mut self,
        theta: &[(String, Tensor)],
        text: &[u32],
        window: &Window,
        over: f32,
    ) -> Result<(f64, Vec<f32>), NetworkError> {
        let block = self.block(&[0])?;
        let (mut labels, mut weights) = (vec![0i64; block.length], vec![0.0f32; block.length]);
        // A token is predicted at the place before it.
        let place = |token: usize| token - window.read.start - 1;
        for token in window.predicted.clone() {
            labels[place(token)] = i64::from(text[token]);
            weights[place(token)] = -over;
        }
        let shape = [1, block.length];
        let inputs = vec![
            (LABELS.to_owned(), Tensor::new(&shape, labels)?),
            (WEIGHTS.to_owned(), Tensor::new(&shape, weights)?),
        ];
        let results = self.gradients(Kind::Summed, &block, theta, &inputs)?;
        let logs = &results[0].floats()?[place(window.predicted.start)..place(window.predicted.end)];
        Ok((logs.iter().map(|log| f64::from(*log)).sum(), self.blueprint.layout.join(&results[1..])?))
    }
}

/// Tokens that a model of this vocabulary, with so many positions, reads at a time.
fn read_at_once(vocabulary: usize, positions: usize) -> usize {
    (LOGS / vocabulary.max(1)).min(WINDOW).min(positions)
}

/// The parts that a text of `tokens`, of which `prompt` are given, is read in, each of at most `most`. Every other token is predicted once.
fn windows(prompt: usize, tokens: usize, most: usize) -> Vec<Window> {
    let most = most.max(2);
    let (mut windows, mut from) = (Vec::new(), prompt);
    while from < tokens {
        let to = tokens.min(most.max(from + most / 2));
        windows.push(Window { read: to.saturating_sub(most)..to, predicted: from..to });
        from = to;
    }
    windows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_text_is_read_at_once() {
        assert_eq!(windows(3, 10, 16), [Window { read: 0..10, predicted: 3..10 }]);
        assert_eq!(windows(3, 16, 16), [Window { read: 0..16, predicted: 3..16 }]);
        let two = [Window { read: 0..16, predicted: 3..16 }, Window { read: 4..20, predicted: 16..20 }];
        assert_eq!(windows(3, 20, 16), two);
        assert!(windows(3, 3, 16).is_empty());
    }

    #[test]
    fn a_large_vocabulary_is_read_in_smaller_parts() {
        assert_eq!(
            (read_at_once(32_000, 4_096), read_at_once(151_936, 32_768), read_at_once(32_000, 512)),
            (1_024, 441, 512)
        );
        assert_eq!(windows(3, 1_000, read_at_once(151_936, 32_768)).len(), 4);
    }

    proptest! {
        #[test]
        fn each_token_is_predicted_once_from_all_that_is_there_or_from_half_a_window(
            prompt in 1usize..100, written in 1usize..200, most in 2usize..40
        ) {
            let tokens = prompt + written;
            let mut next = prompt;
            for Window { read, predicted } in windows(prompt, tokens, most) {
                prop_assert_eq!(predicted.start, next);
                prop_assert!(predicted.end > predicted.start && predicted.end == read.end && read.len() <= most);
                prop_assert!(read.start == 0 || predicted.start - read.start >= most / 2);
                prop_assert!(predicted.start > read.start);
                next = predicted.end;
            }
            prop_assert_eq!(next, tokens);
        }
    }
}
