//! Settling what was served, and everyone claiming.

use std::collections::BTreeMap;
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

/// What one kind of reason came to, over serving nodes and epochs.
struct Reason<'a> {
    role: &'a str,
    netted: bool,
    answers: u64,
    weight_ppm_sum: u64,
    amount: u64,
    /// What it had of each, in base units, and which share of it that was, in parts per million.
    pots: BTreeMap<Pot<'a>, (u64, u64)>,
}

/// What is shared by netted worth: the fees of a model's answers in a datanet, of an epoch of a node.
type Pot<'a> = (&'a str, u64, &'a str, &'a str);

impl<'a> Reason<'a> {
    fn of(line: &'a EarningLine) -> Self {
        let (role, netted) = (line.role.as_str(), line.netted.is_some());
        Self { role, netted, answers: 0, weight_ppm_sum: 0, amount: 0, pots: BTreeMap::new() }
    }

    /// Whether a line is of the same kind. Only to contributors it makes a difference whether answers were netted: it says by how much they earned.
    fn is_of(&self, line: &EarningLine) -> bool {
        self.role == line.role && (self.role != "contributor" || self.netted == line.netted.is_some())
    }

    fn add(&mut self, line: &'a EarningLine) {
        self.answers += line.answers;
        self.weight_ppm_sum += line.weight_ppm_sum;
        self.amount += line.amount;
        if let Some(netted) = &line.netted {
            let pot = (line.node.as_str(), line.epoch, line.datanet.as_str(), netted.model.as_str());
            let (amount, share) = self.pots.entry(pot).or_default();
            *amount += line.amount;
            *share += netted.share_ppm;
        }
    }

    /// Its share of all pots that it had part in, in percent.
    fn share(&self) -> f64 {
        let whole = |(amount, share): &(u64, u64)| *amount as f64 * 1e6 / (*share).max(1) as f64;
        100.0 * self.amount as f64 / self.pots.values().map(whole).sum::<f64>().max(1.0)
    }

    fn words(&self, with_amount: bool) -> String {
        let answers = self.answers;
        let words = match self.role {
            "contributor" if self.netted => {
                let share = self.share();
                format!(
                    "{answers} answers of the model were moved by its data, which has {share:.1} % of all worth that was left"
                )
            }
            "contributor" => {
                let share = self.weight_ppm_sum as f64 / 10_000.0 / answers.max(1) as f64;
                format!("{answers} answers rest on its data, by {share:.0} % on average")
            }
            "validator" => format!("judged data behind {answers} answers"),
            "storage" => format!("keeps data behind {answers} answers"),
            "owner" => format!("owns the model or datanet of {answers} answers"),
            role => format!("{role} of {answers} answers"),
        };
        if with_amount { format!("{words}: {}", dnt(self.amount)) } else { words }
    }
}

/// The reasons in one line, summed over serving nodes and epochs, by role.
fn why(earnings: &Earnings) -> String {
    let mut reasons: Vec<Reason<'_>> = Vec::new();
    for line in &earnings.lines {
        match reasons.iter_mut().find(|reason| reason.is_of(line)) {
            Some(reason) => reason.add(line),
            None => {
                let mut reason = Reason::of(line);
                reason.add(line);
                reasons.push(reason);
            }
        }
    }
    let several = reasons.len() > 1;
    let parts: Vec<String> = reasons.iter().map(|reason| reason.words(several)).collect();
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Netted;

    fn line(role: &str, answers: u64, weight_ppm_sum: u64, amount: u64) -> EarningLine {
        EarningLine { role: role.into(), answers, weight_ppm_sum, amount, ..EarningLine::default() }
    }

    fn netted(epoch: u64, share_ppm: u64, amount: u64) -> EarningLine {
        let netted = Some(Netted { share_ppm, ..Netted::default() });
        EarningLine { epoch, netted, ..line("contributor", 10, 0, amount) }
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
    fn shares_of_what_was_netted_are_of_all_fees_that_it_had_part_in() {
        // A tenth of 1,000 in one epoch, by one contribution; half of 100 in another, by two.
        let lines = vec![netted(1, 100_000, 100), netted(2, 300_000, 30), netted(2, 200_000, 20)];
        let earnings = Earnings { lines, ..Earnings::default() };
        let words = "30 answers of the model were moved by its data, which has 13.6 % of all worth that was left";
        assert_eq!(why(&earnings), words);
    }

    #[test]
    fn answers_by_passages_have_shares_of_their_own_beside_what_was_netted() {
        let mut judged = netted(1, 500_000, 3_000_000);
        judged.role = "validator".into();
        let lines = vec![
            netted(1, 500_000, 2_000_000),
            line("contributor", 4, 1_000_000, 1_000_000),
            judged,
            line("validator", 2, 0, 1),
        ];
        assert_eq!(
            why(&Earnings { lines, ..Earnings::default() }),
            "10 answers of the model were moved by its data, which has 50.0 % of all worth that was left: 2 DNT; \
             4 answers rest on its data, by 25 % on average: 1 DNT; judged data behind 12 answers: 3.000001 DNT"
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
