//! What the economy leaves behind: who has what, how he came to it, and what does not add up.

use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment, Table, presets};
use datanet_types::epoch::EpochTotals;
use serde::Serialize;

use super::books::What;
use super::cast::{FUNDS, Part, Player};
use super::cheats::Outcome;
use super::svg::Flow;
use crate::ui::{Ui, dnt};

/// Somebody's account.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    pub(super) name: String,
    part: Part,
    before: u64,
    pub(super) after: u64,
    /// Base units paid for answers.
    paid: u64,
    /// Base units that lie in channels and records in its name.
    pub(super) locked: u64,
    /// All that the blocks say of it.
    moved: BTreeMap<What, i128>,
}

impl Line {
    pub(super) fn new(player: &Player, after: u64, paid: u64, moved: BTreeMap<What, i128>) -> Self {
        let of = |what: What| moved.get(&what).copied().unwrap_or_default();
        let locked = -of(What::Channels) - i128::from(paid) - of(What::Deposits);
        let locked = u64::try_from(locked).unwrap_or_default();
        Self { name: player.name.clone(), part: player.part, before: player.before, after, paid, locked, moved }
    }

    fn of(&self, what: What) -> i128 {
        self.moved.get(&what).copied().unwrap_or_default()
    }

    /// What the blocks do not explain. Of those who run nodes that is what nodes are paid and put up outside of transactions: judging, serving,
    /// keeping statements.
    fn unexplained(&self) -> i128 {
        let began = if self.part == Part::Operator { self.before } else { 0 };
        i128::from(self.after) - i128::from(began) - self.moved.values().sum::<i128>()
    }
}

/// See the module.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Report {
    pub(super) lines: Vec<Line>,
    pub(super) cheats: Vec<Outcome>,
    pub(super) flows: Vec<Flow>,
    pub(super) epochs: usize,
    /// Base units that somebody earned and did not claim yet, since that would cost more.
    pub(super) left: BTreeMap<String, u64>,
    pub(super) transactions: usize,
    pub(super) supply_before: u64,
    pub(super) supply_after: u64,
    pub(super) minted: u64,
    /// What does not add up; the demo fails of it.
    pub(super) problems: Vec<String>,
}

impl Report {
    /// What went into epochs is what came out of them.
    pub(super) fn check_epochs(&mut self, epochs: &[(String, EpochTotals)], claimed: u128) {
        let fees: u64 = epochs.iter().map(|(_, totals)| totals.fees).sum();
        let claimable: u64 = epochs.iter().map(|(_, totals)| totals.claimable()).sum();
        let stage =
            |stage: usize| self.flows.iter().filter(|flow| flow.stage == stage).map(|flow| flow.amount).sum::<u64>();
        let (paid, had) = (stage(0), stage(1));
        if paid != fees {
            self.problems.push(format!("channels were charged {paid}, epochs say {fees}"));
        }
        if had != fees {
            self.problems.push(format!("of {fees} paid for answers {had} reached somebody"));
        }
        let left: u64 = self.left.values().sum();
        if claimed + u128::from(left) != u128::from(claimable) {
            self.problems.push(format!("of {claimable} earned {claimed} was claimed, and {left} is left to claim"));
        }
        let nodes: std::collections::BTreeSet<&str> =
            self.flows.iter().filter(|flow| flow.stage == 1).map(|flow| flow.from.as_str()).collect();
        for node in nodes {
            let comes: u64 =
                self.flows.iter().filter(|flow| flow.stage == 0 && flow.to == node).map(|flow| flow.amount).sum();
            let goes: u64 =
                self.flows.iter().filter(|flow| flow.stage == 1 && flow.from == node).map(|flow| flow.amount).sum();
            if comes != goes {
                self.problems.push(format!("{node} was paid {comes}, and {goes} went on from there"));
            }
        }
    }

    /// Somebody has claimed all that he earned, but for what a transaction's fee is more than.
    pub(super) fn check_claimed(&mut self, who: &str, left: u64, fee: u64) {
        if left == 0 {
            return;
        }
        self.left.insert(who.to_owned(), left);
        if left > fee {
            self.problems.push(format!("{who} did not claim {left}, which is more than a fee of {fee}"));
        }
    }

    /// Accounts have what the blocks say, the supply is what it was, and who cheats has no more than before.
    pub(super) fn check(&mut self) {
        for line in self.lines.iter().filter(|line| line.part != Part::Operator) {
            let unexplained = line.unexplained();
            if unexplained != 0 {
                self.problems.push(format!(
                    "{} has {} base units that no block explains: {:?}",
                    line.name, unexplained, line.moved
                ));
            }
        }
        if self.supply_before != self.supply_after || self.supply_after != self.minted {
            let (before, after, minted) = (self.supply_before, self.supply_after, self.minted);
            self.problems.push(format!("supply: {before} before, {after} after, {minted} minted"));
        }
        for cheat in &self.cheats {
            if cheat.gain() >= 0 {
                self.problems.push(format!("{} gained {}", cheat.who, cheat.gain()));
            }
        }
    }

