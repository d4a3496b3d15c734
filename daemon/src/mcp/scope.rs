//! What a caller must be allowed to do for each tool, and whether it can be undone.
//!
//! One table: what a list of tools says of a tool and what a scoped token is held to are the same row.

use datanet_api::tokens::Scope;
use rmcp::model::ToolAnnotations;

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
    pub(super) scope: Scope,
    pub(super) effect: Effect,
    /// Whether it may cost money, which is agreed to before.
    pub(super) costs: bool,
    /// Whether words of strangers come back.
    pub(super) open_world: bool,
}

const fn row(name: &'static str, scope: Scope, effect: Effect, costs: bool, open_world: bool) -> Row {
    Row { name, scope, effect, costs, open_world }
}

/// All tools, by name.
pub(super) const TABLE: &[Row] = &[
    row("ask", Scope::Ask, Effect::Final, true, true),
    row("attributions", Scope::Read, Effect::Reads, false, true),
    row("balance", Scope::Read, Effect::Reads, false, false),
    row("channel_open", Scope::Spend, Effect::Final, true, false),
    row("claim", Scope::Spend, Effect::Sets, true, false),
    row("classify", Scope::Ask, Effect::Final, true, true),
    row("contribute", Scope::Contribute, Effect::Final, true, false),
    row("datanet", Scope::Read, Effect::Reads, false, true),
    row("datanets", Scope::Read, Effect::Reads, false, true),
    row("deploy", Scope::Train, Effect::Sets, false, false),
    row("earnings", Scope::Read, Effect::Reads, false, false),
    row("follow", Scope::Read, Effect::Reads, false, true),
    row("job", Scope::Read, Effect::Reads, false, false),
    row("job_cancel", Scope::Train, Effect::Final, false, false),
    row("jobs", Scope::Read, Effect::Reads, false, false),
    row("models", Scope::Read, Effect::Reads, false, true),
    row("quote", Scope::Read, Effect::Reads, false, false),
    row("receipt", Scope::Read, Effect::Reads, false, true),
    row("receipts", Scope::Read, Effect::Reads, false, false),
    row("search", Scope::Search, Effect::Reads, false, true),
    row("status", Scope::Read, Effect::Reads, false, false),
    row("train", Scope::Train, Effect::Adds, false, false),
    row("verify", Scope::Read, Effect::Reads, false, false),
];

/// What a caller must be allowed to do for the tool of this name; none if there is no such tool.
pub fn of_tool(name: &str) -> Option<Scope> {
    row_of(name).map(|row| row.scope)
}

pub(super) fn row_of(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

impl Row {
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

    #[test]
    fn the_documentation_says_of_every_tool_what_this_table_says() {
        for row in TABLE {
            let name = format!("`{}`", row.name);
            let mut lines = PAGE.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 5);
            let line = lines.find(|line| line.split('|').nth(1).is_some_and(|tools| tools.contains(&name)));
            let cells: Vec<&str> =
                line.unwrap_or_else(|| panic!("{name} is not told")).split('|').map(str::trim).collect();
            assert_eq!((cells[3], cells[4] == "yes"), (row.scope.name(), row.costs), "{name}");
        }
        assert_eq!(of_tool("ask"), Some(Scope::Ask));
        assert_eq!(of_tool("nothing"), None);
    }
}
