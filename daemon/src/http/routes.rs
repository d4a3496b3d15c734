//! Every route, and the description of them all at `/openapi.json`.

use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    Services, accounts, ask, attributions, channels, classify, contributions, datanets, embeddings, epochs,
    fine_tuning, generate, health, keys, metrics, models, receipts, search, status, transactions,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Datanet node",
        description = "Contribute data, have it judged, search it, ask it, and be paid for it. Amounts are integers in base units (1 DNT is 1,000,000); ids are hexadecimal; addresses start with dn1. Send the token of the node's api-token file as a bearer token.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    security(("token" = [])),
    modifiers(&TokenScheme),
)]
struct ApiDoc;

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
        .routes(routes!(keys::list, keys::add))
        .routes(routes!(datanets::list, datanets::create))
        .routes(routes!(datanets::show))
        .routes(routes!(datanets::history))
        .routes(routes!(contributions::list))
        .routes(routes!(contributions::show))
        .routes(routes!(contributions::events))
        .routes(routes!(contributions::records))
        .routes(routes!(contributions::revoke))
        .routes(routes!(search::search))
        .routes(routes!(embeddings::create))
        .routes(routes!(models::list, models::register))
        .routes(routes!(models::import))
        .routes(routes!(models::show, models::delete))
        .routes(routes!(models::deploy, models::undeploy))
        .routes(routes!(models::rollback))
        .routes(routes!(models::verify))
        .routes(routes!(classify::classify))
        .routes(routes!(generate::chat))
        .routes(routes!(generate::complete))
        .routes(routes!(attributions::show))
        .routes(routes!(fine_tuning::list, fine_tuning::create))
        .routes(routes!(fine_tuning::show))
        .routes(routes!(fine_tuning::cancel))
        .routes(routes!(fine_tuning::events))
        .routes(routes!(fine_tuning::checkpoints))
        .routes(routes!(ask::ask))
        .routes(routes!(receipts::latest))
        .routes(routes!(receipts::show))
        .routes(routes!(receipts::verify))
        .routes(routes!(receipts::check))
        .routes(routes!(channels::list, channels::open))
        .routes(routes!(channels::close))
        .routes(routes!(epochs::settle))
        .routes(routes!(accounts::show))
        .routes(routes!(accounts::earnings))
        .routes(routes!(accounts::claim))
        .routes(routes!(accounts::supply))
        .routes(routes!(transactions::transfer))
        .routes(routes!(transactions::submit))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_of_the_interface_does_not_drift() {
        let (_, description) = described().merge(protected()).merge(uploads()).merge(open()).split_for_parts();
        insta::assert_snapshot!(description.to_pretty_json().unwrap());
    }
}
