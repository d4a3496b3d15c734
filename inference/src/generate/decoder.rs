//! The model as a function from tokens and a cache to logits and a longer cache.

use tokenizers::Tokenizer;

use super::cache::{Cache, CacheShape};
use super::prompt::PromptReader;
use super::{ChatForm, GenerateConfig, GenerateError};
use crate::encoder::tokenize::{Reading, TextTokenizer};
use crate::encoder::{AdaptedSession, Loaded, ServeError};
use crate::graph::build::decoder::{LOGITS, POSITION_IDS, past, present};
use crate::graph::build::{ATTENTION_MASK, BuildError, DecoderForm, INPUT_IDS, ModelFolder, Storage};
use crate::onnx::{DataType, Dim, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use crate::runtime::{Runtime, SessionConfig, Tensor};

/// What is being served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderInfo {
    /// Name of the folder.
    pub name: String,
    /// Tokens that the model knows.
    pub vocabulary: usize,
    /// Tokens of a prompt with its answer.
    pub context: usize,
    /// Form of a prompt made from messages.
    pub chat: ChatForm,
}

/// The session with what is needed to feed it.
pub(super) struct Decoder {
    pub(super) session: AdaptedSession,
    pub(super) shape: CacheShape,
    vocabulary: usize,
    /// Names of the cache's inputs and outputs, in the order of [`Cache::tensors`].
    past: Vec<String>,
    outputs: Vec<String>,
}

/// A model that is loaded and ready.
pub(super) struct Opened {
    pub(super) decoder: Decoder,
    pub(super) prompts: PromptReader,
    pub(super) info: DecoderInfo,
    /// Tokens that end an answer.
    pub(super) ends: Vec<u32>,
}

/// The tokens of one step.
pub(super) struct Feed {
    /// `[rows, tokens]`, row by row, padded on the left.
    pub(super) ids: Vec<i64>,
    /// Tokens of each row's sequence after the step, these included; the columns before them are padding.
    pub(super) lengths: Vec<usize>,
    /// Tokens of a row.
    pub(super) tokens: usize,
}

impl Decoder {
    /// Reads, checks and loads the folder.
    pub(super) fn open(runtime: &Runtime, config: &GenerateConfig) -> Result<Opened, GenerateError> {
        let path = &config.folder;
        let folder = ModelFolder::open(path).map_err(ServeError::from)?;
        let wrong = || BuildError::WrongKind { found: folder.architecture().name(), wanted: "decoder" };
        let llama = folder.decoder_config().ok_or_else(wrong).map_err(ServeError::from)?;
        let context = config.max_context.min(llama.max_position_embeddings);
        let reading = Reading { max_tokens: context, vocabulary: folder.vocab_size(), lowercase: false };
        let tokenizer = TextTokenizer::read(&path.join("tokenizer.json"), reading)?;
        let mut graph = folder.decoder(Storage::Mapped, DecoderForm::Cached).map_err(ServeError::from)?;
        last_logits_only(&mut graph);
        let (heads, head_size) = (llama.num_key_value_heads, llama.head_dim);
        let shape = CacheShape { layers: llama.num_hidden_layers, heads, head_size };
        let weights = Some(folder.weights_folder().to_owned());
        let session = SessionConfig { device: config.device, threads: config.threads, weights };
        let session =
            AdaptedSession::load(runtime, graph, config.precision, session, &config.targets, config.bank_slots)?;
        let past = (0..shape.layers).flat_map(past).collect();
        let outputs = std::iter::once(LOGITS.to_owned()).chain((0..shape.layers).flat_map(present)).collect();
        let decoder = Self { session, shape, vocabulary: folder.vocab_size(), past, outputs };
        let name = path.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned());
        let chat = chat_form(&folder, tokenizer.inner());
        let prompts = PromptReader::new(tokenizer, chat.controls());
        let info = DecoderInfo { name, vocabulary: folder.vocab_size(), context, chat };
        Ok(Opened { decoder, prompts, info, ends: folder.ends().to_vec() })
    }

    /// Reads the tokens of `feed` after those in `cache`; gives each row's logits after its last token, and the longer
    /// cache.
    pub(super) fn step(
        &mut self,
        cache: &Cache,
        feed: Feed,
        adapters: &[Option<&Loaded>],
    ) -> Result<(Vec<f32>, Cache), ServeError> {
        let (rows, tokens, width) = (cache.rows, feed.tokens, cache.width + feed.tokens);
        let (mut mask, mut positions) = (Vec::with_capacity(rows * width), Vec::with_capacity(rows * tokens));
        for &length in &feed.lengths {
            let padding = width - length;
            mask.extend((0..width).map(|column| i64::from(column >= padding)));
            positions.extend((cache.width..width).map(|column| column.saturating_sub(padding) as i64));
        }
        let ids = Tensor::new(&[rows, tokens], feed.ids)?;
        let mask = Tensor::new(&[rows, width], mask)?;
        let positions = Tensor::new(&[rows, tokens], positions)?;
        let mut inputs = vec![(INPUT_IDS, &ids), (ATTENTION_MASK, &mask), (POSITION_IDS, &positions)];
        inputs.extend(self.past.iter().map(String::as_str).zip(&cache.tensors));
        let outputs: Vec<&str> = self.outputs.iter().map(String::as_str).collect();
        let mut results = self.session.run(&inputs, adapters, &outputs)?;
        if results.is_empty() {
            return Err(ServeError::Output("it gave no logits".to_owned()));
        }
        let present = results.split_off(1);
        let logits = self.last_rows(&results[0], rows)?;
        Ok((logits, Cache::of(self.shape, rows, width, present)?))
    }

    /// `[rows, vocabulary]` of logits `[rows, tokens, vocabulary]`: each row's last.
    fn last_rows(&self, logits: &Tensor, rows: usize) -> Result<Vec<f32>, ServeError> {
        let shape = logits.shape();
        let &[found, tokens, vocabulary] = shape.as_slice() else {
            return Err(ServeError::Output(format!("its logits have the shape {shape:?}")));
        };
        if found != rows || tokens == 0 || vocabulary != self.vocabulary {
            return Err(ServeError::Output(format!("its logits have the shape {shape:?}")));
        }
        let rows = logits.floats()?.chunks_exact(tokens * vocabulary);
        Ok(rows.flat_map(|row| &row[(tokens - 1) * vocabulary..]).copied().collect())
    }
}

