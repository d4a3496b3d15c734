//! One call of a tool: on whose behalf, with what, and how to tell its caller how far it is.

use rmcp::RoleServer;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{
    CreateTaskResult, InputRequiredResult, InputResponses, JsonObject, ProgressNotificationParam, ProtocolVersion,
};
use rmcp::service::RequestContext;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::face::{Caller, Face, path};
use super::paid::Paid;
use super::refusal::Refusal;
use super::server::Server;
use crate::jcs::canonical;
use crate::x402::Bought;

/// Why a tool returns without its result.
pub(super) enum Stop {
    /// It refuses, or failed.
    Refused(Refusal),
    /// It needs a word of its caller first.
    Input(Box<InputRequiredResult>),
    /// It goes on as a task.
    Task(Box<CreateTaskResult>),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What a tool gives.
pub(super) type Outcome<T> = Result<T, Stop>;

/// A call.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) server: Server,
    pub(super) caller: Caller,
    /// The tool's name.
    pub(super) tool: &'static str,
    /// Hash of the tool's name and the arguments as they were sent.
    pub(super) digest: [u8; 32],
    /// What the caller says to what it was asked.
    pub(super) answers: Option<InputResponses>,
    /// What it was given to bring back.
    pub(super) state: Option<String>,
    context: RequestContext<RoleServer>,
}

impl Call {
    /// The call that `context` is of; what was sent as arguments is left there.
    ///
    /// # Errors
    /// When it came by no HTTP request, so that nobody knows whose it is.
    pub(super) fn of(tool: &'static str, context: &ToolCallContext<'_, Server>) -> Result<Self, Refusal> {
        let mut caller = caller_of(&context.request_context)?;
        if context.service.serves_strangers() {
            caller.paid = Paid::of(&context.request_context.meta.0)?;
            caller = caller.carrying(Bought(format!("mcp://tool/{tool}")));
        }
        Ok(Self {
            server: context.service.clone(),
            caller,
            tool,
            digest: digest(tool, context.arguments.as_ref()),
            answers: context.input_responses.clone(),
            state: context.request_state.clone(),
            context: context.request_context.clone(),
        })
    }

    /// The node's interface.
    pub(super) fn face(&self) -> &Face {
        self.server.face()
    }

    /// `GET /v1/…` of these segments.
    ///
    /// # Errors
    /// The node's refusal; so for all calls here.
    pub(super) async fn get<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<T, Refusal> {
        self.face().get(&self.caller, &path(segments)?).await
    }

    /// The same with a query string.
    pub(super) async fn get_with<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &impl Serialize,
    ) -> Result<T, Refusal> {
        self.face().get_with(&self.caller, &path(segments)?, query).await
    }

    /// `POST /v1/…` of JSON.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Refusal> {
        self.face().post(&self.caller, &path(segments)?, body).await
    }

    /// `POST /v1/…` without a body.
    pub(super) async fn post_nothing<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<T, Refusal> {
        self.face().post_nothing(&self.caller, &path(segments)?).await
    }

    /// Tells how far it is, if the caller wants to know. One who is gone need not be told.
    pub(super) async fn progress(&self, done: u64, total: Option<u64>, message: String) {
        let Some(token) = self.context.meta.get_progress_token() else { return };
        let mut progress = ProgressNotificationParam::new(token, done as f64).with_message(message);
        progress.total = total.map(|total| total as f64);
        let _ = self.context.peer.notify_progress(progress).await;
    }

    /// Resolves when the caller is gone or has called off.
    pub(super) async fn cancelled(&self) {
        self.context.ct.cancelled().await;
    }

    /// Whether the caller polls tasks.
    pub(super) fn takes_tasks(&self) -> bool {
        self.is_2026() && self.context.client_capabilities().is_some_and(|client| client.supports_tasks())
    }

    /// Whether the caller can be asked by a form in the answer to this very request.
    pub(super) fn takes_forms(&self) -> bool {
        let form = |client: rmcp::model::ClientCapabilities| {
            // Without a word on modes, forms are meant.
            client.elicitation.is_some_and(|modes| modes.form.is_some() || modes.url.is_none())
        };
        self.is_2026() && self.context.client_capabilities().is_some_and(form)
    }

    fn is_2026(&self) -> bool {
        self.context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
    }
}

/// On whose behalf a request is.
///
/// # Errors
/// When it came by no HTTP request.
pub(super) fn caller_of(context: &RequestContext<RoleServer>) -> Result<Caller, Refusal> {
    let parts = context.extensions.get::<axum::http::request::Parts>();
    parts.map(Caller::of).ok_or_else(|| Refusal::failed("the call did not come by HTTP"))
}

/// Hash of a tool's name and arguments, whatever the order of the fields.
fn digest(tool: &str, arguments: Option<&JsonObject>) -> [u8; 32] {
    let sorted = arguments.map(|arguments| canonical(&serde_json::Value::Object(arguments.clone())));
    let mut hasher = blake3::Hasher::new_derive_key("datanet mcp call");
    hasher.update(tool.as_bytes()).update(&[0]).update(sorted.unwrap_or_default().as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_the_same_in_any_order_of_fields_and_no_other() {
        let of = |tool, text| digest(tool, serde_json::from_str(text).ok().as_ref());
        let one = of("ask", r#"{"a": {"x": 1, "y": [1, 2]}, "b": "c"}"#);
        assert_eq!(one, of("ask", r#"{"b": "c", "a": {"y": [1, 2], "x": 1}}"#));
        for other in [r#"{"a": {"x": 1, "y": [2, 1]}, "b": "c"}"#, r#"{"b": "c"}"#, r#"{"a,b": "c"}"#] {
            assert_ne!(one, of("ask", other), "{other}");
        }
        assert_ne!(one, of("classify", r#"{"a": {"x": 1, "y": [1, 2]}, "b": "c"}"#));
    }
}
