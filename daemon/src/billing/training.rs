//! What a training costs, and the receipt that says so: so much for the whole and so much a step, no less than the datanet asks.
//!
//! Everything that pays follows from the manifest on the receipt: whose records, how many of each, and by its job how many steps. That the steps were
//! taken is what repeating the run tells (`datanet train verify`), and nothing here.

use std::collections::BTreeSet;

use datanet_ledger::component::datanets::{self, Datanet, history};
use datanet_ledger::component::{contributions, models};
use datanet_ledger::state::StateRead;
use datanet_training::job::Job;
use datanet_training::steps;
use datanet_types::amount::display;
use datanet_types::rate::{Rate, Usage};
use datanet_types::receipt::{AnswerRecord, AskInput, AskOutput, Method, Receipt, training_credits};
use datanet_types::release::{DataSnapshot, Release};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{ChannelId, ModelId, Signature};

use super::Billing;
use super::grounds::{self, before_its_channel};
use super::purchase::Answer;
use crate::error::{Code, ServiceError, ServiceResult};

/// The least that a training on a datanet costs.
pub fn floor(datanet: &Datanet) -> Rate {
    Rate { answer: datanet.price, thousand: 0, step: datanet.step_price }
}

/// Records that a release was trained on.
pub fn records(release: &Release) -> u64 {
    let parts = release.sources.iter().flat_map(|source| &source.contributions);
    parts.map(|part| part.records).fold(0, u64::saturating_add)
}

/// Steps that the run of a release took, by its manifest: its job's schedule over the records that it names.
///
/// # Errors
/// In words, when its job does not read, or its run may have ended early, so that nobody can tell.
pub fn steps_of(release: &Release) -> Result<u32, String> {
    let job = Job::from_json(&release.job).map_err(|error| format!("its manifest's job does not read: {error}"))?;
    if job.evaluation.early_stop > 0 {
        return Err("its run may have ended early, so that its steps do not follow from its manifest".to_owned());
    }
    let records = usize::try_from(records(release)).unwrap_or(usize::MAX);
    u32::try_from(steps::of(&job, records))
        .map_err(|_| "its manifest's job has more steps than anybody takes".to_owned())
}

/// Why a good record of a training cannot be right; none if nothing on the ledger, and nothing in its manifest, contradicts it.
pub(super) fn of_training<S: StateRead>(state: &S, record: &AnswerRecord) -> ServiceResult<Option<String>> {
    let receipt = &record.receipt;
    let (Some(release), Some(usage)) = (&record.output.release, &receipt.usage) else {
        return Ok(Some("it is of a training, and has no manifest or does not say what that took".to_owned()));
    };
    let Some(datanet) = datanets::get(state, &receipt.datanet)? else {
        return Ok(Some(format!("there is no datanet {}", receipt.datanet)));
    };
    if let Some(why) = wrong_usage(release, usage, &datanet) {
        return Ok(Some(why));
    }
    // Of one datanet, as every good record of a training.
    let mut there = BTreeSet::new();
    for snapshot in &release.snapshots {
        if history::at(state, &snapshot.datanet, snapshot.count)? != Some(*snapshot) {
            return Ok(Some(format!("datanet {} never had the data that its manifest names", datanet.name)));
        }
        there.extend(history::members(state, &snapshot.datanet, snapshot.count)?.unwrap_or_default());
    }
    // A registered base was the one whose files it is of.
    let adapted = models::get(state, &receipt.model)?
        .map_or(vec![receipt.model], |model| vec![model.id, ModelId(model.manifest.0)]);
    if !release.base.is_some_and(|base| adapted.contains(&base)) {
        return Ok(Some(format!("model {} is not what its manifest says was adapted", receipt.model)));
    }
    for part in release.sources.iter().flat_map(|source| &source.contributions) {
        let id = part.contribution;
        let known = contributions::get(state, &id)?;
        let Some(known) = known.filter(|_| there.contains(&id)) else {
            return Ok(Some(format!(
                "contribution {id} is not of the data of {} that its manifest names",
                datanet.name
            )));
        };
        // Who is paid follows from it: no more can have been read than was given.
        if part.records > known.records {
            let (read, given) = (part.records, known.records);
            return Ok(Some(format!("{read} records of contribution {id} were learnt from, and it has {given}")));
        }
    }
    before_its_channel(state, receipt)
}

