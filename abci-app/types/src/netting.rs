//! Netting: the fees of an epoch's answers by a model are shared by what is left of each contribution's worth once what it harmed is taken
//! from what it helped.
//!
//! ```text
//!  receipts ──► Nets: of each contribution the sum of fee x worth, with its sign         worth in billionths, see Influence::worth
//!  debts ─────►  │    of each model its pots: what of the fees follows worth
//!                └──► above zero: shares of the pots        below: debts, which the node's next epoch begins with
//! ```
//!
//! Sums are linear in records, so that names change nothing of them; the positive part is not, and is taken as late as there is a payout. All of it is
//! whole numbers that saturate, and follows from receipts and debts alone: the serving node, auditors and keepers find the same.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::receipt::{Influence, Method, Receipt};
use crate::{ContributionId, DatanetId, ModelId};

/// Most debts that an epoch leaves: 128 pages of its statement. Of more, the least are forgiven: those of a model that nobody asks any more are
/// never paid off, and a node with too many could not settle.
pub const MAX_DEBTS: u64 = 1 << 17;

/// Parts of a sum that make one of a debt: sums are in billionths, debts in millionths. What is left over is owed too, so that who settles often
/// cuts nothing.
const FINER: i128 = 1_000;

/// Whether an answer's fee is shared by the epoch, and not by itself: what was moved by a model's training data, and no agent sold.
pub fn is_netted(receipt: &Receipt) -> bool {
    receipt.method == Method::Influence as i32 && receipt.sale.is_none()
}

/// What of the fees of a model's answers follows worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pot {
    /// Answers.
    pub answers: u64,
    /// For those who gave the data.
    pub contributors: Amount,
    /// For those who judged it.
    pub validators: Amount,
    /// For those who keep it.
    pub storage: Amount,
}

impl Pot {
    /// All of it.
    pub fn sum(&self) -> Amount {
        self.contributors.saturating_add(self.validators).saturating_add(self.storage)
    }

    fn add(&mut self, more: &Self) {
        for (sum, part) in [
            (&mut self.answers, more.answers),
            (&mut self.contributors, more.contributors),
            (&mut self.validators, more.validators),
            (&mut self.storage, more.storage),
        ] {
            *sum = sum.saturating_add(part);
        }
    }
}

/// What a contribution did for the answers of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Net {
    /// Answers that it moved.
    pub answers: u64,
    /// Sum of fee times worth, in base units times billionths.
    pub sum: i128,
}

/// What a contribution harmed beyond what it helped, in base units times millionths of worth; never 0.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
pub struct Debt {
    /// The model.
    #[prost(message, required, tag = "1")]
    pub model: ModelId,
    /// The contribution.
    #[prost(message, required, tag = "2")]
    pub contribution: ContributionId,
    /// How much.
    #[prost(uint64, tag = "3")]
    pub amount: u64,
}

/// What answers give together; of several channels, the sum of what each gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "NetsForm", into = "NetsForm")]
pub struct Nets {
    pots: BTreeMap<(ModelId, DatanetId), Pot>,
    nets: BTreeMap<(ModelId, ContributionId), Net>,
}

/// As it is stored, where keys are text.
#[derive(Serialize, Deserialize)]
struct NetsForm {
    pots: Vec<(ModelId, DatanetId, Pot)>,
    nets: Vec<(ModelId, ContributionId, Net)>,
}

impl From<Nets> for NetsForm {
    fn from(nets: Nets) -> Self {
        Self {
            pots: nets.pots.into_iter().map(|((model, datanet), pot)| (model, datanet, pot)).collect(),
            nets: nets.nets.into_iter().map(|((model, contribution), net)| (model, contribution, net)).collect(),
        }
    }
}

impl From<NetsForm> for Nets {
    fn from(form: NetsForm) -> Self {
        Self {
            pots: form.pots.into_iter().map(|(model, datanet, pot)| ((model, datanet), pot)).collect(),
            nets: form.nets.into_iter().map(|(model, contribution, net)| ((model, contribution), net)).collect(),
        }
    }
}

/// A contribution's share of a model's pots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The contribution.
    pub contribution: ContributionId,
    /// Its weight among the shares.
    pub weight: u64,
    /// What is left of its sum, less its debt: above zero.
    pub left: i128,
    /// Answers that it moved.
    pub answers: u64,
}

/// A pot, and who shares it: nobody, where nothing is left above zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The model that answered.
    pub model: ModelId,
    /// The datanet that its answers were paid through.
    pub datanet: DatanetId,
    /// The pot.
    pub pot: Pot,
    /// Ordered by contribution.
    pub shares: Vec<Share>,
}

/// What an epoch comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Netted {
    /// Who shares what, ordered by model and datanet.
    pub shared: Vec<Shared>,
    /// What is owed at its end, ordered by model and contribution.
    pub debts: Vec<Debt>,
}

impl Nets {
    /// What one paid answer gives; nothing, if it is shared by itself.
    pub fn of(receipt: &Receipt, influence: &[Influence]) -> Self {
        let mut nets = Self::default();
        nets.add(receipt, influence);
        nets
    }

