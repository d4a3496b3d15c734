//! Answers and their receipts.

use datanet_types::{AgentId, ReceiptId};
use reqwest::Method;

use super::{Client, ClientResult};
use crate::ask::{Answer, AskRequest};
use crate::attributions::Attributed;
use crate::classify::{Classifications, ClassifyRequest};
use crate::embeddings::{EmbeddingsReply, EmbeddingsRequest};
use crate::receipts::{AnswerRecordView, IssuedReceipts, Verification};
use crate::services::{ServiceAnswer, ServiceAsk, ServiceList};

impl Client {
    /// Asks a datanet.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError); so for all calls here.
    pub async fn ask(&self, request: &AskRequest) -> ClientResult<Answer> {
        self.post("/v1/ask", request).await
    }

    /// Classifies passages by a deployed model.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn classify(&self, request: &ClassifyRequest) -> ClientResult<Classifications> {
        self.post("/v1/classify", request).await
    }

    /// What agents sell at this node now.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn services(&self) -> ClientResult<ServiceList> {
        self.get("/v1/services").await
    }

    /// Asks an agent, for its price.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn ask_agent(&self, agent: &AgentId, request: &ServiceAsk) -> ClientResult<ServiceAnswer> {
        self.post(&format!("/v1/agents/{agent}/ask"), request).await
    }

    /// Embeds texts.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn embed(&self, request: &EmbeddingsRequest) -> ClientResult<EmbeddingsReply> {
        self.post("/v1/embeddings", request).await
    }

    /// The latest receipts that this node has issued.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn receipts(&self) -> ClientResult<IssuedReceipts> {
        self.get("/v1/receipts").await
    }

    /// A receipt with its question and answer.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn receipt(&self, id: &ReceiptId) -> ClientResult<AnswerRecordView> {
        self.get(&format!("/v1/receipts/{id}")).await
    }

    /// Has this node compute an answer again.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn verify_receipt(&self, id: &ReceiptId) -> ClientResult<Verification> {
        self.post_nothing(&format!("/v1/receipts/{id}/verify")).await
    }

    /// The same for an answer record that the caller brings, as bytes.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn check_record(&self, record: Vec<u8>) -> ClientResult<Verification> {
        let path = "/v1/receipts/check";
        let request = self.request(Method::POST, path).header("content-type", "application/octet-stream").body(record);
        self.call(request, path).await
    }

    /// Whose records moved an answer.
    ///
    /// # Errors
    /// See [`ClientError`](super::ClientError).
    pub async fn attribution(&self, receipt: &ReceiptId) -> ClientResult<Attributed> {
        self.get(&format!("/v1/attributions/{receipt}")).await
    }
}
