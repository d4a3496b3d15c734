//! What a language model wrote after a prompt, as a loss of its own.

use super::{
    Network, NetworkError,
    compile::Kind,
    objective::{LABELS, WEIGHTS},
    owned,
};
use crate::data::{Example, Task};
use datanet_inference::runtime::Tensor;

impl Network {
    /// The mean loss of the tokens of `written` after `prompt`, and its gradient. Replaces the loaded records.
    ///
    /// # Errors
    /// [`NetworkError`]; where no token of `written` lies within the limit.
    pub fn continuation(
        &mut self,
        theta: &[f32],
        prompt: &str,
        written: &str,
    ) -> Result<(f32, Vec<f32>), NetworkError> {
        self.check(theta)?;
        let text = format!("{prompt}{written}");
        let [before, whole] = <[Vec<u32>; 2]>::try_from(self.tokens.encode_all(&[prompt, &text])?)
            .map_err(|_| NetworkError::Graph("the tokenizer lost a text".to_owned()))?;
        // A word may join the prompt's last token: what both have in common is the prompt.
        let shared = before.iter().zip(&whole).take_while(|(a, b)| a == b).count().max(1);
        let count = whole.len().saturating_sub(shared);
        if self.task != Task::Generate || count == 0 {
            return Err(NetworkError::Graph("nothing was written within the model's limit of tokens".to_owned()));
        }
        self.load(&[&Example { text, label: None, pair: None, source: 0 }])?;
        let block = self.block(&[0])?;
        let shape = [1, block.length];
        let (mut labels, mut weights) = (vec![0i64; block.length], vec![0.0f32; block.length]);
        for place in shared - 1..whole.len() - 1 {
            labels[place] = i64::from(whole[place + 1]);
            weights[place] = -1.0 / count as f32;
        }
        let inputs = vec![
            (LABELS.to_owned(), Tensor::new(&shape, labels)?),
            (WEIGHTS.to_owned(), Tensor::new(&shape, weights)?),
        ];
        let shared_theta = owned(self.blueprint.layout.shared(theta)?);
        let results = self.gradients(Kind::Summed, &block, &shared_theta, &inputs)?;
        let logs = &results[0].floats()?[shared - 1..whole.len() - 1];
        let loss = -logs.iter().map(|log| f64::from(*log)).sum::<f64>() / count as f64;
        Ok((loss as f32, self.blueprint.layout.join(&results[1..])?))
    }
}
