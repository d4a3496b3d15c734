//! Every route, and the description of them all at `/openapi.json`.

use axum::http::StatusCode;
use datanet_api::Problem;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Ref, RefOr};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Refusal;
use super::{
    Services, accounts, agents, ask, attributions, channels, classify, contributions, datanets, embeddings, epochs,
    exports, fine_tuning, generate, health, keys, metrics, model_files, models, pools, proposals, quotes, receipts,
    scopes, search, sellers, services, shares, stake, status, tokens, trainings, transactions, treasury, validators,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Datanet node",
        description = "Contribute data, have it judged, search it, ask it, and be paid for it. Amounts are integers in base units (1 DNT is 1,000,000); ids are hexadecimal; addresses start with dn1. Send the token of the node's api-token file, or one of `datanet token create`, as a bearer token; each operation names the scope that it takes, and `admin` contains all.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    security(("token" = [])),
    components(schemas(Problem), responses(Refusal)),
    modifiers(&TokenScheme),
)]
struct ApiDoc;

/// A body that is no JSON.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(super) struct Bytes(#[expect(dead_code, reason = "it is only described")] Vec<u8>);

struct TokenScheme;

impl utoipa::Modify for TokenScheme {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// What wants the token.
pub(super) fn protected() -> OpenApiRouter<Services> {
    OpenApiRouter::new()
        .routes(routes!(status::status))
        .routes(routes!(status::peers))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::current))
        .routes(routes!(tokens::log))
        .routes(routes!(tokens::revoke))
        .routes(routes!(keys::list, keys::add))
        .routes(routes!(keys::grant))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::cancel_recovery))
        .routes(routes!(keys::recover))
        .routes(routes!(keys::of_account))
        .routes(routes!(datanets::list, datanets::create))
        .routes(routes!(datanets::show))
        .routes(routes!(datanets::history))
        .routes(routes!(datanets::debts))
        .routes(routes!(datanets::close))
        .routes(routes!(exports::records))
        .routes(routes!(exports::held_out, datanets::rotate_holdout))
        .routes(routes!(contributions::list))
        .routes(routes!(contributions::show))
        .routes(routes!(contributions::report))
        .routes(routes!(contributions::events))
        .routes(routes!(contributions::records))
        .routes(routes!(contributions::revoke))
        .routes(routes!(contributions::challenge))
        .routes(routes!(search::search))
        .routes(routes!(embeddings::create))
        .routes(routes!(models::list, models::register))
        .routes(routes!(models::import))
        .routes(routes!(trainings::register))
        .routes(routes!(models::show, models::delete))
        .routes(routes!(models::deploy, models::undeploy))
        .routes(routes!(models::rollback))
        .routes(routes!(models::verify))
        .routes(routes!(model_files::export))
        .routes(routes!(model_files::pull))
        .routes(routes!(model_files::remove))
        .routes(routes!(classify::classify))
        .routes(routes!(generate::chat))
        .routes(routes!(generate::complete))
        .routes(routes!(attributions::show))
        .routes(routes!(fine_tuning::list, fine_tuning::create))
        .routes(routes!(fine_tuning::show))
        .routes(routes!(fine_tuning::cancel))
        .routes(routes!(fine_tuning::events))
        .routes(routes!(fine_tuning::checkpoints))
        .routes(routes!(trainings::quote))
        .routes(routes!(trainings::order))
        .routes(routes!(trainings::show))
        .routes(routes!(trainings::file))
        .routes(routes!(ask::ask))
        .routes(routes!(quotes::quote))
        .routes(routes!(receipts::latest))
        .routes(routes!(receipts::show))
        .routes(routes!(receipts::verify))
        .routes(routes!(receipts::check))
        .routes(routes!(receipts::prove))
        .routes(routes!(channels::list, channels::open))
        .routes(routes!(channels::top_up))
        .routes(routes!(channels::close))
        .routes(routes!(channels::statement))
        .routes(routes!(channels::voucher))
        .routes(routes!(epochs::settle))
        .routes(routes!(epochs::list))
        .routes(routes!(epochs::show))
        .routes(routes!(epochs::check))
        .routes(routes!(epochs::challenge))
        .routes(routes!(stake::set))
        .routes(routes!(treasury::params, treasury::set))
        .routes(routes!(treasury::cancel_params))
        .routes(routes!(treasury::reset))
        .routes(routes!(treasury::show))
        .routes(routes!(treasury::spend))
        .routes(routes!(treasury::cancel))
        .routes(routes!(proposals::list, proposals::submit))
        .routes(routes!(proposals::show))
        .routes(routes!(proposals::vote))
        .routes(routes!(proposals::retire))
        .routes(routes!(proposals::upgrade))
        .routes(routes!(validators::list, validators::create))
        .routes(routes!(validators::show))
        .routes(routes!(validators::delegate))
        .routes(routes!(validators::undelegate))
        .routes(routes!(validators::redelegate))
        .routes(routes!(validators::unjail))
        .routes(routes!(validators::delegations))
        .routes(routes!(validators::withdraw))
        .routes(routes!(shares::list))
        .routes(routes!(shares::show, shares::issue))
        .routes(routes!(shares::held))
        .routes(routes!(shares::transfer))
        .routes(routes!(shares::withdraw))
        .routes(routes!(shares::pay))
        .routes(routes!(shares::claim))
        .routes(routes!(pools::list))
        .routes(routes!(pools::show, pools::create))
        .routes(routes!(pools::quote))
        .routes(routes!(pools::add))
        .routes(routes!(pools::remove))
        .routes(routes!(pools::buy))
        .routes(routes!(pools::sell))
        .routes(routes!(agents::list, agents::register))
        .routes(routes!(agents::show, agents::update))
        .routes(routes!(agents::retire))
        .routes(routes!(agents::grant))
        .routes(routes!(agents::revoke))
        .routes(routes!(services::list))
        .routes(routes!(services::ask))
        .routes(routes!(services::next))
        .routes(routes!(services::answer))
        .routes(routes!(sellers::list))
        .routes(routes!(sellers::show))
        .routes(routes!(sellers::open))
        .routes(routes!(sellers::rate))
        .routes(routes!(accounts::show))
        .routes(routes!(accounts::earnings))
        .routes(routes!(accounts::claim))
        .routes(routes!(accounts::supply))
        .routes(routes!(transactions::transfer))
        .routes(routes!(transactions::submit))
        .routes(routes!(transactions::estimate))
        .routes(routes!(transactions::show))
}

