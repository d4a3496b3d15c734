//! What can be read by address: datanets, contributions, receipts, and the page that shows an answer.

use datanet_api::datanets::Datanets;
use rmcp::ErrorData;
use rmcp::model::{CacheScope, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde::Serialize;

use super::face::{Caller, Face, path};
use super::refusal::Refusal;
use super::server::{MOVING, protocol_error};
use super::{app, tools};
use crate::quoted;

const JSON: &str = "application/json";
const DATANETS: &str = "datanet://datanets/";
const CONTRIBUTIONS: &str = "datanet://contributions/";
const RECEIPTS: &str = "datanet://receipts/";
/// Most datanets in the list; `datanets` pages through all of them.
const MOST: usize = 100;

/// The page, and the datanets by name.
///
/// # Errors
/// The node's refusal.
pub(super) async fn list(face: &Face, caller: &Caller) -> Result<Vec<Resource>, Refusal> {
    let mut datanets: Datanets = face.get(caller, &path(&["datanets"])?).await?;
    datanets.datanets.sort_by(|a, b| a.record.name.cmp(&b.record.name));
    let resource = |one: &datanet_api::datanets::DatanetView| {
        let name = &one.record.name;
        Resource::new(format!("{DATANETS}{name}"), name.clone())
            .with_description(format!("A datanet of {} records.", one.counts.records))
            .with_mime_type(JSON)
    };
    let mut listed = vec![app::resource()];
    listed.extend(datanets.datanets.iter().take(MOST).map(resource));
    Ok(listed)
}

/// What there is an address for without a list.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: &str, variable: &str, name: &str, says: &str| {
        ResourceTemplate::new(format!("{uri}{{{variable}}}"), name).with_description(says).with_mime_type(JSON)
    };
    vec![
        template(CONTRIBUTIONS, "id", "contribution", "A contribution: its state, its scores, and why."),
        template(DATANETS, "name", "datanet", "A datanet, by name or id: its fields, licence and price."),
        template(RECEIPTS, "id", "receipt", "An answer with its proof: whose data made it, and who is paid."),
    ]
}

/// What stands at `uri`.
///
/// # Errors
/// Not found, where nothing does.
pub(super) async fn read(face: &Face, caller: &Caller, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    if uri == app::URI {
        return Ok(app::contents());
    }
    let of = |prefix: &str| uri.strip_prefix(prefix).filter(|id| is_one_segment(id));
    let text = if let Some(name) = of(DATANETS) {
        json(tools::datanet(face, caller, name).await)
    } else if let Some(id) = of(CONTRIBUTIONS) {
        json(tools::contribution(face, caller, id).await)
    } else if let Some(id) = of(RECEIPTS) {
        json(tools::receipt(face, caller, id).await)
    } else {
        let detail =
            format!("there is nothing at {:?}; resources/templates/list has what there is", quoted::clean(uri, 80));
        return Err(ErrorData::resource_not_found(detail, None));
    };
    let contents = ResourceContents::text(text?, uri).with_mime_type(JSON);
    Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(MOVING).with_cache_scope(CacheScope::Private))
}

/// Names and ids have no others; so an address has one spelling.
fn is_one_segment(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn json(value: Result<impl Serialize, Refusal>) -> Result<String, ErrorData> {
    let value = value.map_err(protocol_error)?;
    serde_json::to_string(&value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
