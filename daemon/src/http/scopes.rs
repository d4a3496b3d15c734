//! What each route of the operator's face takes: the one table that says so. A route that is not in it takes `admin`, and a test names it.

use axum::http::Method;
use datanet_api::tokens::Scope;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;

use crate::mcp;

use Scope::{Admin, Ask, Contribute, Read, Search, Spend, Train};

/// Method, path, and the scope that it takes.
const TABLE: &[(&str, &str, Scope)] = &[
    ("GET", "/v1/status", Read),
    ("GET", "/v1/peers", Read),
    ("GET", "/v1/tokens", Admin),
    ("POST", "/v1/tokens", Admin),
    ("DELETE", "/v1/tokens/{id}", Admin),
    ("GET", "/v1/tokens/log", Admin),
    ("GET", "/v1/keys", Admin),
    ("POST", "/v1/keys", Admin),
    ("POST", "/v1/keys/{name}/grants", Admin),
    ("POST", "/v1/keys/{name}/revoke", Admin),
    ("POST", "/v1/keys/{name}/rotate", Admin),
    ("DELETE", "/v1/keys/{name}/recovery", Admin),
    ("POST", "/v1/accounts/{address}/recovery", Admin),
    ("GET", "/v1/accounts/{address}/keys", Read),
    ("GET", "/v1/datanets", Read),
    ("POST", "/v1/datanets", Contribute),
    ("GET", "/v1/datanets/{id}", Read),
    ("GET", "/v1/datanets/{id}/history", Read),
    ("GET", "/v1/datanets/{id}/debts", Read),
    ("POST", "/v1/datanets/{id}/close", Contribute),
    ("GET", "/v1/datanets/{id}/records", Read),
    ("GET", "/v1/datanets/{id}/holdout", Read),
    ("POST", "/v1/datanets/{id}/holdout", Contribute),
    ("GET", "/v1/datanets/{id}/contributions", Read),
    ("POST", "/v1/datanets/{id}/contributions", Contribute),
    ("GET", "/v1/contributions/{id}", Read),
    ("GET", "/v1/contributions/{id}/report", Read),
    ("GET", "/v1/contributions/{id}/events", Read),
    ("GET", "/v1/contributions/{id}/records", Read),
    ("POST", "/v1/contributions/{id}/revoke", Contribute),
    ("POST", "/v1/contributions/{id}/challenge", Contribute),
    ("GET", "/v1/search", Search),
    ("POST", "/v1/embeddings", Ask),
    ("GET", "/v1/models", Read),
    ("POST", "/v1/models", Train),
    ("POST", "/v1/models/import", Train),
    ("POST", "/v1/models/bought", Train),
    ("GET", "/v1/models/{id}", Read),
    ("DELETE", "/v1/models/{id}", Train),
    ("POST", "/v1/models/{id}/deploy", Train),
    ("DELETE", "/v1/models/{id}/deploy", Train),
    ("POST", "/v1/models/{id}/rollback", Train),
    ("POST", "/v1/models/{id}/verify", Train),
    ("GET", "/v1/models/{id}/export", Read),
    ("POST", "/v1/models/{id}/pull", Train),
    ("DELETE", "/v1/models/{id}/files", Train),
    ("POST", "/v1/classify", Ask),
    ("POST", "/v1/chat/completions", Ask),
    ("POST", "/v1/completions", Ask),
    ("GET", "/v1/attributions/{receipt}", Read),
    ("GET", "/v1/fine_tuning/jobs", Train),
    ("POST", "/v1/fine_tuning/jobs", Train),
    ("GET", "/v1/fine_tuning/jobs/{id}", Train),
    ("POST", "/v1/fine_tuning/jobs/{id}/cancel", Train),
    ("GET", "/v1/fine_tuning/jobs/{id}/events", Train),
    ("GET", "/v1/fine_tuning/jobs/{id}/checkpoints", Train),
    // What somebody brings a voucher for is his own, whoever's token it is.
    ("POST", "/v1/trainings/quote", Ask),
    ("POST", "/v1/trainings", Ask),
    ("GET", "/v1/trainings/{id}", Ask),
    ("GET", "/v1/trainings/{id}/file", Ask),
    ("POST", "/v1/ask", Ask),
    ("POST", "/v1/quotes", Ask),
    // What others have asked here is theirs, so that each sees its own; who has a receipt's id may read it.
    ("GET", "/v1/receipts", Read),
    ("GET", "/v1/receipts/{id}", Read),
    ("POST", "/v1/receipts/{id}/verify", Read),
    ("POST", "/v1/receipts/check", Read),
    ("POST", "/v1/receipts/{id}/prove", Spend),
    ("GET", "/v1/channels", Read),
    ("POST", "/v1/channels", Ask),
    ("POST", "/v1/channels/{id}/top-up", Ask),
    ("POST", "/v1/channels/{id}/close", Ask),
    ("POST", "/v1/channels/{id}/statement", Ask),
    // Whoever has a voucher can spend it, and no limit counts it.
    ("POST", "/v1/channels/{id}/voucher", Admin),
    ("POST", "/v1/epochs/settle", Admin),
    ("GET", "/v1/epochs", Read),
    ("GET", "/v1/epochs/{id}", Read),
    ("POST", "/v1/epochs/{id}/check", Read),
    ("POST", "/v1/epochs/{id}/challenge", Spend),
    ("POST", "/v1/stake", Admin),
    ("GET", "/v1/params", Read),
    ("POST", "/v1/params", Admin),
    ("POST", "/v1/params/cancel", Admin),
    ("POST", "/v1/components/{name}/reset", Admin),
    ("GET", "/v1/treasury", Read),
    ("POST", "/v1/treasury/spends", Admin),
    ("POST", "/v1/treasury/spends/{number}/cancel", Admin),
    ("POST", "/v1/authority/retire", Admin),
    ("GET", "/v1/proposals", Read),
    ("POST", "/v1/proposals", Spend),
    ("GET", "/v1/proposals/{number}", Read),
    ("POST", "/v1/proposals/{number}/vote", Spend),
    ("GET", "/v1/upgrade", Read),
    ("GET", "/v1/shares", Read),
    ("GET", "/v1/shares/{asset}", Read),
    ("POST", "/v1/shares/{asset}", Spend),
    ("POST", "/v1/shares/{asset}/claim", Spend),
    ("POST", "/v1/shares/{asset}/income", Spend),
    ("POST", "/v1/shares/{asset}/transfer", Spend),
    ("POST", "/v1/shares/{asset}/withdraw", Spend),
    ("GET", "/v1/accounts/{address}/shares", Read),
    ("GET", "/v1/pools", Read),
    ("GET", "/v1/pools/{asset}", Read),
    ("GET", "/v1/pools/{asset}/quote", Read),
    ("POST", "/v1/pools/{asset}", Spend),
    ("POST", "/v1/pools/{asset}/add", Spend),
    ("POST", "/v1/pools/{asset}/buy", Spend),
    ("POST", "/v1/pools/{asset}/remove", Spend),
    ("POST", "/v1/pools/{asset}/sell", Spend),
    ("GET", "/v1/agents", Read),
    ("POST", "/v1/agents", Admin),
    ("GET", "/v1/agents/{id}", Read),
    ("POST", "/v1/agents/{id}", Admin),
    ("POST", "/v1/agents/{id}/retire", Admin),
    ("POST", "/v1/agents/{id}/keys", Admin),
    ("POST", "/v1/agents/{id}/keys/revoke", Admin),
    ("GET", "/v1/services", Read),
    ("POST", "/v1/agents/{id}/ask", Ask),
    // Whoever answers for an agent gives in its name, and takes nothing.
    ("POST", "/v1/agents/{id}/calls", Contribute),
    ("POST", "/v1/agents/{id}/answers", Contribute),
    ("GET", "/v1/sellers", Read),
    ("GET", "/v1/sellers/{seller}", Read),
    ("GET", "/v1/accounts/{address}/ratings", Read),
    // Whoever bought says how good it was: it moves no money but the fee.
    ("POST", "/v1/ratings", Ask),
    ("GET", "/v1/validators", Read),
    ("POST", "/v1/validators", Admin),
    ("GET", "/v1/validators/{id}", Read),
    ("POST", "/v1/validators/{id}/delegate", Spend),
    ("POST", "/v1/validators/{id}/undelegate", Spend),
    ("POST", "/v1/validators/{id}/redelegate", Spend),
    ("POST", "/v1/validators/{id}/unjail", Spend),
    ("GET", "/v1/accounts/{address}", Read),
    ("GET", "/v1/accounts/{address}/earnings", Read),
    ("POST", "/v1/accounts/{address}/claim", Spend),
    ("GET", "/v1/accounts/{address}/delegations", Read),
    ("POST", "/v1/accounts/{address}/rewards", Spend),
    ("GET", "/v1/supply", Read),
    ("POST", "/v1/transfers", Spend),
    ("POST", "/v1/tx", Spend),
    ("POST", "/v1/tx/estimate", Spend),
    ("GET", "/v1/tx/{hash}", Read),
];

