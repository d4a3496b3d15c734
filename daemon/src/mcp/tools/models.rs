//! Models: what there is, and what answers here.

use datanet_api::models::{Deploy, Deployed, ModelList, ModelView, ModelsParams};
use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::within;
use crate::mcp::call::{Call, Outcome};
use crate::mcp::money::Money;
use crate::mcp::route::{About, route};
use crate::mcp::server::Server;
use crate::quoted::{NOTICE, Quoted};

/// Most models of a list.
const MOST: usize = 100;

pub(super) fn routes() -> Vec<ToolRoute<Server>> {
    vec![
        route(
            About {
                name: "models",
                title: "List models",
                description: "The models that this node knows, those that answer here first: what they cost, who owns them, what they were trained on.",
                shown: false,
            },
            list,
        ),
        route(
            About {
                name: "deploy",
                title: "Deploy a model",
                description: "Has this node answer with a trained model, under a name. What answered to the name before can be rolled back to.",
                shown: false,
            },
            deploy,
        ),
    ]
}

/// Which models.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichModels {
    /// Only those that this node answers with.
    #[serde(default)]
    deployed: bool,
    /// At most this many, 1 to 100; 20 if not given.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
}

/// Models.
#[derive(Debug, Serialize, JsonSchema)]
struct Models {
    /// How to read what strangers wrote.
    notice: String,
    /// What answers here first.
    models: Vec<ModelLine>,
    /// Models that are not shown.
    more: u64,
}

/// A model.
#[derive(Debug, Serialize, JsonSchema)]
struct ModelLine {
    /// Its id.
    model: String,
    /// Its name on the ledger.
    name: Quoted,
    /// Names that lead to it here.
    names: Vec<Quoted>,
    /// Whether this node answers with it.
    deployed: bool,
    /// Who is paid when it answers.
    owner: Option<String>,
    /// What an answer costs.
    price: Money,
    /// Ids of the datanets that it was trained on.
    datanets: Vec<String>,
    /// Whether something that it was trained on was taken back since.
    tainted: bool,
}

impl From<ModelView> for ModelLine {
    fn from(model: ModelView) -> Self {
        let datanets = model.ledger.iter().flat_map(|ledger| &ledger.record.datanets).take(16);
        Self {
            datanets: datanets.map(ToString::to_string).collect(),
            model: model.model_id.to_string(),
            name: Quoted::line(&model.name),
            names: model.names.iter().take(8).map(|name| Quoted::line(name)).collect(),
            deployed: model.deployed,
            owner: model.owner.map(|owner| owner.to_string()),
            price: model.price.into(),
            tainted: model.tainted,
        }
    }
}

async fn list(call: Call, args: WhichModels) -> Outcome<Models> {
    let limit = within("limit", args.limit, 20, MOST)?;
    let all: ModelList = call.get_with(&["models"], &ModelsParams { deployed: args.deployed }).await?;
    let more = all.data.len().saturating_sub(limit) as u64;
    let models = all.data.into_iter().take(limit).map(ModelLine::from).collect();
    Ok(Models { notice: NOTICE.to_owned(), models, more })
}

/// What to deploy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeployArgs {
    /// The model's id, or a name that leads to it.
    model: String,
    /// The name that leads to it from now on; its own if not given.
    name: Option<String>,
}

/// A model deployed.
#[derive(Debug, Serialize, JsonSchema)]
struct DeployedView {
    /// The name that leads to it.
    name: String,
    /// Its id.
    model: String,
    /// What answered to the name before, the latest last.
    before: Vec<String>,
}

async fn deploy(call: Call, args: DeployArgs) -> Outcome<DeployedView> {
    let deployed: Deployed = call.post(&["models", &args.model, "deploy"], &Deploy { name: args.name }).await?;
    Ok(DeployedView {
        name: deployed.name,
        model: deployed.model.to_string(),
        before: deployed.before.iter().map(ToString::to_string).collect(),
    })
}
