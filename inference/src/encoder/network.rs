//! The model as a function from token ids and adapters to vectors.

use super::padding::Padding;
use super::source::{Opened, Reading};
use super::tokenize::{Long, TextTokenizer};
use super::{AdaptedSession, EncoderConfig, Loaded, ServeError};
use crate::runtime::{Runtime, SessionConfig, Tensor};

/// What is being served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderInfo {
    /// BLAKE3 over a domain tag and the hashes of the model's files: whether nodes serve the same model; see
    /// [`super::folder_id`].
    pub id: [u8; 32],
    /// Name of the folder or file.
    pub name: String,
    /// Numbers in a vector, or classes of a model that is a classifier.
    pub dimensions: usize,
    /// Tokens of a text that are read, special tokens included.
    pub max_tokens: usize,
    /// Names of the classes of a model that is a classifier by itself; empty for an encoder.
    pub labels: Vec<String>,
}

/// The session with what is needed to feed and read it.
pub(super) struct Network {
    pub(super) session: AdaptedSession,
    pub(super) padding: Padding,
    pub(super) reading: Reading,
    dimensions: usize,
}

/// The result for each text of a batch.
pub(super) type Vectors = Vec<Result<Vec<f32>, ServeError>>;

impl Network {
    /// Loads a model and runs it once, so that one that cannot run is found now.
    pub(super) fn load(
        runtime: &Runtime,
        opened: Opened,
        config: &EncoderConfig,
    ) -> Result<(Self, TextTokenizer, EncoderInfo), ServeError> {
        let Opened { id, graph, tokenizer, weights, reading, name, max_tokens, mut labels } = opened;
        let session = SessionConfig { device: config.device, threads: config.threads, weights };
        let session =
            AdaptedSession::load(runtime, graph, config.precision, session, &config.targets, config.bank_slots)?;
        let padding = Padding { step: config.length_step, max: max_tokens };
        let mut network = Self { session, padding, reading, dimensions: 0 };
        let first = tokenizer.encode("first words", Long::Cut)?;
        network.dimensions = network.dimensions_of(&first)?;
        let classifies = matches!(network.reading, Reading::Logits(_));
        if classifies && labels.is_empty() {
            labels = (0..network.dimensions).map(|class| format!("LABEL_{class}")).collect();
        }
        if classifies && labels.len() != network.dimensions {
            let what = format!("it has {} classes where {} labels are given", network.dimensions, labels.len());
            return Err(ServeError::Onnx(what));
        }
        let info = EncoderInfo { id, name, dimensions: network.dimensions, max_tokens, labels };
        Ok((network, tokenizer, info))
    }

    /// Vectors, or logits of a classifier, of texts of one padded length under their adapters.
    pub(super) fn run(&mut self, texts: &[&[u32]], rows: &[Option<&Loaded>]) -> Result<Vectors, ServeError> {
        let feed = Feed::new(self.padding, texts)?;
        let outputs = self.session.run(&feed.inputs(), rows, &[self.reading.output()])?;
        self.read(&outputs, texts)
    }

    fn dimensions_of(&mut self, text: &[u32]) -> Result<usize, ServeError> {
        let feed = Feed::new(self.padding, &[text])?;
        let outputs = self.session.run(&feed.inputs(), &[None], &[self.reading.output()])?;
        let shape = outputs.first().map(Tensor::shape).unwrap_or_default();
        match shape.last() {
            Some(&size) if shape.len() == 2 && size > 0 => Ok(size),
            _ => Err(ServeError::Onnx(format!("its output {} has the shape {shape:?}", self.reading.output()))),
        }
    }

    fn read(&self, outputs: &[Tensor], texts: &[&[u32]]) -> Result<Vectors, ServeError> {
        let values = outputs.first().map_or(Ok(&[][..]), Tensor::floats)?;
        let rows = texts.len();
        if values.is_empty() || values.len() != rows * self.dimensions {
            return Err(ServeError::Output(format!("{} numbers for {rows} texts", values.len())));
        }
        let read = |vector: &[f32]| {
            if vector.iter().all(|number| number.is_finite()) {
                return Ok(vector.to_vec());
            }
            Err(ServeError::Output("its numbers are not finite".to_owned()))
        };
        Ok(values.chunks_exact(self.dimensions).map(read).collect())
    }
}

/// The inputs of one batch.
struct Feed {
    ids: Tensor,
    mask: Tensor,
}

impl Feed {
    fn new(padding: Padding, texts: &[&[u32]]) -> Result<Self, ServeError> {
        let (ids, mask) = padding.tensors(texts)?;
        Ok(Self { ids, mask })
    }

    fn inputs(&self) -> Vec<(&str, &Tensor)> {
        vec![("input_ids", &self.ids), ("attention_mask", &self.mask)]
    }
}
