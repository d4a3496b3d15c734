//! One tool's way from the arguments that were sent to the result.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::handler::server::tool::{ToolCallContext, ToolRoute, schema_for_input, schema_for_output};
use rmcp::model::{CallToolResponse, CallToolResult, JsonObject, MetaObject, Tool};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::app;
use super::call::{Call, Outcome, Stop};
use super::refusal::Refusal;
use super::scope::{self, Row};
use super::server::Server;
use crate::quoted;

/// Longest result, in bytes.
const LONGEST: usize = 1024 * 1024;
/// So much is repeated of what an argument has wrong, in characters.
const SHOWN: usize = 300;

/// What is said of a tool.
pub(super) struct About {
    /// Its name, as in [`scope::TABLE`].
    pub(super) name: &'static str,
    /// For people.
    pub(super) title: &'static str,
    /// For the model: what it does, what it costs, and what to do next.
    pub(super) description: &'static str,
    /// Whether its result is shown by the page of [`app`].
    pub(super) shown: bool,
}

/// A tool that `does` what it says with arguments `A` and gives a `T`.
pub(super) fn route<A, T, F, Fut>(about: About, does: F) -> ToolRoute<Server>
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    T: Serialize + JsonSchema + 'static,
    F: Fn(Call, A) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Outcome<T>> + Send + 'static,
{
    let name = about.name;
    ToolRoute::new_dyn(tool::<A, T>(about), move |context: ToolCallContext<'_, Server>| {
        let does = does.clone();
        let read = Call::of(name, &context).and_then(|call| Ok((call, arguments::<A>(context.arguments)?)));
        Box::pin(async move {
            let paid = read.as_ref().map(|(call, _)| call.caller.paid.clone()).unwrap_or_default();
            let outcome = match read {
                Ok((call, arguments)) => run(call.clone(), does(call, arguments)).await?,
                Err(refusal) => Err(refusal.into()),
            };
            Ok(match outcome.and_then(|value| Ok(structured(&value)?)) {
                Ok(mut result) => {
                    paid.tell(&mut result);
                    result.into()
                }
                Err(Stop::Refused(refusal)) => {
                    let mut result = CallToolResult::from(refusal);
                    paid.tell(&mut result);
                    result.into()
                }
                Err(Stop::Input(input)) => CallToolResponse::InputRequired(*input),
                Err(Stop::Task(task)) => CallToolResponse::Task(*task),
            })
        })
    })
}

/// Gives up with its caller.
async fn run<T>(call: Call, work: impl Future<Output = Outcome<T>>) -> Result<Outcome<T>, ErrorData> {
    tokio::select! {
        outcome = work => Ok(outcome),
        () = call.cancelled() => Err(ErrorData::internal_error("the call was cancelled", None)),
    }
}

/// The arguments, or what is wrong with them and where.
fn arguments<A: DeserializeOwned>(sent: Option<JsonObject>) -> Result<A, Refusal> {
    serde_path_to_error::deserialize(Value::Object(sent.unwrap_or_default())).map_err(|error| {
        let (field, words) = (error.path().to_string(), error.inner().to_string());
        let place = if field == "." { String::new() } else { format!("{field}: ") };
        let detail = format!("the arguments do not fit the tool's schema: {place}{words}");
        Refusal::argument(quoted::clean(&detail, SHOWN))
    })
}

/// The result as structured content, and the same as text.
pub(super) fn structured(value: &impl Serialize) -> Result<CallToolResult, Refusal> {
    let value = serde_json::to_value(value).map_err(|error| Refusal::failed(error.to_string()))?;
    let bytes = value.to_string().len();
    if bytes > LONGEST {
        let detail =
            format!("the result has {bytes} bytes, and at most {LONGEST} are given; ask for less, with a lower limit");
        return Err(Refusal::argument(detail));
    }
    Ok(CallToolResult::structured(value))
}

fn tool<A: JsonSchema + 'static, T: JsonSchema + 'static>(about: About) -> Tool {
    let About { name, title, description, shown } = about;
    // Each argument type is a struct, whose schema is an object's: the snapshot of the list shows all of them.
    let input = plain(&schema_for_input::<A>().unwrap_or_default());
    let tool =
        Tool::new(name, description, input).with_title(title).with_raw_output_schema(plain(&schema_for_output::<T>()));
    match scope::row_of(name) {
        Some(row) => tool.with_annotations(row.annotations()).with_meta(meta(row, shown)),
        None => tool,
    }
}

/// A schema without names of Rust's numbers (`uint64`), of which JSON Schema knows nothing and its validators complain.
fn plain(schema: &JsonObject) -> Arc<JsonObject> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, value| name != "format" || !value.is_string());
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut schema = schema.clone();
    // The names of fields are no words of the schema.
    schema.values_mut().for_each(strip);
    Arc::new(schema)
}

/// What clients may show or check: the scope that a token needs, whether money is at stake, and the page that shows the
/// result.
fn meta(row: &Row, shown: bool) -> MetaObject {
    let mut meta = MetaObject::new();
    meta.insert("datanet/scope".to_owned(), json!(row.scope().name()));
    meta.insert("datanet/costsMoney".to_owned(), json!(row.costs));
    if shown {
        meta.insert("ui".to_owned(), json!({ "resourceUri": app::URI }));
    }
    meta
}