/// What wants the token and takes a body of any length, limited while it streams.
pub(super) fn uploads() -> OpenApiRouter<Services> {
    OpenApiRouter::new().routes(routes!(contributions::contribute))
}

/// What anybody may ask.
pub(super) fn open() -> OpenApiRouter<Services> {
    OpenApiRouter::new().routes(routes!(health::live)).routes(routes!(health::ready)).routes(routes!(metrics::metrics))
}

/// No route yet, but what is said of them all.
pub(super) fn described() -> OpenApiRouter<Services> {
    OpenApiRouter::with_openapi(ApiDoc::openapi())
}

/// The description with what every route may answer beside its own.
pub(super) fn finished(mut description: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    scopes::describe(&mut description);
    refusals(description, &["401", "403"])
}

/// The description with what any route of `/v1` may be refused with, and how any route may fail.
pub(super) fn refusals(mut description: utoipa::openapi::OpenApi, any: &[&str]) -> utoipa::openapi::OpenApi {
    let refusal = || Ref::from_response_name(Refusal::NAME).into();
    for (path, item) in &mut description.paths.paths {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let answers = &mut operation.responses.responses;
            answers.iter_mut().for_each(|(status, answer)| describe(status, answer));
            answers.entry("default".to_owned()).or_insert_with(refusal);
            if path.starts_with("/v1/") {
                for status in any {
                    answers.entry((*status).to_owned()).or_insert_with(refusal);
                }
            }
        }
    }
    description
}

/// Says of an answer what its status means, if nothing is said yet: a description without is not valid.
fn describe(status: &str, answer: &mut RefOr<utoipa::openapi::Response>) {
    let RefOr::T(answer) = answer else { return };
    if answer.description.is_empty() {
        let reason = StatusCode::from_bytes(status.as_bytes()).ok().and_then(|status| status.canonical_reason());
        answer.description = reason.unwrap_or("An answer.").to_owned();
    }
}

