//! Contributions that stay in debt from release to release: named to whoever asks, and left out of the next training.
//!
//! ```text
//!  own statement ──► debts by release ──► in debt by each of the last releases? ──► worse than nothing for the held-out records? ──► left out
//!                                                     no: named                                  no, or nobody knows: named
//! ```
//!
//! Who asks chooses the questions, and could ask only what a contribution is bad at; who settles could state what he likes. So debts accuse, by this node's own
//! statement alone, and the held-out records decide, which no asker and no other node chooses.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use datanet_data::corpus::Record;
use datanet_ledger::component::contributions::{self, Contribution, Status};
use datanet_ledger::component::datanets::{self, Datanet};
use datanet_training::job::{Data, LeaveOut};
use datanet_types::release::{DataSnapshot, Task};
use datanet_types::{Address, ContributionId, DatanetId, ModelId};

use super::Training;
use super::data::Piece;
use super::shape::Shape;
use crate::db::asked::Asked;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::models::explainer::by_contribution;
use crate::models::served::Made;

/// Paid answers that a release must have given here before its debts say something.
const MIN_ANSWERS: u64 = 20;
/// What must be owed of each base unit that followed worth, in millionths of log-odds: below it is noise. It lowers the odds of answers by a thousandth.
const NOISE: u64 = 1_000;
/// Releases of a datanet that are looked at, the newest that were asked here.
const MAX_RELEASES: usize = 64;
/// Held-out records that the newest of the releases is asked: drawn by their hashes, since the first of a file may all be of one label, and whoever gave
/// only others would be worth nothing for them.
const HELD_OUT_ASKED: usize = 64;
/// Contributions named in an event.
const NAMED: usize = 8;

/// What a contribution owes by a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The release.
    pub model: ModelId,
    /// Its name.
    pub name: String,
    /// Its paid answers here.
    pub answers: u64,
    /// In base units times millionths of log-odds; 0 where it is not in debt.
    pub amount: u64,
    /// Whether that is more than noise.
    pub counts: bool,
}

/// What the newest release says of a contribution's worth for the right answers to held-out records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldOutWorth {
    /// Records asked; at least one.
    pub records: u64,
    /// Sum of its worth for them, in billionths of log-odds.
    pub worth: i64,
}

/// A contribution that owes.
#[derive(Debug, Clone)]
pub struct ContributionDebts {
    /// Which.
    pub contribution: ContributionId,
    /// Whose.
    pub contributor: Address,
    /// By release, newest first: the last that learnt from it and were asked here.
    pub releases: Vec<Owed>,
    /// Whether it owes by each of them, and they are as many as are asked for.
    pub lasting: bool,
    /// What held-out records say, where it is lasting and they could be asked.
    pub held_out: Option<HeldOutWorth>,
    /// Other nodes by whose final statements it owes, as far as those are here. They decide nothing.
    pub elsewhere: u64,
}

impl ContributionDebts {
    /// Whether the next training leaves it out.
    pub fn is_left_out(&self) -> bool {
        self.lasting && self.held_out.is_some_and(|said| said.worth < 0)
    }

    /// All that it owes by those releases.
    pub fn owed(&self) -> u64 {
        self.releases.iter().map(|owed| owed.amount).fold(0, u64::saturating_add)
    }

    /// What becomes of it and why, in one sentence.
    pub fn why(&self) -> String {
        let (owing, of) = (self.releases.iter().filter(|owed| owed.counts).count(), self.releases.len());
        match self.held_out {
            _ if !self.lasting => format!(
                "it harmed more than it helped by {owing} of the last {of} releases that learnt from it and were asked here, and is learnt from until it does by all of several"
            ),
            None => format!(
                "it harmed more than it helped by each of the last {of} releases, and no held-out records could be asked about it, so that it is learnt from"
            ),
            Some(said) if said.worth >= 0 => format!(
                "it harmed more than it helped by each of the last {of} releases, but raises the odds of the right answers to held-out records by {:.1} %, so that it is learnt from: those who asked, asked what it is bad at",
                said.percent()
            ),
            Some(said) => format!(
                "it harmed more than it helped by each of the last {of} releases, and lowers the odds of the right answers to held-out records by {:.1} %, so that the next training leaves it out",
                -said.percent()
            ),
        }
    }
}

