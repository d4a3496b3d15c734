//! What things take on the ledger, in bytes: a contribution by the size of its data, a round of judging, an epoch by its answers, a claim
//! by the leaves of its tree. All of it on one application in this process, without a network.

mod books;
mod judging;
mod serving;

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, Table, presets};
use datanet_types::settled_receipt::MAX_ANSWERS;
use serde::Serialize;

use self::books::Books;
use self::judging::Judging;
use self::serving::Serving;

/// Bytes of data that are given.
const SIZES: [(&str, u64); 3] = [("1 KiB", 1 << 10), ("1 MiB", 1 << 20), ("1 GiB", 1 << 30)];
/// Answers of an epoch; the last are as many as one takes.
const ANSWERS: [u64; 3] = [10, 1_000, MAX_ANSWERS];
/// Leaves of an epoch's tree.
const LEAVES: [u64; 3] = [10, 1_000, 100_000];

/// What one thing takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// What is done.
    pub cost: String,
    /// With how much.
    pub with: String,
    /// Transactions that it takes.
    pub txs: usize,
    /// Bytes of them.
    pub tx_bytes: usize,
    /// Bytes of keys and values that are written into the state, the authenticated and the derived; what is removed counts for nothing.
    pub state_bytes: usize,
    /// Gas that they take.
    pub gas: u64,
}

/// Computes all of them.
///
/// # Errors
/// When the ledger fails or refuses something.
pub fn run() -> Result<Vec<Cost>> {
    let mut costs = Vec::new();
    let judging = SIZES.map(|(with, bytes)| Judging::start(with, bytes));
    let judging = judging.into_iter().collect::<Result<Vec<_>>>()?;
    costs.extend(judging.iter().map(Judging::contribution));
    for judging in judging {
        costs.push(judging.round()?);
    }
    let mut serving = Serving::start()?;
    for answers in ANSWERS {
        costs.push(serving.epoch(answers)?);
    }
    for leaves in LEAVES {
        costs.push(serving.claim(leaves)?);
    }
    Ok(costs)
}

/// Prints costs: a table, or with `json` one object a line.
pub fn print(costs: &[Cost], json: bool) {
    if json {
        for cost in costs {
            crate::ui::print(serde_json::json!(cost));
        }
        return;
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    table.set_header(["", "with", "transactions", "bytes of them", "bytes of state", "gas"]);
    for Cost { cost, with, txs, tx_bytes, state_bytes, gas } in costs {
        let number = |value: u64| Cell::new(value).set_alignment(CellAlignment::Right);
        let numbers = [*txs as u64, *tx_bytes as u64, *state_bytes as u64, *gas].map(number);
        table.add_row([Cell::new(cost), Cell::new(with)].into_iter().chain(numbers));
    }
    crate::ui::print(&table);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The three of a kind.
    fn of<'a>(costs: &'a [Cost], what: &str) -> [&'a Cost; 3] {
        let found: Vec<&Cost> = costs.iter().filter(|cost| cost.cost == what).collect();
        found.try_into().unwrap()
    }

    /// Whether they are the same but for numbers, which are written in as many bytes as they need: a twentieth at most.
    fn same(values: [usize; 3]) -> bool {
        let (least, most) = (values.iter().min().unwrap(), values.iter().max().unwrap());
        (most - least) * 20 <= *most
    }

    #[test]
    fn only_a_claim_grows_with_how_much_there_is_and_only_with_its_logarithm() {
        let costs = run().unwrap();
        for what in ["a contribution", "a judged round", "a settled epoch"] {
            let all = of(&costs, what);
            assert!(same(all.map(|cost| cost.tx_bytes)) && same(all.map(|cost| cost.state_bytes)), "{all:?}");
            assert!(all.iter().all(|cost| cost.txs == all[0].txs && cost.state_bytes > cost.tx_bytes), "{all:?}");
        }
        let claims = of(&costs, "a claim");
        let [few, many, most] = claims.map(|cost| cost.tx_bytes);
        // Each step is a hundred times as many leaves, so it adds the same.
        assert!(few < many && (most - many).abs_diff(many - few) <= 2 * (32 + 9), "{claims:?}");
        // The bits of at most 2,048 leaves, one of which it sets, and the digits of numbers.
        let state = claims.map(|cost| cost.state_bytes);
        assert!(state.iter().max().unwrap() - state.iter().min().unwrap() <= 256 + 32, "{claims:?}");
    }
}
