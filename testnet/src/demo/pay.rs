//! Settling what was served, and everyone claiming.

use anyhow::{Context as _, Result};

use super::parties::Party;
use super::report::Payout;
use crate::api::{Client, Earnings};
use crate::network::Network;
use crate::ui::{Ui, dnt};

/// Settles the epoch of each serving node.
pub(super) async fn settle(clients: &[Client], serving: usize, ui: &Ui) -> Result<()> {
    let step = ui.step("settling the epoch");
    let mut settled = 0;
    for (index, client) in clients.iter().enumerate().take(serving) {
        let epoch = client.settle().await.with_context(|| format!("node{index} cannot settle its epoch"))?;
        settled += usize::from(epoch.is_some());
    }
    step.done(format!("{settled} transactions for all answers"));
    Ok(())
}

/// Everyone claims: contributors, and the nodes as owners, servers and validators. Who earned nothing is left out.
pub(super) async fn claim_all(
    network: &Network,
    clients: &[Client],
    parties: &[Party],
    ui: &Ui,
) -> Result<Vec<Payout>> {
    let nodes = network.nodes().iter().enumerate().map(|(i, node)| (node.name(), node.account(), i));
    let contributors = parties.iter().map(|p| (p.name.as_str(), p.key.address.as_str(), p.node));
    let everyone: Vec<(&str, &str, usize)> = contributors.chain(nodes).collect();
    let step = ui.bar("claiming", everyone.len());
    let mut payouts = Vec::new();
    for (name, address, node) in everyone {
        let client = &clients[node];
        let earnings = client.earnings(address).await.with_context(|| format!("cannot see what {name} earned"))?;
        if earnings.claimable > 0 {
            let claimed = client.claim(address).await.with_context(|| format!("{name} cannot claim"))?;
            payouts.push(Payout {
                account: address.to_owned(),
                contributor: name.to_owned(),
                amount: claimed.total,
                why: why(&earnings),
            });
        }
        step.one(name);
    }
    let total: u64 = payouts.iter().map(|p| p.amount).sum();
    step.done(format!("{} accounts were paid {}", payouts.len(), dnt(total)));
    Ok(payouts)
}

/// The reasons in one line: by role, how many answers; and the ledger's words for the largest.
fn why(earnings: &Earnings) -> String {
    let mut roles: Vec<(&str, u64, u64)> = Vec::new();
    for line in &earnings.lines {
        match roles.iter_mut().find(|(role, ..)| *role == line.role) {
            Some((_, answers, amount)) => {
                *answers += line.answers;
                *amount += line.amount;
            }
            None => roles.push((&line.role, line.answers, line.amount)),
        }
    }
    let several = roles.len() > 1;
    let parts = roles.iter().map(|(role, answers, amount)| {
        let sum = if several { format!(", {}", dnt(*amount)) } else { String::new() };
        format!("{role}: {answers} answers{sum}")
    });
    let mut parts: Vec<String> = parts.collect();
    if let ([line], false) = (earnings.lines.as_slice(), earnings.lines.iter().all(|l| l.why.is_empty())) {
        parts = vec![line.why.clone()];
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::EarningLine;

    fn line(role: &str, answers: u64, amount: u64, why: &str) -> EarningLine {
        EarningLine { role: role.into(), contribution: None, answers, amount, why: why.into() }
    }

    #[test]
    fn one_reason_is_given_in_the_ledgers_words() {
        let earnings =
            Earnings { lines: vec![line("contributor", 3, 10, "3 answers drew on it")], ..Earnings::default() };
        assert_eq!(why(&earnings), "3 answers drew on it");
    }

    #[test]
    fn several_reasons_are_summed_by_role() {
        let lines = vec![
            line("contributor", 3, 10, "a"),
            line("validator", 5, 1_000_000, "b"),
            line("contributor", 4, 20, "c"),
        ];
        let earnings = Earnings { lines, ..Earnings::default() };
        assert_eq!(why(&earnings), "contributor: 7 answers, 0.00003 DNT; validator: 5 answers, 1 DNT");
    }
}