impl HeldOutWorth {
    /// By how much it changes the odds of the right answer to a record, in per cent of them.
    fn percent(&self) -> f64 {
        let mean = self.worth as f64 / 1e9 / self.records.max(1) as f64;
        mean.exp_m1() * 100.0
    }
}

/// What a job leaves out for its debts.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// Who stood in debt.
    pub in_debt: Vec<ContributionDebts>,
    /// Why debts could not be read, so that nobody is left out for them.
    pub unread: Option<String>,
}

impl LeftOut {
    /// For those who follow the job; nothing where there is nothing to say.
    pub(super) fn told(&self) -> Option<String> {
        if let Some(reason) = &self.unread {
            return Some(format!("nobody is left out for debts, which could not be read: {reason}"));
        }
        let named: Vec<String> =
            self.in_debt.iter().take(NAMED).map(|one| format!("{} of {}", one.contribution, one.contributor)).collect();
        if named.is_empty() {
            return None;
        }
        let more = match self.in_debt.len().saturating_sub(named.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "left out, as they stood in debt release after release: {}{more}; `datanet datanet debts` says why, and data.leave_out = \"none\" learns from them",
            named.join(", ")
        ))
    }
}

/// A release that was asked here.
#[derive(Debug, Clone)]
struct Heard {
    model: ModelId,
    name: String,
    asked: Asked,
    /// What it learnt from; nothing where its manifest can't be had: then it may have been anything.
    learnt: Option<BTreeSet<ContributionId>>,
    /// Who owes by it.
    owed: BTreeMap<ContributionId, u64>,
}

/// Where a contribution stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    releases: Vec<Owed>,
    lasting: bool,
}

/// What the held-out records say of everybody.
struct HeldOutAnswers {
    records: u64,
    worth: BTreeMap<ContributionId, i64>,
}

impl Training {
    /// Contributions of a datanet that owe by one of the `last` releases that learnt from them and were asked here, by this node's newest statement.
    ///
    /// # Errors
    /// When the statement can't be had ([`Code::Statement`]), the ledger has no block yet or cannot be read, or the private store cannot.
    pub async fn debts(&self, datanet: &Datanet, last: usize) -> ServiceResult<Vec<ContributionDebts>> {
        // It may load models and ask them: of many who are curious each waits for the one before.
        let _one_at_a_time = self.listing.lock().await;
        let mut found = self.owing(datanet, last).await?;
        if found.is_empty() {
            return Ok(found);
        }
        let releases = found.iter().flat_map(|one| &one.releases);
        let elsewhere = self.billing.debts_elsewhere(&releases.map(|owed| owed.model).collect()).await?;
        for one in &mut found {
            one.elsewhere = elsewhere.get(&one.contribution).copied().unwrap_or(0);
        }
        Ok(found)
    }

    /// The same without what other nodes state: a job has no use for it, and does not read it.
    async fn owing(&self, datanet: &Datanet, last: usize) -> ServiceResult<Vec<ContributionDebts>> {
        let heard = self.heard(&datanet.id).await?;
        let standing = standing(&heard, last);
        let mut answers: BTreeMap<ModelId, Option<HeldOutAnswers>> = BTreeMap::new();
        let mut found = Vec::new();
        for (id, Standing { releases, lasting }) in standing {
            let Some(given) = self.final_in(&id, &datanet.id)? else { continue };
            let mut held_out = None;
            if let Some(newest) = releases.first().filter(|_| lasting).map(|owed| owed.model) {
                let said = match answers.remove(&newest) {
                    Some(said) => said,
                    None => self.ask_held_out(&newest, datanet).await,
                };
                held_out = said.as_ref().and_then(|said| said.of(&id));
                answers.insert(newest, said);
            }
            let contributor = given.contributor;
            found.push(ContributionDebts { contribution: id, contributor, releases, lasting, held_out, elsewhere: 0 });
        }
        Ok(found)
    }

