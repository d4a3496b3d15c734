//! What became of a contribution's records: what its judges said, what they did for answers, and what is not known.

use datanet_api::contributions::ContributionView;
use datanet_api::report::{ContributionReport, Copies, CopyOf, Flaws, InAnswers, LeftOut, NamedRecord, RecordValues};
use datanet_data::judge::{DuplicateKind, Flagged, Flaw, HELD_OUT, Report, Valued, Values};
use datanet_ledger::component::contributions;
use datanet_types::amount::mul_div;
use datanet_types::receipt::AnswerRecord;
use datanet_types::{ContributionId, Ppm};

use super::Answers;
use crate::db::jobs::JobRecord;
use crate::error::ServiceResult;

/// The newest receipts that are read: a second of work at most.
const RECEIPTS: usize = 500;

impl Answers {
    /// What became of the records of a contribution; `jobs` are those of this node, with their audits.
    ///
    /// # Errors
    /// When there is no such contribution (`Code::UnknownContribution`), or the ledger has no block yet or cannot be
    /// read.
    pub async fn contribution_report(
        &self,
        id: &ContributionId,
        jobs: Vec<JobRecord>,
    ) -> ServiceResult<ContributionReport> {
        let view = self.records.contribution_with_reports(id).await?;
        let answers = self.in_answers(id).await?;
        let audits = left_out(&view, jobs);
        let said = nearest(&view);
        let unknown = unknown(&view, said.as_ref(), &answers, &audits);
        let report = said.as_ref();
        let mut copies = Vec::new();
        for source in report.map(|report| report.repeats.as_slice()).unwrap_or_default() {
            let giver = contributions::get(&self.chain.reader()?, &source.contribution)?;
            copies.push(Copies {
                contribution: given(source.contribution),
                contributor: giver.map(|giver| giver.contributor),
                records: source.records,
                exact: source.exact,
                near: source.near,
                paraphrased: source.paraphrased,
            });
        }
        let flaws = report.map(|report| report.flaws.as_slice()).unwrap_or_default();
        let named = report.map(|report| report.flagged.as_slice()).unwrap_or_default();
        Ok(ContributionReport {
            id: view.id,
            contributor: view.contributor,
            judged: report.map_or(0, |report| report.counts.judged),
            value: report.and_then(|report| report.values.as_ref()).map(values),
            copies,
            flaws: flaws
                .iter()
                .map(|one| Flaws { flaw: name(one.flaw), words: one.flaw.words().to_owned(), records: one.records })
                .collect(),
            named: named.iter().map(flagged).collect(),
            named_is_cut: report.is_some_and(|report| report.flagged_is_cut),
            answers,
            audits,
            unknown,
            records: view.records,
            state: view.state,
        })
    }

    /// What it did for the newest answers of this node.
    async fn in_answers(&self, id: &ContributionId) -> ServiceResult<InAnswers> {
        let mut sum = InAnswers::default();
        for (_, issued) in self.billing.latest_receipts(RECEIPTS)? {
            // One that cannot be read now says nothing.
            let Ok(record) = self.answer_record(&issued.id).await else { continue };
            count(&mut sum, &record, id);
        }
        Ok(sum)
    }
}

fn count(sum: &mut InAnswers, record: &AnswerRecord, id: &ContributionId) {
    sum.read += 1;
    if let Some(credit) = record.receipt.credits.iter().find(|credit| credit.contribution == *id) {
        let whole = record.receipt.split.contributors;
        sum.credited += 1;
        sum.pay = sum.pay.saturating_add(mul_div(whole, credit.weight.0, Ppm::ONE.0).unwrap_or(0));
    }
    if let Some(moved) = record.output.influence.iter().find(|influence| influence.contribution == *id) {
        sum.influence = sum.influence.saturating_add(moved.value);
        sum.worth = sum.worth.saturating_add(moved.worth);
        sum.helped += u64::from(moved.value > 0);
        sum.harmed += u64::from(moved.value < 0);
    }
}

/// The report of the judge that came closest to the tally, or the first before there is one.
fn nearest(view: &ContributionView) -> Option<Report> {
    let reports = view.reports.iter().filter_map(|text| serde_json::from_str::<Report>(text.get()).ok());
    let distance = |report: &Report| match view.scores {
        Some(tally) => {
            let pairs = tally.as_array().into_iter().zip(report.scores.as_array());
            pairs.map(|(a, b)| a.abs_diff(b)).fold(0, u32::saturating_add)
        }
        None => 0,
    };
    reports.min_by_key(distance)
}

fn values(values: &Values) -> RecordValues {
    let Values { measured, help, harm, best } = values;
    let best = best.iter().map(|Valued { record, value, excerpt }| NamedRecord {
        record: *record,
        excerpt: excerpt.clone(),
        value: Some(*value),
        ..NamedRecord::default()
    });
    RecordValues { measured: *measured, help: *help, harm: *harm, best: best.collect() }
}

