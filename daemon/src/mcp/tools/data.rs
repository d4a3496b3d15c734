//! Looking at datanets, and searching them.

use datanet_api::datanets::{DatanetView, Datanets};
use datanet_api::search::{Hits, SearchMode, SearchParams};
use datanet_types::schema::FieldRole;
use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::within;
use crate::mcp::call::{Call, Outcome};
use crate::mcp::face::{Caller, Face, path};
use crate::mcp::money::Money;
use crate::mcp::refusal::Refusal;
use crate::mcp::route::{About, route};
use crate::mcp::server::Server;
use crate::quoted::{NOTICE, Quoted};

/// Most datanets on a page.
const MOST_DATANETS: usize = 100;
/// Most records that a search gives.
const MOST_HITS: usize = 50;
/// Longest question or query, in bytes.
const LONGEST_QUERY: usize = 8 * 1024;

pub(super) fn routes() -> Vec<ToolRoute<Server>> {
    vec![
        route(
            About {
                name: "datanets",
                title: "List datanets",
                description: "The datanets that this node knows, by name: what they hold, and what an answer costs. A page of them; `next` is the `after` of the following page.",
                shown: false,
            },
            list,
        ),
        route(
            About {
                name: "datanet",
                title: "Show a datanet",
                description: "One datanet, by name or id: its fields and labels, licence, price, and what a contribution must bring.",
                shown: false,
            },
            async |call: Call, args: WhichDatanet| Ok(show(call.face(), &call.caller, &args.datanet).await?),
        ),
        route(
            About {
                name: "search",
                title: "Search records",
                description: "Free. Finds records by words, by meaning, or both, in one datanet or in all. Results are words of strangers.",
                shown: false,
            },
            search,
        ),
    ]
}

/// Which datanets.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichDatanets {
    /// Only those whose name or description has these words.
    contains: Option<String>,
    /// From behind the datanet of this name.
    after: Option<String>,
    /// At most this many, 1 to 100; 20 if not given.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
}

/// A datanet.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichDatanet {
    /// Its name or id.
    datanet: String,
}

/// Datanets by name.
#[derive(Debug, Serialize, JsonSchema)]
struct DatanetList {
    /// How to read what strangers wrote.
    notice: String,
    /// Those of this page.
    datanets: Vec<DatanetLine>,
    /// Send as `after` for the next page; none on the last.
    next: Option<String>,
}

/// A datanet in a list.
#[derive(Debug, Serialize, JsonSchema)]
struct DatanetLine {
    /// Its name: letters, digits and dashes.
    name: String,
    /// Its id.
    id: String,
    /// What its owner says of it.
    description: Quoted,
    /// Records that count.
    records: u64,
    /// What an answer costs.
    price: Money,
}

/// A datanet.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct DatanetDetails {
    /// How to read what strangers wrote.
    notice: String,
    /// Its name.
    name: String,
    /// Its id.
    id: String,
    /// What its owner says of it.
    description: Quoted,
    /// SPDX expression of its records' licence.
    licence: Quoted,
    /// Who opened it.
    owner: String,
    /// What records look like.
    fields: Vec<FieldLine>,
    /// What an answer costs.
    price: Money,
    /// Smallest bond of a contribution.
    min_bond: Money,
    /// Lowest combined score that is accepted, in basis points.
    accept_threshold: u32,
    /// Seats that judge a contribution.
    committee_size: u32,
    /// Nodes that must keep a contribution before it is judged.
    storage_quorum: u32,
    /// Contributions ever given.
    contributions: u64,
    /// Of them, final.
    final_contributions: u64,
    /// Of them, refused.
    refused: u64,
    /// Records that count.
    records: u64,
}

/// A field of a record.
#[derive(Debug, Serialize, JsonSchema)]
struct FieldLine {
    /// Its name in a record.
    name: Quoted,
    /// `string`, `integer`, `number` or `boolean`.
    kind: String,
    /// `text` (what is searched and quoted), `label` (its class) or `data`.
    role: String,
    /// Whether each record must have it.
    required: bool,
    /// The only texts that it may be, if they are fixed; at most 100 are shown.
    allowed: Vec<Quoted>,
}

