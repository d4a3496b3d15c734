//! Vectors of texts, by the node's own model, which costs nothing but its time. Each text is asked for once as long as the agent runs.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datanet_api::embeddings::{EmbeddingsRequest, EncodingFormat, Input};
use datanet_data::Embedding;

use crate::agent::node::Node;

/// Texts of one call.
const AT_ONCE: usize = 64;
/// Texts that are kept; beyond, all are forgotten and asked for again.
const MOST: usize = 100_000;
/// Tries where the node is busy.
const TRIES: u32 = 6;

/// See the module.
#[derive(Debug, Default)]
pub struct Vectors(HashMap<[u8; 32], Embedding>);

impl Vectors {
    /// The vectors of `texts`, in their order.
    ///
    /// # Errors
    /// When the node has no model, or does not answer.
    pub async fn of(&mut self, node: &Node, texts: &[&str]) -> Result<Vec<Embedding>> {
        if self.0.len() > MOST {
            self.0.clear();
        }
        let key = |text: &str| *blake3::hash(text.as_bytes()).as_bytes();
        let mut missing: Vec<&str> = texts.iter().filter(|text| !self.0.contains_key(&key(text))).copied().collect();
        missing.sort_unstable();
        missing.dedup();
        for some in missing.chunks(AT_ONCE) {
            for (text, vector) in some.iter().zip(embed(node, some).await?) {
                self.0.insert(key(text), vector);
            }
        }
        texts.iter().map(|text| self.0.get(&key(text)).cloned().context("a text has no vector")).collect()
    }
}

async fn embed(node: &Node, texts: &[&str]) -> Result<Vec<Embedding>> {
    let request = EmbeddingsRequest {
        input: Input::Many(texts.iter().map(|text| (*text).to_owned()).collect()),
        model: None,
        encoding_format: EncodingFormat::Base64,
        dimensions: None,
    };
    let mut wait = Duration::from_millis(200);
    let mut tries = 0;
    let reply = loop {
        match node.client.embed(&request).await {
            Err(error) if error.is_transient() && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
            reply => break reply?,
        }
    };
    ensure!(reply.data.len() == texts.len(), "the node gave {} vectors for {} texts", reply.data.len(), texts.len());
    let vector = |value: &serde_json::Value| {
        let bytes = STANDARD.decode(value.as_str().unwrap_or_default())?;
        let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        anyhow::Ok(Embedding::from_unit(values)?)
    };
    reply.data.iter().map(|view| vector(&view.embedding)).collect()
}