fn flagged(one: &Flagged) -> NamedRecord {
    NamedRecord {
        record: one.record,
        excerpt: one.excerpt.clone(),
        invalid: one.invalid.clone(),
        copy_of: one.duplicate_of.map(|found| CopyOf {
            contribution: given(found.of.contribution),
            record: found.of.record,
            kind: kind(found.kind).to_owned(),
        }),
        flaws: one.flaws.iter().map(|flaw| name(*flaw)).collect(),
        value: one.value,
    }
}

/// The contribution, unless that stands for the held-out set.
fn given(contribution: ContributionId) -> Option<ContributionId> {
    (contribution != HELD_OUT).then_some(contribution)
}

fn kind(kind: DuplicateKind) -> &'static str {
    match kind {
        DuplicateKind::Exact => "exact",
        DuplicateKind::Near { .. } => "near",
        DuplicateKind::Paraphrase { .. } => "paraphrase",
    }
}

/// A flaw as reports call it.
fn name(flaw: Flaw) -> String {
    serde_json::to_value(flaw).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What models of this node lost that were trained again without the contributor.
fn left_out(view: &ContributionView, jobs: Vec<JobRecord>) -> Vec<LeftOut> {
    let contributor = view.contributor.to_string();
    let of = |job: JobRecord| {
        let audit = job.evaluation.as_ref()?["attribution"]["left_out"].as_array()?.clone();
        let one = audit.into_iter().find(|one| one["source"] == contributor.as_str())?;
        let (actual, predicted) = (one["actual"].as_f64()?, one["predicted"].as_f64()?);
        Some(LeftOut { model: job.release, name: job.name(), actual, predicted })
    };
    jobs.into_iter().filter_map(of).collect()
}

fn unknown(view: &ContributionView, said: Option<&Report>, answers: &InAnswers, audits: &[LeftOut]) -> Vec<String> {
    let mut unknown = Vec::new();
    match said {
        None if matches!(view.state.as_str(), "storing" | "judging") => {
            unknown.push("copies, flaws and values: its judges have not revealed what they found yet".to_owned());
        }
        None if view.committee.iter().all(|member| member.report.is_none()) => {
            unknown.push("copies, flaws and values: the verdict stays on the ledger, and which reports its judges gave is forgotten by now".to_owned());
        }
        None => {
            unknown.push("copies, flaws and values: no node that can be reached now has a judge's report".to_owned())
        }
        Some(report) => {
            if report.counts.judged < view.records {
                unknown.push(format!(
                    "{} of {} records: judges look at a sample of a large contribution",
                    view.records.saturating_sub(report.counts.judged),
                    view.records
                ));
            }
            if report.values.is_none() {
                let why = report.dimensions.iter().find(|one| one.name == "usefulness").map(|one| one.why.as_str());
                unknown.push(format!(
                    "which records help and which harm: that is measured by labels alone, and here {}",
                    why.unwrap_or("nothing was measured")
                ));
            }
        }
    }
    match answers.read {
        0 => unknown.push("its part in answers: this node has given none".to_owned()),
        read => unknown.push(format!(
            "its part in other answers than the newest {read} of this node: other nodes know theirs, and `earnings` has the sums"
        )),
    }
    if audits.is_empty() {
        unknown.push("what models lose without it: no model that was trained here left its contributor out".to_owned());
    }
    unknown
}

#[cfg(test)]
mod tests {
    use datanet_types::Address;
    use datanet_types::epoch::FeeSplit;
    use datanet_types::receipt::{AskOutput, Credit, Influence, Receipt};

    use super::*;

    #[test]
    fn pay_and_influence_of_one_contribution_are_summed() {
        let id = |n| ContributionId([n; 32]);
        let credit = |n, weight| Credit { contribution: id(n), contributor: Address([n; 20]), weight: Ppm(weight) };
        let answer = |value| AnswerRecord {
            receipt: Receipt {
                credits: vec![credit(1, 250_000), credit(2, 750_000)],
                split: FeeSplit { contributors: 600, ..FeeSplit::default() },
                ..Receipt::default()
            },
            output: AskOutput {
                influence: vec![Influence { contribution: id(1), value, worth: value * 2 }],
                ..AskOutput::default()
            },
            ..AnswerRecord::default()
        };
        let mut sum = InAnswers::default();
        for value in [5, -7, -1] {
            count(&mut sum, &answer(value), &id(1));
        }
        count(&mut sum, &AnswerRecord::default(), &id(1));
        assert_eq!((sum.read, sum.credited, sum.pay), (4, 3, 450));
        assert_eq!((sum.helped, sum.harmed, sum.influence, sum.worth), (1, 2, -3, -6));
    }
}
