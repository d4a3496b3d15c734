//! What may be ordered, and what it costs: a job is somebody else's, so that everything in it has a bound, and what costs work and is no step is left out.

use datanet_ledger::component::datanets::Datanet;
use datanet_training::job::{CurvatureRows, Data, Job};
use datanet_training::steps;
use datanet_types::amount::display;
use datanet_types::quote::SignedQuote;
use datanet_types::rate::Rate;
use datanet_types::receipt::MAX_INFLUENCES;

use super::Trainings;
use crate::billing::price::Price;
use crate::billing::reservation::{Asked, Kind};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::training::{DataChoice, NewJob};

/// Most records of a batch, and most tokens that are read of each: what a step takes is bounded by them, and its price is for that.
const MAX_BATCH: usize = 64;
const MAX_TOKENS: usize = 512;
/// Highest rank of an adapter.
const MAX_RANK: usize = 64;
/// Most halves that pay is found by; each takes the steps of the run again, and a table as large as the first.
const MAX_HALVES: usize = 8;

/// Combinations of signs that curvature is found by, of which each takes a backward pass of the batch: fewer than these.
const MAX_SIGNS: usize = 9;

/// A training that somebody wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What it is trained on.
    pub datanet: Datanet,
    /// Entries of the datanet's history; all if not given.
    pub count: Option<u64>,
    /// The job, without its data.
    pub new: NewJob,
    /// The request in bytes, by which it is the same when it comes again.
    pub words: Vec<u8>,
}

/// What a training costs here.
#[derive(Debug, Clone)]
pub struct Priced {
    /// The node's word on it.
    pub quote: SignedQuote,
    /// The prices.
    pub rate: Rate,
    /// Steps that it takes at most.
    pub most_steps: u32,
    /// Entries of the datanet's history that it is for.
    pub count: u64,
}

impl Wish {
    /// As the payment engine knows it.
    pub fn asked(&self) -> Asked {
        Asked::of(Kind::Train, &self.datanet.id.0, &self.words)
    }

    fn is_of(&self, named: &str) -> bool {
        named == self.datanet.name || named == self.datanet.id.to_hex()
    }

    /// The job with the data that was priced, whatever is given to the datanet meanwhile.
    pub(super) fn of_data(self, count: u64) -> NewJob {
        let data = DataChoice { datanet: self.datanet.id.to_hex(), count: Some(count) };
        NewJob { datanets: vec![data], ..self.new }
    }
}

impl Trainings {
    /// What a training would cost, in this node's signed word: for this very request, and its most, since how many records there are to learn from is
    /// known once they are read.
    ///
    /// # Errors
    /// As [`Trainings::priced`].
    pub async fn quote(&self, wish: &Wish) -> ServiceResult<Priced> {
        let (rate, most_steps, count) = self.priced(wish).await?;
        let (asked, price) = (wish.asked(), Price::of_training(rate, most_steps));
        let quote = self.billing.quote(asked.kind, asked.whom, price, Some(asked.payload));
        Ok(Priced { quote, rate, most_steps, count })
    }

    /// Seconds within which a training is done from its order on, or ended.
    pub fn seconds(&self) -> u64 {
        u64::from(self.config.training_hours).saturating_mul(3_600)
    }

    /// Prices, most steps, and entries of the datanet's history, of a training that may be ordered.
    ///
    /// # Errors
    /// When this node trains for nobody else ([`Code::NotSold`], [`Code::TrainingDisabled`], [`Code::NoRuntime`]); when the job is not one that strangers
    /// may have ([`Code::BadJob`], [`Code::JobTooLarge`]), its base is not on this node ([`Code::UnknownModel`]), or the datanet has nothing to learn from
    /// ([`Code::NoData`]).
    pub(super) async fn priced(&self, wish: &Wish) -> ServiceResult<(Rate, u32, u64)> {
        if self.config.training_orders == 0 {
            let detail = "this node trains for nobody else; ask another, or its operator for serving.training_orders";
            return Err(ServiceError::new(Code::NotSold, detail));
        }
        self.training.check_ready()?;
        let job = &wish.new.job;
        check(job)?;
        if let Some(other) = job.data.datanets.iter().find(|named| !wish.is_of(named)) {
            let detail = format!(
                "data.datanets names {other:.80?}, and what is asked for is a training on {}; leave it out",
                wish.datanet.name
            );
            return Err(ServiceError::new(Code::BadJob, detail).about("job.data.datanets"));
        }
        self.check_base_is_here(&job.base).await?;
        let (records, count) = self.records_at_most(wish)?;
        let steps = steps::of(job, records.min(job.data.max_records));
        let most = self.config.training_steps;
        let steps = u32::try_from(steps).ok().filter(|steps| (1..=most).contains(steps)).ok_or_else(|| {
            ServiceError::new(
                Code::JobTooLarge,
                format!("it would take up to {steps} steps on {records} records, and this node takes 1 to {most} for others; ask for fewer epochs, larger batches, fewer halves, or less of the data by count"),
            )
        })?;
        let rate = self.billing.training_rate(&wish.datanet);
        if rate.fee_of_steps(steps) == 0 {
            let name = &wish.datanet.name;
            let detail = format!(
                "datanet {name} and this node ask nothing for a training, and nobody is trained for at {}",
                display(0)
            );
            return Err(ServiceError::new(Code::NotSold, detail));
        }
        Ok((rate, steps, count))
    }

    /// What others adapt lies here already: nobody has this node fetch a model by ordering something.
    async fn check_base_is_here(&self, named: &str) -> ServiceResult<()> {
        let bases = self.models.bases().await?;
        if bases.iter().any(|base| base.name == named || base.id.to_hex() == named) {
            return Ok(());
        }
        let names: Vec<String> = bases.iter().map(|base| format!("{:?}", base.name)).collect();
        let detail = format!("no base model {named:.80?} is here to be adapted; this node has {}", names.join(", "));
        Err(ServiceError::new(Code::UnknownModel, detail).about("base"))
    }

