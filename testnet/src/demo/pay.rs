//! Settling what was served, and everyone claiming.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::parties::Party;
use super::report::Payout;
use crate::api::{Client, EarningLine, Earnings};
use crate::network::Network;
use crate::ui::{Ui, dnt};

/// How long audits may take.
const PATIENCE: Duration = Duration::from_secs(120);

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

/// The other nodes make each epoch again from its receipts, and challenge what is false; waits until nobody can any more. Returns
/// how many are final.
pub(super) async fn wait_for_audits(clients: &[Client], serving: usize, ui: &Ui) -> Result<usize> {
    let step = ui.step("other nodes make the epochs again");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut epochs = Vec::new();
        for (index, client) in clients.iter().enumerate().take(serving) {
            let found = client.own_epochs().await;
            epochs.extend(found.with_context(|| format!("cannot see what node{index} has settled"))?);
        }
        let is = |wanted: &str| epochs.iter().filter(|epoch| epoch["status"] == wanted).count();
        let (done, void) = (is("final"), is("void"));
        ensure!(void == 0, "{void} epochs of honest nodes are void: {epochs:?}");
        if done == epochs.len() {
            step.done(format!("{done} follow from their receipts"));
            return Ok(done);
        }
        ensure!(Instant::now() < deadline, "{} epochs are not final yet", epochs.len() - done);
        step.say(format!("{done} of {} final", epochs.len()));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
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

/// The reasons in one line, summed over serving nodes and epochs, by role.
fn why(earnings: &Earnings) -> String {
    let mut roles: Vec<EarningLine> = Vec::new();
    for line in &earnings.lines {
        let alike = |sum: &&mut EarningLine| sum.role == line.role && (sum.net > 0) == (line.net > 0);
        match roles.iter_mut().find(alike) {
            Some(sum) => {
                sum.net += line.net;
                sum.answers += line.answers;
                sum.weight_ppm_sum += line.weight_ppm_sum;
                sum.amount += line.amount;
            }
            None => roles.push(line.clone()),
        }
    }
    let several = roles.len() > 1;
    let parts: Vec<String> = roles.iter().map(|sum| reason(sum, several)).collect();
    parts.join("; ")
}

fn reason(sum: &EarningLine, with_amount: bool) -> String {
    let answers = sum.answers;
    let words = match sum.role.as_str() {
        // Answers by its passages may be among them, which pay by themselves.
        "contributor" if sum.net > 0 => {
            format!("{answers} answers rest on its data, or were moved by it and pay by what is left of its worth")
        }
        "contributor" => {
            let share = sum.weight_ppm_sum as f64 / 10_000.0 / answers.max(1) as f64;
            format!("{answers} answers rest on its data, by {share:.0} % on average")
        }
        "validator" => format!("judged data behind {answers} answers"),
        "storage" => format!("keeps data behind {answers} answers"),
        "owner" => format!("owns the model or datanet of {answers} answers"),
        role => format!("{role} of {answers} answers"),
    };
    if with_amount { format!("{words}: {}", dnt(sum.amount)) } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(role: &str, answers: u64, weight_ppm_sum: u64, amount: u64) -> EarningLine {
        EarningLine { role: role.into(), answers, weight_ppm_sum, amount, ..EarningLine::default() }
    }

    #[test]
    fn reasons_are_summed_by_role() {
        let earnings = Earnings {
            lines: vec![line("contributor", 3, 600_000, 10), line("contributor", 1, 200_000, 5)],
            ..Earnings::default()
        };
        assert_eq!(why(&earnings), "4 answers rest on its data, by 20 % on average");
    }

    #[test]
    fn what_was_netted_is_no_share_of_each_answer() {
        let netted = |weight, amount| EarningLine { net: 7, ..line("contributor", 10, weight, amount) };
        let earnings = Earnings { lines: vec![netted(100_000, 100), netted(500_000, 50)], ..Earnings::default() };
        assert_eq!(
            why(&earnings),
            "20 answers rest on its data, or were moved by it and pay by what is left of its worth"
        );
    }

    #[test]
    fn several_roles_say_what_each_earned() {
        let earnings = Earnings {
            lines: vec![line("contributor", 2, 1_000_000, 10), line("validator", 5, 0, 1_000_000)],
            ..Earnings::default()
        };
        assert_eq!(
            why(&earnings),
            "2 answers rest on its data, by 50 % on average: 0.00001 DNT; judged data behind 5 answers: 1 DNT"
        );
    }
}