/// Method and path of every operation of a description, in order.
#[cfg(test)]
pub(super) fn operations(description: utoipa::openapi::OpenApi) -> std::collections::BTreeSet<(String, String)> {
    let mut all = std::collections::BTreeSet::new();
    for (path, item) in description.paths.paths {
        let operations = [
            ("GET", &item.get),
            ("POST", &item.post),
            ("PUT", &item.put),
            ("PATCH", &item.patch),
            ("DELETE", &item.delete),
        ];
        let there = operations.into_iter().filter(|(_, operation)| operation.is_some());
        all.extend(there.map(|(method, _)| (method.to_owned(), path.clone())));
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn whole() -> utoipa::openapi::OpenApi {
        finished(described().merge(protected()).merge(uploads()).merge(open()).split_for_parts().1)
    }

    fn description() -> Value {
        serde_json::to_value(whole()).unwrap()
    }

    /// Every operation with its path.
    fn operations(description: &Value) -> Vec<(&String, &Value)> {
        let paths = description["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, item)| item.as_object().unwrap().values().map(move |one| (path, one))).collect()
    }

    #[test]
    fn the_description_of_the_interface_does_not_drift() {
        insta::assert_snapshot!(whole().to_pretty_json().unwrap());
    }

    #[test]
    fn parameters_are_where_they_are_said_to_be() {
        for (path, operation) in operations(&description()) {
            let in_path: BTreeSet<&str> = path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect();
            let mut described = BTreeSet::new();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                match parameter["in"].as_str().unwrap() {
                    "path" => {
                        assert_eq!(parameter["required"], true, "{path} {name}");
                        described.insert(name);
                    }
                    "header" => assert_eq!(name, "Idempotency-Key", "{path}"),
                    place => assert!(place == "query" && !in_path.contains(name), "{path} {name} in {place}"),
                }
                assert!(parameter["schema"].is_object(), "{path} {name}");
            }
            assert_eq!(described, in_path, "{path}");
        }
    }

    #[test]
    fn operations_have_names_of_their_own_and_say_how_they_fail() {
        let description = description();
        let mut names = BTreeSet::new();
        for (path, operation) in operations(&description) {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{name} of {path} is taken");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.contains_key("default") && answers.keys().any(|status| status.starts_with('2')), "{path}");
            assert_eq!(answers.contains_key("401"), path.starts_with("/v1/"), "{path}");
            let is_open = operation["security"] == serde_json::json!([{}]);
            assert_eq!(is_open, !path.starts_with("/v1/"), "{path}: {}", operation["security"]);
            let scopes = &operation["security"][0]["token"];
            let any_token = path == "/v1/tokens/current";
            assert!(is_open || scopes.as_array().is_some_and(|scopes| scopes.is_empty() == any_token), "{path}");
        }
        assert_eq!(description["security"], serde_json::json!([{ "token": [] }]));
        assert_eq!(description["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn follow(value: &Value, root: &Value) {
            if let Some(target) = value["$ref"].as_str() {
                assert!(root.pointer(&target[1..]).is_some(), "{target}");
            }
            match value {
                Value::Object(fields) => fields.values().for_each(|inner| follow(inner, root)),
                Value::Array(items) => items.iter().for_each(|inner| follow(inner, root)),
                _ => {}
            }
        }
        follow(&description(), &description());
    }

    #[test]
    fn what_is_routed_is_described_and_what_is_described_is_routed() {
        let (router, description) = described().merge(protected()).merge(uploads()).merge(open()).split_for_parts();
        // A router has no list of its routes but in what it prints for people who debug.
        let printed = format!("{router:?}");
        let is_route = |text: &&str| text.starts_with('/') && text.len() > 1 && !text.contains("fallback");
        let routed: BTreeSet<&str> = printed.split('"').filter(is_route).collect();
        let described: BTreeSet<&str> = description.paths.paths.keys().map(String::as_str).collect();
        assert_eq!(routed, described);
    }
}