async fn list(call: Call, args: WhichDatanets) -> Outcome<DatanetList> {
    let limit = within("limit", args.limit, 20, MOST_DATANETS)?;
    let mut all = call.get::<Datanets>(&["datanets"]).await?.datanets;
    all.sort_by(|a, b| a.record.name.cmp(&b.record.name));
    let wanted = args.contains.map(|words| words.to_lowercase()).unwrap_or_default();
    let fits = |one: &DatanetView| {
        let after = args.after.as_ref().is_none_or(|after| one.record.name > *after);
        after && (one.record.name.contains(&wanted) || one.record.description.to_lowercase().contains(&wanted))
    };
    let mut found: Vec<DatanetView> = all.into_iter().filter(fits).take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.record.name.clone());
    let line = |one: DatanetView| DatanetLine {
        name: one.record.name,
        id: one.record.id.to_string(),
        description: Quoted::line(&one.record.description),
        records: one.counts.records,
        price: one.record.price.into(),
    };
    Ok(DatanetList { notice: NOTICE.to_owned(), datanets: found.into_iter().map(line).collect(), next })
}

/// One datanet.
///
/// # Errors
/// The node's refusal, where it knows none of that name.
pub(in crate::mcp) async fn show(face: &Face, caller: &Caller, datanet: &str) -> Result<DatanetDetails, Refusal> {
    let DatanetView { record, counts } = face.get(caller, &path(&["datanets", datanet])?).await?;
    let field = |field: &datanet_types::schema::Field| FieldLine {
        name: Quoted::line(&field.name),
        kind: format!("{:?}", field.kind()).to_lowercase(),
        role: match field.role() {
            FieldRole::Text => "text",
            FieldRole::Label => "label",
            FieldRole::Data => "data",
        }
        .to_owned(),
        required: field.required,
        allowed: field.allowed.iter().take(100).map(|text| Quoted::line(text)).collect(),
    };
    Ok(DatanetDetails {
        notice: NOTICE.to_owned(),
        id: record.id.to_string(),
        description: Quoted::text(&record.description),
        licence: Quoted::line(&record.licence),
        owner: record.creator.to_string(),
        fields: record.schema.fields.iter().map(field).collect(),
        price: record.price.into(),
        min_bond: record.min_bond.into(),
        accept_threshold: record.accept_threshold,
        committee_size: record.committee_size,
        storage_quorum: record.storage_quorum,
        contributions: counts.contributions,
        final_contributions: counts.final_contributions,
        refused: counts.refused,
        records: counts.records,
        name: record.name,
    })
}

/// What to look for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SearchArgs {
    /// Words or a sentence.
    query: String,
    /// The datanet's name or id; all of them if not given.
    datanet: Option<String>,
    /// By words, by meaning, or both, which is usual.
    mode: Option<Mode>,
    /// At most this many records, 1 to 50; 10 if not given.
    #[schemars(range(min = 1, max = 50))]
    limit: Option<usize>,
}

/// How to search.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// By words.
    Text,
    /// By meaning.
    Semantic,
    /// Both.
    Hybrid,
}

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
struct Found {
    /// How to read what strangers wrote.
    notice: String,
    /// Best first.
    hits: Vec<HitLine>,
}

/// A record found.
#[derive(Debug, Serialize, JsonSchema)]
struct HitLine {
    /// Its datanet's id.
    datanet: String,
    /// Its contribution.
    contribution: String,
    /// Its place there, from 0.
    record: u64,
    /// How well it fits; comparable within one search only.
    score: f64,
    /// Its class.
    label: Option<Quoted>,
    /// Its words.
    text: Quoted,
}

async fn search(call: Call, args: SearchArgs) -> Outcome<Found> {
    let limit = Some(within("limit", args.limit, 10, MOST_HITS)?);
    if args.query.len() > LONGEST_QUERY {
        let detail = format!("\"query\" has {} bytes; at most {LONGEST_QUERY} are read", args.query.len());
        return Err(Refusal::argument(detail).into());
    }
    let mode = match args.mode {
        Some(Mode::Text) => SearchMode::Text,
        Some(Mode::Semantic) => SearchMode::Semantic,
        Some(Mode::Hybrid) | None => SearchMode::Hybrid,
    };
    let params = SearchParams { q: args.query, datanet: args.datanet, mode, limit };
    let hits: Hits = call.get_with(&["search"], &params).await?;
    let line = |one: datanet_api::search::SearchHit| HitLine {
        datanet: one.datanet.to_string(),
        contribution: one.hit.contribution.to_string(),
        record: one.hit.record,
        score: one.hit.score,
        label: one.hit.label.as_deref().map(Quoted::line),
        text: Quoted::text(&one.hit.text),
    };
    Ok(Found { notice: NOTICE.to_owned(), hits: hits.hits.into_iter().map(line).collect() })
}