    /// Records behind a wish by the ledger, of which some may not be learnt from: copies, those without a label, those that are held out.
    fn records_at_most(&self, wish: &Wish) -> ServiceResult<(usize, u64)> {
        let snapshot = self.records.data_snapshot(&wish.datanet.id, wish.count)?;
        let (name, count) = (&wish.datanet.name, snapshot.count);
        if count > MAX_INFLUENCES as u64 {
            let detail = format!(
                "the history of datanet {name} has {count} entries, and a training that is paid for reads {MAX_INFLUENCES} at most, since its receipt names them; say how many as count"
            );
            return Err(ServiceError::new(Code::JobTooLarge, detail).about("count"));
        }
        let (members, revoked) = self.records.members(&snapshot)?;
        if let Some(gone) = revoked.first() {
            let detail = format!(
                "contribution {gone} of those {count} entries was taken back by its contributor; name a count before it, or none"
            );
            return Err(ServiceError::new(Code::ContributionRevoked, detail).about("count"));
        }
        let records = members.iter().map(|given| given.records).fold(0, u64::saturating_add);
        if records == 0 {
            let detail = format!("datanet {name} has no final contribution there, so there is nothing to learn from");
            return Err(ServiceError::new(Code::NoData, detail));
        }
        Ok((usize::try_from(records).unwrap_or(usize::MAX), count))
    }
}

/// Whether a job is one that strangers may have.
fn check(job: &Job) -> ServiceResult<()> {
    let refuse = |key: &'static str, why: String| {
        let detail = format!("{key} of a training that is paid by its steps {why}");
        Err(ServiceError::new(Code::BadJob, detail).about(format!("job.{key}")))
    };
    if job.scratch.is_some() {
        return refuse("scratch", "is left out: what is sold is an adapter over a base".to_owned());
    }
    let most = [
        ("recipe.batch", job.recipe.batch, MAX_BATCH),
        ("max_tokens", job.max_tokens, MAX_TOKENS),
        ("lora.rank", job.lora.rank, MAX_RANK),
        ("attribution.halves", job.attribution.halves, MAX_HALVES),
    ];
    if let CurvatureRows::All | CurvatureRows::Signs(MAX_SIGNS..) = job.attribution.curvature {
        let why = format!("is auto, true-label, none, or signs of less than {MAX_SIGNS}: a step has one price");
        return refuse("attribution.curvature", why);
    }
    if let Some((key, number, most)) = most.into_iter().find(|(_, number, most)| number > most) {
        return refuse(key, format!("is {most} at most, and not {number}: a step has one price"));
    }
    let none = [
        ("evaluation.early_stop", job.evaluation.early_stop, "how many steps it takes must be known before"),
        ("evaluation.every", job.evaluation.every, "held-out records are asked at the end"),
        ("evaluation.checkpoint", job.evaluation.checkpoint, "about ten are kept in a run"),
        ("attribution.audit_subsets", job.attribution.audit_subsets, "retrainings are no steps of its run"),
        ("attribution.audit_contributors", job.attribution.audit_contributors, "retrainings are no steps of its run"),
    ];
    if let Some((key, _, why)) = none.into_iter().find(|(_, number, _)| *number > 0) {
        return refuse(key, format!("is left out: {why}"));
    }
    let Data { held_out, max_records, text, label, pair, leave_out, debt_releases, .. } = job.data.clone();
    let plain = Data { held_out, max_records, text, label, pair, leave_out, debt_releases, ..Data::default() };
    if job.data != (Data { datanets: job.data.datanets.clone(), ..plain }) {
        return refuse(
            "data",
            "has no height, no licences and nothing that it leaves out by name; say how much of the data as count"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_training::job::{Scratch, Task};

    #[test]
    fn a_strangers_job_has_a_bound_on_everything_that_costs_work() {
        let plain = Job::new("m", Task::Classify);
        check(&plain).unwrap();
        let refused = |change: &dyn Fn(&mut Job), key: &str| {
            let mut job = plain.clone();
            change(&mut job);
            let error = check(&job).unwrap_err();
            assert!(error.code == Code::BadJob && error.detail.starts_with(key), "{error}");
        };
        refused(&|job| job.scratch = Some(Scratch::default()), "scratch");
        refused(&|job| job.recipe.batch = MAX_BATCH + 1, "recipe.batch");
        refused(&|job| job.max_tokens = MAX_TOKENS + 1, "max_tokens");
        refused(&|job| job.lora.rank = MAX_RANK + 1, "lora.rank");
        refused(&|job| job.attribution.halves = MAX_HALVES + 2, "attribution.halves");
        refused(&|job| (job.evaluation.every, job.evaluation.early_stop) = (5, 2), "evaluation.early_stop");
        refused(&|job| job.evaluation.every = 1, "evaluation.every");
        refused(&|job| job.evaluation.checkpoint = 1, "evaluation.checkpoint");
        refused(&|job| job.attribution.audit_subsets = 100, "attribution.audit_subsets");
        refused(&|job| job.attribution.audit_contributors = 3, "attribution.audit_contributors");
        refused(&|job| job.attribution.curvature = CurvatureRows::Signs(9), "attribution.curvature");
        refused(&|job| job.attribution.curvature = CurvatureRows::All, "attribution.curvature");
        refused(&|job| job.data.height = Some(4), "data");
        refused(&|job| job.data.without = vec![datanet_types::ContributionId([1; 32])], "data");
    }
}
