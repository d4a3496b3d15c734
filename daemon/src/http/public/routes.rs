//! The routes of the public face, and what each costs of what an address may ask for in a minute.

use axum::http::Method;
use datanet_api::Problem;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::problem::Refusal;
use super::super::routes::refusals;
use super::super::{
    Services, agent_card, agents, ask, channels, classify, contributions, datanets, epochs, generate, health, models,
    receipts, search, sellers, services, trainings, transactions, treasury, validators, x402,
};

/// What a view of the ledger costs, and what is not in the table.
const VIEW: u32 = 1;
/// What looks at many things, or at bytes.
const LOOK: u32 = 5;
/// What runs a model.
const ANSWER: u32 = 10;

/// Method, path and cost of every route. What is not here is not there.
const COSTS: &[(&str, &str, u32)] = &[
    ("GET", "/health/live", VIEW),
    ("GET", "/v1/datanets", VIEW),
    ("GET", "/v1/datanets/{id}", VIEW),
    ("GET", "/v1/datanets/{id}/history", VIEW),
    ("GET", "/v1/datanets/{id}/contributions", LOOK),
    ("GET", "/v1/contributions/{id}", LOOK),
    ("GET", "/v1/models", VIEW),
    ("GET", "/v1/models/{id}", VIEW),
    ("GET", "/v1/search", LOOK),
    ("POST", "/v1/ask", ANSWER),
    ("POST", "/v1/classify", ANSWER),
    ("POST", "/v1/chat/completions", ANSWER),
    ("POST", "/v1/completions", ANSWER),
    ("POST", "/v1/trainings/quote", LOOK),
    ("POST", "/v1/trainings", ANSWER),
    ("GET", "/v1/trainings/{id}", VIEW),
    ("GET", "/v1/trainings/{id}/file", LOOK),
    ("GET", "/v1/services", VIEW),
    ("POST", "/v1/agents/{id}/ask", ANSWER),
    ("GET", "/v1/receipts/{id}", LOOK),
    ("POST", "/v1/channels/{id}/statement", ANSWER),
    ("GET", "/v1/epochs", LOOK),
    ("GET", "/v1/epochs/{id}", VIEW),
    ("GET", "/.well-known/agent-card.json", LOOK),
    ("GET", "/v1/agents", LOOK),
    ("GET", "/v1/agents/{id}", VIEW),
    // It reads all who traded, to say who is trusted most.
    ("GET", "/v1/sellers", ANSWER),
    ("GET", "/v1/sellers/{seller}", VIEW),
    ("GET", "/v1/params", VIEW),
    ("GET", "/v1/treasury", VIEW),
    ("GET", "/v1/validators", VIEW),
    ("GET", "/v1/validators/{id}", VIEW),
    ("POST", "/v1/tx", LOOK),
    ("GET", "/v1/tx/{hash}", VIEW),
    ("GET", "/.well-known/x402.json", LOOK),
    ("GET", "/x402/discovery/resources", LOOK),
    ("GET", "/x402/supported", VIEW),
    // Signatures and the ledger's word for a transaction: as much as an answer, and nobody pays.
    ("POST", "/x402/settle", ANSWER),
    ("POST", "/x402/verify", ANSWER),
];

/// What a request costs, by its route's pattern.
pub(super) fn cost(method: &Method, route: Option<&str>) -> u32 {
    let found = COSTS.iter().find(|(known, path, _)| *known == method.as_str() && Some(*path) == route);
    found.map_or(VIEW, |(.., cost)| *cost)
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Datanet node, public face",
        description = "See what a network's ledger says, search its data, and buy answers. Pay by a voucher on a channel of your own with this node, which GET / names; open it by a transaction that you sign and send to /v1/tx. Or pay by x402 (version 2): what a 402 asks for stands in its header PAYMENT-REQUIRED. Amounts are integers in base units (1 DNT is 1,000,000); ids are hexadecimal; addresses start with dn1.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem), responses(Refusal))
)]
struct PublicDoc;

/// All of them.
pub(super) fn all() -> OpenApiRouter<Services> {
    OpenApiRouter::with_openapi(PublicDoc::openapi())
        .routes(routes!(health::live))
        .routes(routes!(datanets::list))
        .routes(routes!(datanets::show))
        .routes(routes!(datanets::history))
        .routes(routes!(contributions::list))
        .routes(routes!(contributions::show))
        .routes(routes!(models::list))
        .routes(routes!(models::show))
        .routes(routes!(search::search))
        .routes(routes!(ask::ask))
        .routes(routes!(classify::classify))
        .routes(routes!(generate::chat))
        .routes(routes!(generate::complete))
        .routes(routes!(trainings::quote))
        .routes(routes!(trainings::order))
        .routes(routes!(trainings::show))
        .routes(routes!(trainings::file))
        .routes(routes!(services::list))
        .routes(routes!(services::ask))
        .routes(routes!(receipts::show))
        .routes(routes!(channels::statement))
        .routes(routes!(epochs::list))
        .routes(routes!(epochs::show))
        .routes(routes!(agent_card::show))
        .routes(routes!(agents::list))
        .routes(routes!(agents::show))
        .routes(routes!(sellers::list))
        .routes(routes!(sellers::show))
        .routes(routes!(treasury::params))
        .routes(routes!(treasury::show))
        .routes(routes!(validators::list))
        .routes(routes!(validators::show))
        .routes(routes!(transactions::submit))
        .routes(routes!(transactions::show))
        .routes(routes!(x402::manifest))
        .routes(routes!(x402::resources))
        .routes(routes!(x402::supported))
        .routes(routes!(x402::settle))
        .routes(routes!(x402::verify))
}

/// The description with what every route may answer beside its own.
pub(super) fn finished(mut description: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for item in description.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post];
        operations.into_iter().flatten().for_each(|operation| operation.security = None);
    }
    refusals(description, &["403", "429"])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::routes::operations;

    fn routed() -> Vec<String> {
        let mut routed: Vec<String> = operations(all().split_for_parts().1)
            .into_iter()
            .map(|(method, path)| format!("{method} {path}"))
            .collect();
        routed.sort();
        routed
    }

    /// Whoever adds a route here says with this snapshot that strangers may have it.
    #[test]
    fn the_routes_of_the_public_face_do_not_drift() {
        insta::assert_snapshot!(routed().join("\n"));
    }

    #[test]
    fn every_route_has_its_cost() {
        let costed: BTreeSet<String> = COSTS.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
        assert_eq!((costed.len(), costed), (COSTS.len(), routed().into_iter().collect()));
        assert_eq!(cost(&Method::POST, Some("/v1/ask")), ANSWER);
        assert_eq!(cost(&Method::GET, None), VIEW);
    }

    #[test]
    fn nothing_of_keys_tokens_or_accounts_is_here() {
        // This one takes nothing: it says what was taken.
        for route in routed().into_iter().filter(|route| route != "POST /x402/settle") {
            for word in ["key", "token", "account", "transfer", "stake", "claim", "job", "settle", "close", "revoke"] {
                assert!(!route.contains(word), "{route}");
            }
        }
    }

    #[test]
    fn the_description_asks_for_no_token() {
        let (_, description) = all().split_for_parts();
        let text = finished(description).to_json().unwrap();
        assert!(!text.contains("\"security\"") && !text.contains("bearer"), "{text}");
    }
}
