//! Contributions as people and programs see them: the ledger's record, the committee, the reasons.

use std::collections::BTreeSet;

use datanet_api::contributions::{ContributionView, MemberView, VerdictChallenge};
use datanet_ledger::LedgerReader;
use datanet_ledger::component::contributions::{self, Contribution, Status};
use datanet_ledger::component::datanets::{self, Datanet};
use datanet_ledger::component::validation;
use datanet_types::release::Release;
use datanet_types::{ContributionId, DatanetId};

use super::Chain;
use crate::error::{Code, ServiceError, ServiceResult};

impl Chain {
    /// The contribution and its datanet.
    ///
    /// # Errors
    /// When there is no such contribution ([`Code::UnknownContribution`]), or the ledger has no block yet or cannot be
    /// read.
    pub fn contribution_and_datanet(&self, id: &ContributionId) -> ServiceResult<(Contribution, Datanet)> {
        let reader = self.reader()?;
        let contribution = contributions::get(&reader, id)?
            .ok_or_else(|| ServiceError::new(Code::UnknownContribution, format!("there is no contribution {id}")))?;
        let datanet = datanets::get(&reader, &contribution.datanet)?.ok_or_else(|| {
            let detail = format!("the datanet of contribution {id} was closed; nothing that was given to it is kept");
            ServiceError::new(Code::UnknownDatanet, detail)
        })?;
        Ok((contribution, datanet))
    }

    /// The datanet of this name or id.
    ///
    /// # Errors
    /// When there is no such datanet ([`Code::UnknownDatanet`]), or the ledger has no block yet or cannot be read.
    pub fn datanet_named(&self, name_or_id: &str) -> ServiceResult<Datanet> {
        Ok(self.datanet_in_view(name_or_id)?.1)
    }

    /// The same, with the consistent view of the ledger that it was found in.
    ///
    /// # Errors
    /// When there is no such datanet ([`Code::UnknownDatanet`]), or the ledger has no block yet or cannot be read.
    pub fn datanet_in_view(&self, name_or_id: &str) -> ServiceResult<(LedgerReader, Datanet)> {
        let reader = self.reader()?;
        let by_id = match name_or_id.parse::<DatanetId>() {
            Ok(id) => datanets::get(&reader, &id)?,
            Err(_) => None,
        };
        let datanet = match by_id {
            Some(datanet) => datanet,
            None => datanets::by_name(&reader, name_or_id)?.ok_or_else(|| unknown_datanet(&name_or_id))?,
        };
        Ok((reader, datanet))
    }

    /// A datanet.
    ///
    /// # Errors
    /// When there is no such datanet ([`Code::UnknownDatanet`]), or the ledger has no block yet or cannot be read.
    pub fn datanet(&self, id: &DatanetId) -> ServiceResult<Datanet> {
        datanets::get(&self.reader()?, id)?.ok_or_else(|| unknown_datanet(id))
    }

    /// Whether a contribution was taken back: then it is neither named in an answer nor paid.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn is_revoked(&self, id: &ContributionId) -> ServiceResult<bool> {
        let contribution = contributions::get(&self.reader()?, id)?;
        Ok(contribution.is_none_or(|contribution| contribution.status() == Status::Revoked))
    }

    /// Which of a release's contributions were taken back: what [`Release::spread`] leaves out.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn revoked_of(&self, release: &Release) -> ServiceResult<BTreeSet<ContributionId>> {
        let mut revoked = BTreeSet::new();
        for id in release.contributions() {
            if self.is_revoked(id)? {
                revoked.insert(*id);
            }
        }
        Ok(revoked)
    }

    /// A contribution without its reports.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn contribution_view(
        &self,
        reader: &LedgerReader,
        contribution: Contribution,
    ) -> ServiceResult<ContributionView> {
        // None of a refused contribution whose judging is forgotten.
        let round = validation::judging_round(reader, &contribution)?.unwrap_or_default();
        let challenge = validation::challenge(reader, &contribution.id)?.map(|challenge| VerdictChallenge {
            challenger: challenge.challenger,
            deposit: challenge.deposit,
            outcome: challenge.outcome().name().to_owned(),
        });
        let threshold = datanets::get(reader, &contribution.datanet)?.map_or(0, |datanet| datanet.accept_threshold);
        let total = u64::from(round.seats().max(1));
        let mut committee = Vec::new();
        for member in &round.committee {
            let (id, number, account) = (&contribution.id, round.number, &member.account);
            let reveal = validation::reveal(reader, id, number, account)?;
            let revealed = reveal.is_some() || member.revealed;
            committee.push(MemberView {
                validator: member.account,
                node: member.node,
                seats: member.seats,
                weight_bps: u64::from(member.seats).saturating_mul(10_000) / total,
                committed: revealed || validation::commitment(reader, id, number, account)?.is_some(),
                revealed,
                scores: reveal.and_then(|reveal| reveal.scores),
                unavailable: match reveal {
                    Some(reveal) => reveal.scores.is_none(),
                    // What it revealed is forgotten: whoever gave scores was measured.
                    None => member.revealed && member.accuracy_bps.is_none(),
                },
                report: reveal.map(|reveal| reveal.report),
            });
        }
        let state = serde_json::to_value(contribution.status()).ok();
        Ok(ContributionView {
            id: contribution.id,
            datanet: contribution.datanet,
            contributor: contribution.contributor,
            blob: contribution.blob,
            size: contribution.size,
            format: contribution.format(),
            records: contribution.records,
            record_root: contribution.record_root,
            bond: contribution.bond,
            seq: contribution.seq,
            state: state.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default(),
            height: contribution.submitted_height,
            final_height: (contribution.final_height > 0).then_some(contribution.final_height),
            revoked_height: (contribution.revoked_height > 0).then_some(contribution.revoked_height),
            attestations: contribution.attestations,
            store_by: (contribution.status() == Status::Storing).then_some(contribution.store_by),
            combined: contribution.scores.map(|scores| scores.combined()),
            scores: contribution.scores,
            threshold,
            reason: reason(&contribution),
            challenge_until: (contribution.challenge_until > 0).then_some(contribution.challenge_until),
            challenge_deposit: (contribution.challenge_until > 0).then(|| validation::challenge_deposit(&contribution)),
            challenge,
            committee,
            reports: Vec::new(),
        })
    }

    /// A contribution with its committee alone.
    ///
    /// # Errors
    /// When there is no such contribution ([`Code::UnknownContribution`]), or the ledger has no block yet or cannot be
    /// read.
    pub fn contribution_without_reports(&self, id: &ContributionId) -> ServiceResult<ContributionView> {
        let (contribution, _) = self.contribution_and_datanet(id)?;
        self.contribution_view(&self.reader()?, contribution)
    }
}

/// Why the verdict was what it was, and that it is the past where it was taken back.
fn reason(contribution: &Contribution) -> String {
    match contribution.revoked_height {
        0 => contribution.reason(),
        height if contribution.is_overturned() => {
            format!("overturned by a second committee at height {height}: {}", contribution.reason())
        }
        height => format!("taken back by its contributor at height {height}; before that: {}", contribution.reason()),
    }
}

/// There is no such datanet.
pub fn unknown_datanet(id: &impl std::fmt::Display) -> ServiceError {
    ServiceError::new(Code::UnknownDatanet, format!("no datanet {id}; `GET /v1/datanets` lists them"))
}