    /// Shows everything to a person.
    pub(super) fn show(&self, ui: &Ui) {
        ui.line(format!("\n{}", self.accounts()));
        ui.line("Funded with 50 DNT each; of nodes what they had and have. Amounts are DNT.");
        ui.line(format!("\n{}", self.outcomes()));
        let paid: u64 = self.flows.iter().filter(|flow| flow.stage == 0).map(|flow| flow.amount).sum();
        ui.line(format!("\nAnswers   {} paid in {} epochs, all of it to somebody", dnt(paid), self.epochs));
        for (who, left) in &self.left {
            ui.line(format!("Left      {} that {who} earned, less than the fee of claiming it", dnt(*left)));
        }
        let explained = self.lines.iter().filter(|line| line.part != Part::Operator).count();
        ui.line(format!("Books     {} transactions explain {explained} accounts to the last unit", self.transactions));
        ui.line(format!("Supply    {} before, {} after", dnt(self.supply_before), dnt(self.supply_after)));
        for problem in &self.problems {
            ui.line(format!("\n✗ {problem}"));
        }
    }

    fn accounts(&self) -> Table {
        let mut table = table(&[
            "who", "is", "before", "after", "answers", "earned", "income", "shares", "fees", "locked", "other",
        ]);
        for line in &self.lines {
            let node = line.part == Part::Operator;
            let before = if node { line.before } else { FUNDS };
            let fees = line.of(What::Fees) + line.of(What::Reviews) + line.of(What::Bonds);
            let other = line.unexplained() + if node { line.of(What::Transfers) } else { 0 };
            let cells = [
                i128::from(before),
                line.after.into(),
                -i128::from(line.paid),
                line.of(What::Earned),
                line.of(What::Income),
                line.of(What::Shares),
                fees,
                -i128::from(line.locked),
                other,
            ];
            let names = [Cell::new(&line.name), Cell::new(line.part.name())];
            table.add_row(names.into_iter().chain(cells.map(|amount| right(signed(amount)))).collect::<Vec<_>>());
        }
        table
    }

    fn outcomes(&self) -> Table {
        let mut table = table(&["who cheats", "how", "before", "after", "locked", "gained", "because"]);
        for cheat in &self.cheats {
            table.add_row(vec![
                Cell::new(&cheat.who),
                Cell::new(&cheat.tried),
                right(signed(cheat.before.into())),
                right(signed(cheat.after.into())),
                right(signed(cheat.locked.into())),
                right(signed(cheat.gain())),
                Cell::new(&cheat.stopped_by),
            ]);
        }
        table
    }
}

/// DNT with a sign where it is less than nothing, and a dash for nothing.
fn signed(amount: i128) -> String {
    if amount == 0 {
        return "–".to_owned();
    }
    let text = dnt(u64::try_from(amount.unsigned_abs()).unwrap_or(u64::MAX));
    let digits = text.trim_end_matches(" DNT");
    if amount < 0 { format!("-{digits}") } else { digits.to_owned() }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    if !table.is_tty() {
        table.set_width(150);
    }
    table.set_header(header);
    table
}

fn right(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_no_block_explains_and_a_cheat_who_gains_are_problems() {
        let player = Player {
            name: "ann".into(),
            part: Part::Asker,
            node: 0,
            key: "ann".into(),
            address: String::new(),
            before: 10,
        };
        let moved = BTreeMap::from([(What::Transfers, 100), (What::Channels, -30), (What::Fees, -2)]);
        let line = Line::new(&player, 68, 20, moved);
        assert_eq!((line.locked, line.unexplained()), (10, 0));
        let cheat = |after| Outcome {
            who: "x".into(),
            tried: String::new(),
            before: 5,
            after,
            locked: 0,
            stopped_by: String::new(),
        };
        let mut good = Report { lines: vec![line.clone()], cheats: vec![cheat(4)], ..Report::default() };
        good.check();
        assert!(good.problems.is_empty(), "{:?}", good.problems);
        let mut bad =
            Report { lines: vec![Line { after: 69, ..line }], cheats: vec![cheat(5)], minted: 1, ..Report::default() };
        bad.check();
        assert_eq!(bad.problems.len(), 3, "{:?}", bad.problems);
    }

    #[test]
    fn amounts_have_their_sign() {
        assert_eq!((signed(0), signed(-1_500_000), signed(20)), ("–".into(), "-1.5".into(), "0.00002".into()));
    }
}
