//! What `rmcp` asks of a server, each answered in one line by whoever knows.

use std::borrow::Cow;
use std::sync::Arc;

use rmcp::handler::server::tool::{ToolCallContext, ToolRouter};
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, ExtensionCapabilities,
    GetPromptRequestParams, GetPromptResponse, GetTaskParams, GetTaskResult, Implementation, InitializeResult,
    JsonObject, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, TASKS_EXTENSION_ID, Tool, UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::json;

use super::call::caller_of;
use super::face::{Caller, Face};
use super::price::Prices;
use super::refusal::Refusal;
use super::tasks::Tasks;
use super::{app, prompts, resources, tools};
use crate::quoted;

/// What does not change while the node runs may be kept so long, in milliseconds.
const STATIC: u64 = 3_600_000;
/// What moves with the ledger.
pub(super) const MOVING: u64 = 2_000;

const INSTRUCTIONS: &str = "A Datanet node: pools of specialised records (datanets) that are judged before they count, answers with a signed receipt, and pay for whoever's records made them. \
    Look with `datanets`, `search` and `quote`; buy with `ask` or `classify`, which cost money: agree by max_price or when asked. \
    Earn by `contribute`, `follow` it to its verdict, then `earnings` and `claim`. Amounts are in base units: a million make one DNT.";

const FOR_STRANGERS: &str = "A Datanet node: pools of specialised records (datanets), and answers from them with a signed receipt. \
    Look with `datanets`, `datanet`, `models` and `search`; buy with `ask` or `classify`, which are paid by x402 (version 2): a call without a payment is answered with what to pay. Amounts are in base units: a million make one DNT.";

/// The node's side of the protocol. Cheap to clone; one for all requests.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    face: Face,
    tools: ToolRouter<Server>,
    /// Whether callers have no token, and pay by x402.
    strangers: bool,
    prices: Prices,
    tasks: Tasks,
}

impl Server {
    /// Over the node's interface.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new(face: Face) -> Result<Self, getrandom::Error> {
        Self::with(face, tools::all(), false)
    }

    /// The same for callers without a token, with what they may have.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn for_strangers(face: Face) -> Result<Self, getrandom::Error> {
        Self::with(face, tools::for_strangers(), true)
    }

    fn with(face: Face, tools: ToolRouter<Self>, strangers: bool) -> Result<Self, getrandom::Error> {
        Ok(Self(Arc::new(Inner { face, tools, strangers, prices: Prices::new()?, tasks: Tasks::default() })))
    }

    pub(super) fn serves_strangers(&self) -> bool {
        self.0.strangers
    }

    pub(super) fn face(&self) -> &Face {
        &self.0.face
    }

    pub(super) fn prices(&self) -> &Prices {
        &self.0.prices
    }

    pub(super) fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }
}

fn caller(context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
    caller_of(context).map_err(protocol_error)
}

/// A refusal where there is no tool whose result could say it.
pub(super) fn protocol_error(refusal: Refusal) -> ErrorData {
    let detail = quoted::clean(refusal.detail(), 500);
    if refusal.is_not_found() {
        ErrorData::resource_not_found(detail, None)
    } else {
        ErrorData::internal_error(detail, None)
    }
}

fn capabilities() -> ServerCapabilities {
    let ui = JsonObject::from_iter([("mimeTypes".to_owned(), json!([app::MIME_TYPE]))]);
    let extensions = ExtensionCapabilities::from([
        (TASKS_EXTENSION_ID.to_owned(), JsonObject::new()),
        (app::EXTENSION.to_owned(), ui),
    ]);
    ServerCapabilities::builder()
        .enable_extensions_with(extensions)
        .enable_tools()
        .enable_resources()
        .enable_prompts()
        .build()
}

/// Revisions that are spoken: those that know typed results.
const SPOKEN: &[ProtocolVersion] =
    &[ProtocolVersion::V_2026_07_28, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2025_06_18];

impl ServerHandler for Server {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(SPOKEN)
    }

    fn get_info(&self) -> ServerConfig {
        let node = Implementation::new("datanet", env!("CARGO_PKG_VERSION")).with_title("Datanet node");
        let instructions = if self.0.strangers { FOR_STRANGERS } else { INSTRUCTIONS };
        InitializeResult::new(capabilities())
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
            .with_server_info(node)
            .with_instructions(format!("{instructions} {}", quoted::NOTICE))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        // Sorted by name.
        let tools = ListToolsResult::with_all_items(self.0.tools.list_all());
        Ok(tools.with_ttl_ms(STATIC).with_cache_scope(CacheScope::Public))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.tools.get(name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if !self.0.tools.has_route(&request.name) {
            let name = quoted::clean(&request.name, 80);
            return Err(ErrorData::invalid_params(format!("there is no tool {name:?}; tools/list has them all"), None));
        }
        self.0.tools.call(ToolCallContext::new(self, request, context)).await
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let listed = match self.0.strangers {
            // What there is to be read are tools.
            true => Vec::new(),
            false => resources::list(self.face(), &caller(&context)?).await.map_err(protocol_error)?,
        };
        Ok(ListResourcesResult::with_all_items(listed).with_ttl_ms(MOVING).with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = ListResourceTemplatesResult::with_all_items(resources::templates());
        Ok(templates.with_ttl_ms(STATIC).with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(self.face(), &caller(&context)?, &request.uri).await.map(Into::into)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = ListPromptsResult::with_all_items(prompts::list());
        Ok(prompts.with_ttl_ms(STATIC).with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&request.name, request.arguments.as_ref()).map(Into::into)
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        Ok(GetTaskResult::new(self.tasks().get(&request.task_id, caller(&context)?.principal())?))
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        // No task here asks for anything: what is sent unasked is passed over.
        self.tasks().own(&request.task_id, caller(&context)?.principal())
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks().cancel(&request.task_id, caller(&context)?.principal())
    }
}