/// Has the graph compute the logits of the last token only: those of a prompt's other tokens are of no use, and the
/// projection to the vocabulary is a good part of a small model's work.
fn last_logits_only(model: &mut ModelProto) {
    let Some(graph) = model.graph.as_mut() else { return };
    let mut wanted = LOGITS.to_owned();
    let projection = loop {
        let Some(at) = graph.node.iter().position(|node| node.output.contains(&wanted)) else {
            return;
        };
        match graph.node[at].op_type.as_str() {
            "Identity" | "Cast" => wanted = graph.node[at].input[0].clone(),
            "MatMul" => break at,
            _ => return,
        }
    };
    let names = ["start", "end", "axis"].map(|part| format!("last_token.{part}"));
    for (name, number) in names.iter().zip([-1, i64::MAX, 1i64]) {
        let bytes = number.to_le_bytes().to_vec().into();
        graph.initializer.push(TensorProto::from_raw(name, DataType::Int64, &[1], bytes));
    }
    let hidden = std::mem::replace(&mut graph.node[projection].input[0], "last_token".to_owned());
    let input = std::iter::once(hidden).chain(names).collect();
    let slice = NodeProto {
        name: "last_token.node".to_owned(),
        op_type: "Slice".to_owned(),
        input,
        output: vec!["last_token".to_owned()],
        ..NodeProto::default()
    };
    graph.node.insert(projection, slice);
    for output in graph.output.iter_mut().filter(|output| output.name == LOGITS) {
        let shape = [Dim::Symbol("batch"), Dim::Size(1), Dim::Symbol("vocabulary")];
        *output = ValueInfoProto::tensor(LOGITS, DataType::Float, &shape);
    }
}

/// The form of a folder's chats, and in the log what of the folder is passed over.
fn chat_form(folder: &ModelFolder, tokenizer: &Tokenizer) -> ChatForm {
    let (path, dialogue) = (folder.folder().display(), folder.dialogue());
    if !dialogue.not_applied.is_empty() {
        let keys = dialogue.not_applied.join(", ");
        tracing::info!(folder = %path, keys, "generation_config.json is not applied here: each request says how it is drawn");
    }
    if dialogue.chat_template.is_none() {
        tracing::warn!(folder = %path, "the folder has no chat template: the built-in form is used");
    }
    ChatForm::new(dialogue.chat_template.clone(), tokenizer)
}