    /// Fixes in a job's `data` which contributions of the snapshots it leaves out: those that it names, and those in debt unless it wants them.
    ///
    /// # Errors
    /// When it names what is not in the data ([`Code::BadJob`]), nothing would be left ([`Code::NoData`]), or the ledger or the private store cannot be read.
    pub(super) async fn fix_left_out(&self, data: &mut Data, snapshots: &[DataSnapshot]) -> ServiceResult<LeftOut> {
        let mut members = BTreeSet::new();
        for snapshot in snapshots {
            members.extend(self.records.members(snapshot)?.0.into_iter().map(|given| given.id));
        }
        if let Some(stranger) = data.without.iter().find(|id| !members.contains(*id)) {
            let detail = format!("contribution {stranger}, which data.without names, is not in the job's data");
            return Err(ServiceError::new(Code::BadJob, detail).about("job.data.without"));
        }
        let mut out: BTreeSet<ContributionId> = data.without.iter().copied().collect();
        let mut left = LeftOut::default();
        if data.leave_out == LeaveOut::InDebt {
            for snapshot in snapshots {
                let datanet = self.chain.datanet(&snapshot.datanet)?;
                match self.owing(&datanet, data.debt_releases).await {
                    Ok(owing) => left.in_debt.extend(owing.into_iter().filter(|one| {
                        let id = &one.contribution;
                        one.is_left_out() && members.contains(id) && !out.contains(id)
                    })),
                    Err(error) if error.code == Code::Statement => left.unread = Some(error.detail),
                    Err(error) => return Err(error),
                }
            }
            out.extend(left.in_debt.iter().map(|one| one.contribution));
        }
        if !members.is_empty() && members.is_subset(&out) {
            let (named, owing) = (data.without.len(), left.in_debt.len());
            let detail = format!(
                "nothing is left to learn from: data.without names {named} of the {} contributions, and {owing} stood in debt; name fewer, or set data.leave_out = \"none\"",
                members.len()
            );
            return Err(ServiceError::new(Code::NoData, detail));
        }
        data.without = out.into_iter().collect();
        Ok(left)
    }

    /// The releases of a datanet that were asked here, newest first, with what is owed by each.
    async fn heard(&self, datanet: &DatanetId) -> ServiceResult<Vec<Heard>> {
        let mut models = self.chain.ledger_models()?;
        models.retain(|model| model.release && model.snapshots.iter().any(|snapshot| snapshot.datanet == *datanet));
        models.sort_by_key(|model| (Reverse(model.registered_height), model.id));
        let (_, debts) = self.billing.own_debts().await?;
        let mut owed: BTreeMap<ModelId, BTreeMap<ContributionId, u64>> = BTreeMap::new();
        for debt in debts {
            owed.entry(debt.model).or_default().insert(debt.contribution, debt.amount);
        }
        let mut heard = Vec::new();
        for model in models {
            let asked = self.db.asked(&model.id)?;
            if asked.answers == 0 {
                continue;
            }
            let release = self.models.release(&model.id).await.ok();
            let learnt = release.map(|release| release.contributions().copied().collect());
            let owed = owed.remove(&model.id).unwrap_or_default();
            heard.push(Heard { model: model.id, name: model.name, asked, learnt, owed });
            if heard.len() >= MAX_RELEASES {
                break;
            }
        }
        Ok(heard)
    }

    /// A contribution of the datanet, if it still stands.
    fn final_in(&self, id: &ContributionId, datanet: &DatanetId) -> ServiceResult<Option<Contribution>> {
        let given = contributions::get(&self.chain.reader()?, id)?;
        Ok(given.filter(|given| given.datanet == *datanet && given.status() == Status::Final))
    }

