//! What a caller must be allowed to do for each tool, and whether it can be undone.
//!
//! A tool's scope is its route's: the one of those that it calls which takes the most. What it reads beside takes `read`.

use axum::http::Method;
use datanet_api::tokens::Scope;
use rmcp::model::ToolAnnotations;

use crate::http::scopes;

/// What a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It reads and no more.
    Reads,
    /// It changes something; doing it again changes nothing more.
    Sets,
    /// It adds something that can be taken away again.
    Adds,
    /// It pays, or ends something: it cannot be undone.
    Final,
}

/// A tool's row.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// The route that does it.
    route: (Method, &'static str),
    pub(super) effect: Effect,
    /// Whether it may cost money, which is agreed to before.
    pub(super) costs: bool,
    /// Whether words of strangers come back.
    pub(super) open_world: bool,
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;

const fn row(
    name: &'static str,
    method: Method,
    path: &'static str,
    effect: Effect,
    costs: bool,
    open_world: bool,
) -> Row {
    Row { name, route: (method, path), effect, costs, open_world }
}

/// All tools, by name.
pub(super) const TABLE: &[Row] = &[
    row("agent", GET, "/v1/agents/{id}", Effect::Reads, false, true),
    row("agent_grant", POST, "/v1/agents/{id}/keys", Effect::Adds, true, false),
    row("agent_register", POST, "/v1/agents", Effect::Final, true, false),
    row("agent_revoke", POST, "/v1/agents/{id}/keys/revoke", Effect::Final, true, false),
    row("agent_update", POST, "/v1/agents/{id}", Effect::Sets, true, false),
    row("agents", GET, "/v1/agents", Effect::Reads, false, true),
    row("ask", POST, "/v1/ask", Effect::Final, true, true),
    row("attributions", GET, "/v1/attributions/{receipt}", Effect::Reads, false, true),
    row("balance", GET, "/v1/accounts/{address}", Effect::Reads, false, false),
    row("channel_open", POST, "/v1/channels", Effect::Final, true, false),
    row("claim", POST, "/v1/accounts/{address}/claim", Effect::Sets, true, false),
    row("classify", POST, "/v1/classify", Effect::Final, true, true),
    row("contribute", POST, "/v1/datanets/{id}/contributions", Effect::Final, true, false),
    row("datanet", GET, "/v1/datanets/{id}", Effect::Reads, false, true),
    row("datanets", GET, "/v1/datanets", Effect::Reads, false, true),
    row("deploy", POST, "/v1/models/{id}/deploy", Effect::Sets, false, false),
    row("earnings", GET, "/v1/accounts/{address}/earnings", Effect::Reads, false, false),
    row("follow", GET, "/v1/contributions/{id}/events", Effect::Reads, false, true),
    row("job", GET, "/v1/fine_tuning/jobs/{id}", Effect::Reads, false, false),
    row("job_cancel", POST, "/v1/fine_tuning/jobs/{id}/cancel", Effect::Final, false, false),
    row("jobs", GET, "/v1/fine_tuning/jobs", Effect::Reads, false, false),
    row("models", GET, "/v1/models", Effect::Reads, false, true),
    row("proposals", GET, "/v1/proposals", Effect::Reads, false, true),
    row("quote", GET, "/v1/datanets/{id}", Effect::Reads, false, false),
    row("receipt", GET, "/v1/receipts/{id}", Effect::Reads, false, true),
    row("receipts", GET, "/v1/receipts", Effect::Reads, false, false),
    row("search", GET, "/v1/search", Effect::Reads, false, true),
    row("sellers", GET, "/v1/sellers", Effect::Reads, false, false),
    row("shares", GET, "/v1/accounts/{address}/shares", Effect::Reads, false, false),
    row("shares_buy", POST, "/v1/pools/{asset}/buy", Effect::Final, true, false),
    row("shares_income", POST, "/v1/shares/{asset}/withdraw", Effect::Sets, true, false),
    row("shares_sell", POST, "/v1/pools/{asset}/sell", Effect::Final, true, false),
    row("shares_transfer", POST, "/v1/shares/{asset}/transfer", Effect::Final, true, false),
    row("status", GET, "/v1/status", Effect::Reads, false, false),
    row("train", POST, "/v1/fine_tuning/jobs", Effect::Adds, false, false),
    row("verify", POST, "/v1/receipts/{id}/verify", Effect::Reads, false, false),
    row("vote", POST, "/v1/proposals/{number}/vote", Effect::Sets, true, false),
];

/// What a caller must be allowed to do for the tool of this name; none if there is no such tool.
pub fn of_tool(name: &str) -> Option<Scope> {
    row_of(name).map(Row::scope)
}

pub(super) fn row_of(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

impl Row {
    /// What a caller must be allowed to do.
    pub(super) fn scope(&self) -> Scope {
        // A route that any token opens is none of these; the test below holds that each is a route.
        scopes::of(&self.route.0, self.route.1).unwrap_or(Scope::Admin)
    }

    /// The same in the protocol's words.
    pub(super) fn annotations(&self) -> ToolAnnotations {
        let reads = self.effect == Effect::Reads;
        ToolAnnotations::new()
            .read_only(reads)
            .destructive(self.effect == Effect::Final)
            .idempotent(reads || self.effect == Effect::Sets)
            .open_world(self.open_world)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the documentation, by lines: tools, scope, whether it costs.
    const PAGE: &str = include_str!("../../../docs/agents.md");
    /// What only the operator's token may: whoever registers agents decides about accounts.
    const OWNERS: &[&str] = &["agent_grant", "agent_register", "agent_revoke", "agent_update"];

    #[test]
    fn no_tool_is_of_a_route_that_nobody_has_said_the_scope_of() {
        for row in TABLE {
            assert_eq!(row.scope() == Scope::Admin, OWNERS.contains(&row.name), "{}", row.name);
            assert_eq!(
                row.effect == Effect::Reads,
                matches!(row.scope(), Scope::Read | Scope::Search) || row.route.0 == GET,
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn the_documentation_says_of_every_tool_what_this_table_says() {
        for row in TABLE {
            let name = format!("`{}`", row.name);
            let mut lines = PAGE.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 5);
            let line = lines.find(|line| line.split('|').nth(1).is_some_and(|tools| tools.contains(&name)));
            let cells: Vec<&str> =
                line.unwrap_or_else(|| panic!("{name} is not told")).split('|').map(str::trim).collect();
            assert_eq!((cells[3], cells[4] == "yes"), (row.scope().name(), row.costs), "{name}");
        }
        for (tool, scope) in
            [("ask", Scope::Ask), ("jobs", Scope::Train), ("receipts", Scope::Read), ("vote", Scope::Spend)]
        {
            assert_eq!(of_tool(tool), Some(scope), "{tool}");
        }
        assert_eq!(of_tool("nothing"), None);
    }
}