    /// Adds a paid answer.
    pub fn add(&mut self, receipt: &Receipt, influence: &[Influence]) {
        if !is_netted(receipt) || receipt.fee == 0 {
            return;
        }
        let split = &receipt.split;
        let (contributors, validators, storage) = (split.contributors, split.validators, split.storage);
        let pot = Pot { answers: 1, contributors, validators, storage };
        self.pots.entry((receipt.model, receipt.datanet)).or_default().add(&pot);
        for one in influence.iter().filter(|one| one.worth != 0) {
            let sum = i128::from(receipt.fee).saturating_mul(i128::from(one.worth));
            self.add_net((receipt.model, one.contribution), Net { answers: 1, sum });
        }
    }

    /// Adds what other answers give.
    pub fn merge(&mut self, more: &Self) {
        for (key, pot) in &more.pots {
            self.pots.entry(*key).or_default().add(pot);
        }
        for (key, net) in &more.nets {
            self.add_net(*key, *net);
        }
    }

    /// What follows worth of the answers of each model and datanet, in order.
    pub fn pots(&self) -> impl Iterator<Item = (&ModelId, &Pot)> {
        self.pots.iter().map(|((model, _), pot)| (model, pot))
    }

    /// The same, by model: each of them is netted by itself.
    pub fn by_model(&self) -> BTreeMap<ModelId, Self> {
        let mut models: BTreeMap<ModelId, Self> = BTreeMap::new();
        for (key, pot) in &self.pots {
            models.entry(key.0).or_default().pots.insert(*key, *pot);
        }
        for (key, net) in &self.nets {
            models.entry(key.0).or_default().nets.insert(*key, *net);
        }
        models
    }

    /// Whether nothing is there to be netted.
    pub fn is_empty(&self) -> bool {
        self.pots.is_empty()
    }

    fn add_net(&mut self, key: (ModelId, ContributionId), more: Net) {
        let net = self.nets.entry(key).or_default();
        net.answers = net.answers.saturating_add(more.answers);
        net.sum = net.sum.saturating_add(more.sum);
    }

    /// What it comes to after `debts`, of which those of a model that did not answer stay as they are.
    pub fn net(&self, debts: &[Debt]) -> Netted {
        let mut left: BTreeMap<(ModelId, ContributionId), Net> = self.nets.clone();
        for debt in debts {
            let net = left.entry((debt.model, debt.contribution)).or_default();
            net.sum = net.sum.saturating_sub(i128::from(debt.amount).saturating_mul(FINER));
        }
        let models: BTreeSet<ModelId> = self.pots.keys().map(|(model, _)| *model).collect();
        let shares: BTreeMap<ModelId, Vec<Share>> =
            models.into_iter().map(|model| (model, shares(&left, model))).collect();
        let shared = self.pots.iter().map(|((model, datanet), pot)| Shared {
            model: *model,
            datanet: *datanet,
            pot: *pot,
            shares: shares.get(model).cloned().unwrap_or_default(),
        });
        let owed = left.iter().filter(|(_, net)| net.sum < 0).map(|((model, contribution), net)| Debt {
            model: *model,
            contribution: *contribution,
            amount: u64::try_from(net.sum.unsigned_abs().div_ceil(FINER.unsigned_abs())).unwrap_or(u64::MAX),
        });
        Netted { shared: shared.collect(), debts: greatest(owed.collect(), MAX_DEBTS) }
    }
}

/// The debts, which are ordered; of more than `most`, the greatest, and of equal ones the first.
fn greatest(mut debts: Vec<Debt>, most: u64) -> Vec<Debt> {
    let place = |debt: &Debt| (debt.model, debt.contribution);
    if debts.len() as u64 > most {
        debts.sort_unstable_by_key(|debt| (Reverse(debt.amount), place(debt)));
        debts.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        debts.sort_unstable_by_key(place);
    }
    debts
}

/// Those of a model that are above zero, with weights of 64 bits in their proportion.
fn shares(left: &BTreeMap<(ModelId, ContributionId), Net>, model: ModelId) -> Vec<Share> {
    let of_model = left.range((model, ContributionId([0; 32]))..=(model, ContributionId([255; 32])));
    let above: Vec<(ContributionId, Net)> =
        of_model.filter(|(_, net)| net.sum > 0).map(|((_, contribution), net)| (*contribution, *net)).collect();
    let most = above.iter().map(|(_, net)| net.sum.unsigned_abs()).max().unwrap_or(0);
    // The bits beyond 64 of the largest: what that takes from the others is less than a unit of any fee.
    let shift = u128::BITS.saturating_sub(most.leading_zeros()).saturating_sub(u64::BITS);
    let share = |(contribution, net): (ContributionId, Net)| Share {
        contribution,
        weight: u64::try_from(net.sum.unsigned_abs().checked_shr(shift).unwrap_or(0)).unwrap_or(u64::MAX),
        left: net.sum,
        answers: net.answers,
    };
    above.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests;