    /// What everybody is worth for the right answers of a release to the datanet's held-out records; nothing where that can't be found.
    async fn ask_held_out(&self, model: &ModelId, datanet: &Datanet) -> Option<HeldOutAnswers> {
        match self.held_out_answers(model, datanet).await {
            Ok(answers) => answers.filter(|answers| answers.records > 0),
            Err(error) => {
                tracing::warn!(%model, %error, "held-out records could not be asked about debts; nobody is left out for them");
                None
            }
        }
    }

    async fn held_out_answers(&self, model: &ModelId, datanet: &Datanet) -> ServiceResult<Option<HeldOutAnswers>> {
        let served = self.models.in_memory(model).await?;
        let Made::Trained(job) = &served.made else { return Ok(None) };
        if served.task() != Task::Classify {
            return Ok(None);
        }
        let Some(explainer) = self.models.explainer(&served).await? else { return Ok(None) };
        let number = {
            let reader = self.chain.reader()?;
            datanets::held_out_now(&reader, datanet, reader.block_seconds())?
        };
        let records = self.records.held_out_records(datanet, number).await?;
        let shape = Shape::of(job, &datanet.schema);
        let mut answers = HeldOutAnswers { records: 0, worth: BTreeMap::new() };
        for (piece, label) in drawn(records, &shape, &served.release.labels) {
            let explanation = explainer.label_in_turn(&piece.text, label).await?;
            answers.add(by_contribution(explainer.owners(), &explanation.pay));
        }
        Ok(Some(answers))
    }
}

/// The held-out records that are asked, and which of a model's labels is right for each: the same ones in whatever order they stand in their file.
fn drawn(mut records: Vec<Record>, shape: &Shape, labels: &[String]) -> Vec<(Piece, usize)> {
    records.sort_by_cached_key(Record::leaf);
    let labelled = |record: &Record| {
        let piece = shape.piece(record)?;
        let right = labels.iter().position(|label| Some(label) == piece.label.as_ref())?;
        Some((piece, right))
    };
    records.iter().filter_map(labelled).take(HELD_OUT_ASKED).collect()
}

impl HeldOutAnswers {
    fn add(&mut self, worth: BTreeMap<ContributionId, i64>) {
        self.records = self.records.saturating_add(1);
        for (contribution, worth) in worth {
            let sum = self.worth.entry(contribution).or_default();
            *sum = sum.saturating_add(worth);
        }
    }

    fn of(&self, id: &ContributionId) -> Option<HeldOutWorth> {
        Some(HeldOutWorth { records: self.records, worth: *self.worth.get(id)? })
    }
}

/// Who owes by one of the `last` releases of `heard`, newest first, that learnt from him and were asked often enough. A release begins without debts, so that
/// each is judged by itself: what is owed by one says nothing of the next.
fn standing(heard: &[Heard], last: usize) -> BTreeMap<ContributionId, Standing> {
    let owing: BTreeSet<ContributionId> = heard.iter().flat_map(|one| one.owed.keys().copied()).collect();
    let stands = |id: ContributionId| {
        let learnt = |one: &&Heard| one.learnt.as_ref().is_none_or(|learnt| learnt.contains(&id));
        let asked = heard.iter().filter(|one| one.asked.answers >= MIN_ANSWERS);
        let releases: Vec<Owed> = asked.filter(learnt).take(last).map(|one| one.owed_by(&id)).collect();
        let lasting = releases.len() == last && releases.iter().all(|owed| owed.counts);
        releases.iter().any(|owed| owed.amount > 0).then_some((id, Standing { releases, lasting }))
    };
    owing.into_iter().filter_map(stands).collect()
}

impl Heard {
    fn owed_by(&self, id: &ContributionId) -> Owed {
        let amount = self.owed.get(id).copied().unwrap_or(0);
        let counts = amount > 0 && amount >= self.asked.pots.saturating_mul(NOISE);
        Owed { model: self.model, name: self.name.clone(), answers: self.asked.answers, amount, counts }
    }
}

#[cfg(test)]
mod tests;