fn wrong_usage(release: &Release, usage: &Usage, datanet: &Datanet) -> Option<String> {
    let (floor, rate) = (floor(datanet), usage.rate);
    if !rate.covers(&floor) {
        return Some(format!(
            "its prices are {} and {} a step, and the least are {} and {}",
            display(rate.answer),
            display(rate.step),
            display(floor.answer),
            display(floor.step)
        ));
    }
    match steps_of(release) {
        Err(why) => Some(why),
        Ok(steps) if steps == usage.steps => None,
        Ok(steps) => Some(format!("{} steps were charged, and its job takes {steps}", usage.steps)),
    }
}

impl Billing {
    /// What a training on a datanet costs here: the ledger's least, or this node's own price a step where that is higher.
    pub fn training_rate(&self, datanet: &Datanet) -> Rate {
        let floor = floor(datanet);
        Rate { step: floor.step.max(self.own_rate.step), ..floor }
    }

    /// Whether a voucher is signed by its channel's key: whoever has not signed it learns nothing of what it pays for.
    ///
    /// # Errors
    /// When there is no such channel ([`Code::NoChannel`]), or it is not ([`Code::BadVoucher`]).
    pub fn check_signed(&self, voucher: &SignedVoucher) -> ServiceResult<()> {
        self.voucher_channel(voucher).map(drop)
    }

    /// Whether what takes long can still be paid on a channel: its payer has not asked for it back.
    ///
    /// # Errors
    /// When it is closing, closed or about to expire ([`Code::ChannelExpired`]), or the ledger cannot be read.
    pub fn check_usable(&self, channel: &ChannelId) -> ServiceResult<()> {
        self.usable_channel(channel).map(drop)
    }