/// Routes that any token opens: what it may is its own to know.
const ANY: &[(&str, &str)] = &[("GET", "/v1/tokens/current")];

/// The scope that a route takes, by its pattern; none where any token will do. What is called over the Model Context Protocol goes through the
/// routes here with its caller's token, so that the endpoint itself takes none.
pub fn of(method: &Method, route: &str) -> Option<Scope> {
    if route == mcp::PATH {
        return None;
    }
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    if ANY.contains(&(method, route)) {
        return None;
    }
    let found = TABLE.iter().find(|(known, at, _)| *known == method && *at == route);
    // Nobody has said what it takes.
    Some(found.map_or(Admin, |(.., scope)| *scope))
}

/// Says of each operation which scope it takes: role names of the scheme, as OpenAPI 3.1 has them for other schemes than OAuth.
pub(super) fn describe(description: &mut OpenApi) {
    for (path, item) in &mut description.paths.paths {
        let operations = [
            (Method::GET, &mut item.get),
            (Method::POST, &mut item.post),
            (Method::PUT, &mut item.put),
            (Method::PATCH, &mut item.patch),
            (Method::DELETE, &mut item.delete),
        ];
        for (method, operation) in operations.into_iter().filter(|_| path.starts_with("/v1/")) {
            let Some(operation) = operation else { continue };
            say(operation, of(&method, path));
        }
    }
}

