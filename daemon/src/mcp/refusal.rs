//! Why a tool did not do it, for the model that called: the node's own words, which name the fix.

use datanet_api::Problem;
use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde_json::json;

use crate::quoted;

/// Under this key of a result's `_meta` stand the problem's code and status.
const PROBLEM: &str = "datanet/problem";
/// Longest detail told, in characters.
const LONGEST: usize = 2_000;

/// A tool's no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    code: String,
    status: u16,
    detail: String,
}

impl Refusal {
    /// The caller's doing: `detail` says what is wrong and what to do.
    pub(super) fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { code: code.to_owned(), status: 422, detail: detail.into() }
    }

    /// An argument that cannot be taken.
    pub(super) fn argument(detail: impl Into<String>) -> Self {
        Self { code: "bad-argument".to_owned(), status: 400, detail: detail.into() }
    }

    /// The node's own failure.
    pub(super) fn failed(detail: impl Into<String>) -> Self {
        Self { code: "internal".to_owned(), status: 500, detail: detail.into() }
    }

    /// What is wrong and what to do.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether there is nothing of that name.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.status, 400 | 404)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { code: problem.code, status: problem.status, detail: problem.detail }
    }
}

impl From<Refusal> for CallToolResult {
    fn from(refusal: Refusal) -> Self {
        // It may repeat what somebody else wrote.
        let detail = quoted::clean(&refusal.detail, LONGEST);
        let mut meta = MetaObject::new();
        meta.insert(PROBLEM.to_owned(), json!({ "code": refusal.code, "status": refusal.status }));
        let mut result = CallToolResult::error(vec![ContentBlock::text(detail)]);
        result.meta = Some(meta);
        result
    }
}