    /// The answer to an order: the release, and what it took at this rate. `base` stands for what was adapted; `height` is the ledger's at which it
    /// was ordered.
    ///
    /// # Errors
    /// When the release is not what a receipt may say of it ([`Code::BadRelease`]); that is found before it is signed.
    pub fn trained(&self, release: Release, rate: Rate, base: ModelId, height: u64) -> ServiceResult<Answer> {
        let bad = |why: String| ServiceError::new(Code::BadRelease, format!("the training can't be sold: {why}"));
        let steps = steps_of(&release).map_err(bad)?;
        let usage = Usage { rate, tokens: 0, steps };
        let datanet = release.snapshots.first().map(|snapshot| snapshot.datanet).unwrap_or_default();
        let receipt = Receipt {
            chain_id: self.chain.id().to_owned(),
            datanet,
            model: base,
            node: self.identity.node_key(),
            height,
            snapshot: DataSnapshot::digest_of(&release.snapshots),
            method: Method::Training as i32,
            credits: training_credits(&release),
            fee: usage.fee(),
            usage: Some(usage),
            ..Receipt::default()
        };
        let input = AskInput { text: release.job.clone(), ..AskInput::default() };
        let output = AskOutput { release: Some(release), ..AskOutput::default() };
        let record = AnswerRecord { receipt, signature: Signature::default(), input, output };
        if let Some(why) = grounds::contradiction(&self.chain.reader()?, &record, self.chain.height())? {
            return Err(bad(why));
        }
        Ok(Answer { receipt: record.receipt, input: record.input, output: record.output })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_ledger::component::contributions::{Contribution, Status};
    use datanet_ledger::component::datanets::history::{Change, Entry};
    use datanet_ledger::component::models::Model;
    use datanet_ledger::state::{MemoryState, StateWrite};
    use datanet_training::job::{Method as Followed, Task};
    use datanet_types::release::{Source, SourcePart};
    use datanet_types::{ContributionId, DatanetId, Digest};

    const DATANET: DatanetId = DatanetId([1; 32]);
    const FILES: ModelId = ModelId([7; 32]);
    /// What an account of the node has registered of those files.
    const REGISTERED: ModelId = ModelId([8; 32]);

    /// A datanet that asks 100 and 30 a step, with a contribution that was final at 50 and one that was refused.
    fn ledger() -> MemoryState {
        let mut state = MemoryState::default();
        let datanet = Datanet { id: DATANET, price: 100, step_price: 30, name: "birds".into(), ..Datanet::default() };
        state.put(datanets::state_key::datanet(&DATANET), &datanet);
        for (n, status, final_height) in [(1, Status::Final, 50), (2, Status::Refused, 0)] {
            let id = ContributionId([n; 32]);
            let mut given = Contribution { id, datanet: DATANET, records: 32, final_height, ..Contribution::default() };
            given.set_status(status);
            state.put(contributions::state_key::contribution(&id), &given);
        }
        state.put(datanets::state_key::history(&DATANET, 1), &entry());
        let base = Model { id: REGISTERED, manifest: Digest(FILES.0), ..Model::default() };
        state.put(models::state_key::model(&REGISTERED), &base);
        state
    }

    /// The first contribution, the only one that its history has.
    fn entry() -> Entry {
        let (contribution, change) = (ContributionId([1; 32]), Change::Final as i32);
        Entry { contribution, change, digest: Digest([5; 32]), height: 50 }
    }

    /// A job of three epochs of 32 records in batches of 16: six steps, and twelve for its halves.
    fn job() -> Job {
        let mut job = Job::new("m", Task::Classify);
        (job.recipe.batch, job.recipe.epochs) = (16, 3);
        job.attribution.method = Followed::Influence;
        job
    }

    fn record(job: &Job, contribution: u8, usage: Usage) -> AnswerRecord {
        let part = SourcePart { contribution: ContributionId([contribution; 32]), records: 32 };
        let release = Release {
            base: Some(FILES),
            snapshots: vec![DataSnapshot { datanet: DATANET, count: 1, digest: entry().digest }],
            sources: vec![Source { contributions: vec![part], ..Source::default() }],
            job: job.to_json(),
            ..Release::default()
        };
        let receipt = Receipt {
            datanet: DATANET,
            model: REGISTERED,
            height: 60,
            fee: usage.fee(),
            usage: Some(usage),
            credits: training_credits(&release),
            method: Method::Training as i32,
            ..Receipt::default()
        };
        let output = AskOutput { release: Some(release), ..AskOutput::default() };
        AnswerRecord { receipt, output, ..AnswerRecord::default() }
    }

    fn usage(answer: u64, step: u64, steps: u32) -> Usage {
        Usage { rate: Rate { answer, thousand: 0, step }, tokens: 0, steps }
    }

    fn why(record: &AnswerRecord) -> Option<String> {
        grounds::contradiction(&ledger(), record, 9_000).unwrap()
    }

    #[test]
    fn a_training_that_follows_from_its_manifest_is_right_at_the_floor_and_above() {
        for usage in [usage(100, 30, 18), usage(100, 45, 18)] {
            assert_eq!(why(&record(&job(), 1, usage)), None);
        }
        let mut plain = job();
        plain.attribution.method = Followed::None;
        assert_eq!(why(&record(&plain, 1, usage(100, 30, 6))), None, "without halves");
        let mut unregistered = record(&job(), 1, usage(100, 30, 18));
        unregistered.receipt.model = FILES;
        assert_eq!(why(&unregistered), None, "of a base that nobody has registered");
    }

    #[test]
    fn what_does_not_follow_is_named() {
        let mut early = job();
        (early.evaluation.every, early.evaluation.early_stop) = (2, 1);
        let mut other_base = record(&job(), 1, usage(100, 30, 18));
        other_base.receipt.model = ModelId([9; 32]);
        let mut other_datanet = record(&job(), 1, usage(100, 30, 18));
        other_datanet.receipt.datanet = DatanetId([9; 32]);
        let mut other_data = record(&job(), 1, usage(100, 30, 18));
        other_data.output.release.as_mut().unwrap().snapshots[0].count = 5;
        let mut swollen = record(&job(), 1, usage(100, 30, 18));
        swollen.output.release.as_mut().unwrap().sources[0].contributions[0].records = 33;
        let mut none = record(&job(), 1, usage(100, 30, 18));
        none.output.release = None;
        let wrong = [
            (record(&job(), 1, usage(100, 30, 19)), "19 steps were charged, and its job takes 18"),
            (record(&job(), 1, usage(100, 29, 18)), "the least are"),
            (record(&job(), 1, usage(99, 45, 18)), "the least are"),
            (record(&early, 1, usage(100, 30, 18)), "ended early"),
            (record(&job(), 2, usage(100, 30, 18)), "is not of the data"),
            (other_base, "was adapted"),
            (other_datanet, "no datanet"),
            (other_data, "never had the data"),
            (swollen, "33 records of contribution"),
            (none, "has no manifest"),
        ];
        for (record, words) in wrong {
            let found = why(&record).unwrap_or_else(|| panic!("nothing is wrong: {words}"));
            assert!(found.contains(words), "{found}");
        }
    }
}