fn say(operation: &mut Operation, scope: Option<Scope>) {
    let names = scope.into_iter().map(Scope::name);
    operation.security = Some(vec![SecurityRequirement::new("token", names)]);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::routes;

    fn routed() -> BTreeSet<(String, String)> {
        let all = routes::described().merge(routes::protected()).merge(routes::uploads());
        routes::operations(all.split_for_parts().1)
    }

    #[test]
    fn every_route_says_which_scope_it_takes_and_no_other_does() {
        let rows =
            TABLE.iter().map(|(method, path, _)| (method, path)).chain(ANY.iter().map(|(method, path)| (method, path)));
        let said: Vec<(String, String)> =
            rows.map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
        let set: BTreeSet<_> = said.iter().cloned().collect();
        assert_eq!(set.len(), said.len(), "a route stands there twice");
        assert_eq!(set, routed());
    }

    #[test]
    fn reading_changes_nothing_and_what_changes_something_takes_more_than_reading() {
        // What is posted to be looked at: it writes nothing, here or on the ledger.
        const LOOKS: [&str; 3] = ["/v1/receipts/{id}/verify", "/v1/receipts/check", "/v1/epochs/{id}/check"];
        for (method, path, scope) in TABLE {
            let reads = *method == "GET" || LOOKS.contains(path);
            assert!(reads || !matches!(scope, Read | Search), "{method} {path} takes {scope}");
        }
        for (path, scope) in [("/v1/keys", Admin), ("/v1/transfers", Spend), ("/v1/nothing", Admin)] {
            assert_eq!(of(&Method::POST, path), Some(scope));
        }
        assert_eq!(of(&Method::HEAD, "/v1/status"), Some(Read));
    }
}
