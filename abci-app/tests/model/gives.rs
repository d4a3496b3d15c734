//! What people try with datanets: they give, keep, judge, take back, and train models.

use datanet_types::action::{
    AttestStatement, AttestStorage, ChallengeVerdict, CloseDatanet, CommitScores, Contribute, CreateDatanet, Finding,
    RegisterModel, RevealScores, Revoke, RotateHoldout, role,
};
use datanet_types::amount::DNT;
use datanet_types::record::record_root;
use datanet_types::release::DataSnapshot;
use datanet_types::schema::Schema;
use datanet_types::scores::Commitment;
use datanet_types::{Action, Address, BlobHash, ContributionId, DatanetId, Digest, ModelId, NodeKey, Scores};

use super::attempts::Attempt;
use super::audits::Phase as Hearing;
use super::judging::{Given, Status};
use super::rounds::Phase;
use super::world::{PEOPLE, Step, World};
use crate::support::{CHAIN, address, key};

/// What judges say of their reasons.
const REPORT: BlobHash = BlobHash([1; 32]);

impl World {
    pub fn new_datanet(&self, step: &Step) -> Attempt {
        // Short and long, and few enough to be taken sometimes.
        let name = ["p", "po", "pool", "pool-1", "pool-2", "a-pool-with-a-name"][usize::from(step.pick) % 6].to_owned();
        let datanet = CreateDatanet {
            name: if step.wrong(3) == Some(0) { String::new() } else { name },
            description: "what crates say of themselves".into(),
            schema: Schema::text_and_label(&["a", "b"]),
            licence: "CC-BY-4.0".into(),
            price: if step.wrong(3) == Some(1) { 1 } else { 1_000 },
            accept_threshold: if step.wrong(3) == Some(2) { 99 } else { 6_000 },
            committee_size: 1 + u32::from(step.pick / 6) % 6,
            storage_quorum: 1 + step.amount % 2,
            holdout: BlobHash([9; 32]),
            holdout_size: 100,
            min_bond: step.part(DNT),
            token_price: 0,
            step_price: 7,
        };
        Some((step.person(), Action::CreateDatanet(datanet)))
    }

    /// Mostly its creator, and mostly what was not given anything.
    pub fn end_datanet(&self, step: &Step) -> Attempt {
        let all: Vec<_> = self.model.judging.datanets.iter().collect();
        let unused: Vec<_> = all.iter().filter(|(id, _)| !self.model.is_used(id)).copied().collect();
        let (id, datanet) = *step.of(if unused.is_empty() || step.wrong(3) == Some(0) { &all } else { &unused })?;
        let who = if step.wrong(3) == Some(1) { step.person() } else { datanet.creator };
        let datanet = if step.wrong(3) == Some(2) { DatanetId([250; 32]) } else { *id };
        Some((who, Action::CloseDatanet(CloseDatanet { datanet })))
    }

    /// Mostly its creator, and mostly another set than the last.
    pub fn hold_out(&self, step: &Step) -> Attempt {
        let all: Vec<_> = self.model.judging.datanets.iter().collect();
        let (id, datanet) = *step.of(&all)?;
        let who = if step.wrong(3) == Some(0) { step.person() } else { datanet.creator };
        let last = datanet.sets.last().map_or(9, |set| set.0.0[0]);
        let holdout = BlobHash([if step.wrong(3) == Some(1) { last } else { last.wrapping_add(1).max(1) }; 32]);
        let holdout_size = if step.wrong(3) == Some(2) { u64::MAX } else { 100 + step.part(100) };
        Some((who, Action::RotateHoldout(RotateHoldout { datanet: *id, holdout, holdout_size })))
    }

    /// Mostly what was not given before, or may be given again.
    pub fn give(&self, step: &Step) -> Attempt {
        let datanets: Vec<DatanetId> = self.model.judging.datanets.keys().copied().collect();
        let (datanet, who) = (*step.of(&datanets)?, step.person());
        let plain = Digest([(step.amount % 40) as u8 + 1; 32]);
        let mut contribute = Contribute {
            datanet,
            blob: BlobHash(plain.0),
            size: if step.wrong(4) == Some(0) { 0 } else { 1 + u64::from(step.amount) % (3 << 20) },
            format: 0,
            records: if step.wrong(4) == Some(1) { u64::MAX } else { 10 },
            record_root: record_root(&who, &plain),
            bond: self.model.judging.datanets[&datanet].min_bond + step.part(DNT),
            origin: key(101).node_key(),
            attempt: 0,
        };
        while step.odd != 9 && self.model.judging.given.contains_key(&contribute.id(CHAIN, &who, contribute.attempt)) {
            contribute.attempt += 1;
        }
        contribute.bond <<= contribute.attempt.min(3);
        match step.wrong(4) {
            Some(2) => contribute.bond = 1,
            Some(3) => contribute.attempt += 1,
            _ => {}
        }
        Some((who, Action::Contribute(contribute)))
    }

    pub fn keep(&self, step: &Step) -> Attempt {
        let given: Vec<_> = self.model.judging.given.iter().collect();
        let wanted: Vec<_> = given.iter().filter(|(_, given)| given.is_wanted()).copied().collect();
        let (id, given) = *step.of(if wanted.is_empty() || step.wrong(2).is_some() { &given } else { &wanted })?;
        let nodes = self.model.nodes.all.iter();
        let free = |(key, node): &(&NodeKey, &super::nodes::Node)| {
            node.roles & role::STORAGE != 0 && !given.kept_by.contains(*key)
        };
        let nodes: Vec<_> = nodes.filter(free).map(|(key, node)| (*key, node.account)).collect();
        let (node, account) = nodes.get(usize::from(step.who) % nodes.len().max(1)).copied()?;
        let who = if step.wrong(2) == Some(1) { step.person() } else { account };
        Some((who, Action::AttestStorage(AttestStorage { contribution: *id, node })))
    }

    /// Those who were drawn for what is in a phase, and have not done their part.
    fn pending(&self, phase: Phase) -> Vec<(ContributionId, Address)> {
        let open = self.model.judging.rounds.iter().filter(|(_, round)| round.phase == phase && !round.forgotten);
        let judges = open.flat_map(|((id, _), round)| round.judges.iter().map(|judge| (*id, judge)));
        let idle = judges.filter(|(_, judge)| match phase {
            Phase::Commit => judge.committed.is_none(),
            _ => judge.committed.is_some() && judge.revealed.is_none(),
        });
        idle.map(|(id, judge)| (id, judge.account)).collect()
    }

    fn commitment(&mut self, id: &ContributionId, who: Address, scores: Option<Scores>, salt: Digest) -> Action {
        let given: Option<&Given> = self.model.judging.given.get(id);
        let (datanet, blob) = given.map_or_else(Default::default, |given| (given.datanet, given.blob));
        let (scores_said, validator) = (scores.as_ref(), &who);
        let commitment = Commitment {
            chain_id: CHAIN,
            datanet: &datanet,
            contribution: id,
            blob: &blob,
            validator,
            scores: scores_said,
            report: &REPORT,
            salt: &salt,
        }
        .digest();
        self.secrets.insert(commitment, (scores, salt));
        Action::CommitScores(CommitScores { contribution: *id, commitment })
    }

    /// What an honest judge says, more or less: most batches are good, some are bad, and some are not to be had.
    fn judgement(&self, id: &ContributionId, noise: u64) -> Option<Scores> {
        let blob = self.model.judging.given.get(id).map_or(0, |given| given.blob.0[0]);
        let base = match blob % 8 {
            0 => return None,
            1 | 2 => 5_000,
            _ => 8_000,
        };
        let near = |shift: u64| base + (noise >> shift) as u32 % 1_500;
        (!noise.is_multiple_of(23)).then(|| Scores::from_array([near(0), near(8), near(16), near(24)]))
    }

    pub fn commit_some(&mut self, step: &Step) -> Attempt {
        let pending = self.pending(Phase::Commit);
        let all: Vec<ContributionId> = self.model.judging.given.keys().copied().collect();
        let (id, who) = match (step.of(&pending), step.wrong(3)) {
            (Some((id, _)), Some(0)) => (*id, step.person()),
            (_, Some(1)) | (None, _) => (*step.of(&all)?, step.person()),
            (Some(one), _) => *one,
        };
        let scores = self.judgement(&id, u64::from(step.amount));
        let action = self.commitment(&id, who, scores, Digest([step.who; 32]));
        Some((who, action))
    }

    pub fn reveal_some(&mut self, step: &Step) -> Attempt {
        let all: Vec<(ContributionId, Address)> = self.pending(Phase::Reveal);
        let early: Vec<(ContributionId, Address)> = {
            let rounds = self.model.judging.rounds.iter().filter(|(_, round)| !round.forgotten);
            rounds.flat_map(|((id, _), round)| round.judges.iter().map(|judge| (*id, judge.account))).collect()
        };
        let (id, who) = *if step.wrong(2) == Some(0) || all.is_empty() { step.of(&early)? } else { step.of(&all)? };
        let Action::RevealScores(mut reveal) = self.revealing(&id, who)? else { return None };
        if step.wrong(2) == Some(1) {
            reveal.scores = Some(Scores::from_array([10_000 + step.amount % 2; 4]));
        }
        Some((who, Action::RevealScores(reveal)))
    }

    /// What is behind a judge's commitment.
    fn revealing(&self, id: &ContributionId, who: Address) -> Option<Action> {
        let (_, round) = self.model.round(id)?;
        let judge = round.judges.iter().find(|judge| judge.account == who)?;
        let (scores, salt) = judge.committed.and_then(|digest| self.secrets.get(&digest)).copied().unwrap_or_default();
        Some(Action::RevealScores(RevealScores { contribution: *id, scores, report: REPORT, salt }))
    }

    /// Nodes that keep data and have not said so of what waits for that.
    fn pending_keepers(&self) -> Vec<(ContributionId, NodeKey, Address)> {
        let waiting = self.model.judging.given.iter().filter(|(_, given)| given.status == Status::Storing);
        let nodes = || self.model.nodes.all.iter().filter(|(_, node)| node.keeps);
        let free = waiting.flat_map(|(id, given)| {
            nodes().filter(|(key, _)| !given.kept_by.contains(*key)).map(|(key, node)| (*id, *key, node.account))
        });
        free.collect()
    }

    /// What judges, auditors and those who keep bytes do of their own accord in a block, each with three chances in four; of many who can keep
    /// something one in four does.
    pub fn duties(&mut self, diligence: u64) -> Vec<(Address, Action)> {
        let mut actions = Vec::new();
        let dice = |salt: usize| {
            let hash = blake3::hash(&[diligence.to_le_bytes(), (salt as u64).to_le_bytes()].concat());
            u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes"))
        };
        for (at, (id, who)) in self.pending(Phase::Commit).into_iter().enumerate() {
            let (noise, scores) = (dice(at), self.judgement(&id, dice(at)));
            if !noise.is_multiple_of(4) {
                actions.push((who, self.commitment(&id, who, scores, Digest([3; 32]))));
            }
        }
        for (at, (id, who)) in self.pending(Phase::Reveal).into_iter().enumerate() {
            if !dice(100 + at).is_multiple_of(4) {
                actions.extend(self.revealing(&id, who).map(|action| (who, action)));
            }
        }
        for (at, (node, epoch, who)) in self.pending_auditors(Hearing::Commit).into_iter().enumerate() {
            let noise = dice(200 + at);
            let finding =
                [Finding::Correct, Finding::False, Finding::Unavailable, Finding::Missing][(epoch % 4) as usize];
            let finding = if noise.is_multiple_of(7) { Finding::False } else { finding };
            if !noise.is_multiple_of(4) {
                actions.extend(self.hidden_finding((node, epoch), who, finding).map(|action| (who, action)));
            }
        }
        for (at, (node, epoch, who)) in self.pending_auditors(Hearing::Reveal).into_iter().enumerate() {
            if !dice(300 + at).is_multiple_of(4) {
                actions.push((who, Action::RevealFinding(self.shown_finding((node, epoch), who))));
            }
        }
        for (at, (contribution, node, who)) in self.pending_keepers().into_iter().enumerate() {
            if dice(300 + at).is_multiple_of(4) {
                actions.push((who, Action::AttestStorage(AttestStorage { contribution, node })));
            }
        }
        for (at, (serving, epoch, node, who)) in self.pending_statements().into_iter().enumerate() {
            if dice(400 + at).is_multiple_of(4) {
                actions.push((who, Action::AttestStatement(AttestStatement { node, serving, epoch })));
            }
        }
        actions
    }

    /// Mostly one that can be challenged, and by whom it can be.
    pub fn doubt_verdict(&self, step: &Step) -> Attempt {
        let all: Vec<_> = self.model.judging.given.iter().collect();
        let ripe: Vec<_> = all.iter().filter(|(_, given)| given.challenge_until != 0).copied().collect();
        let (id, given) = *step.of(if ripe.is_empty() || step.wrong(3) == Some(0) { &all } else { &ripe })?;
        let own = given.status == Status::Refused && step.wrong(3) != Some(1);
        let who = if own { given.giver } else { step.person() };
        Some((who, Action::ChallengeVerdict(ChallengeVerdict { contribution: *id })))
    }

    pub fn take_back(&self, step: &Step) -> Attempt {
        let all: Vec<_> = self.model.judging.given.iter().collect();
        let ripe = |given: &Given| given.status == Status::Final;
        let good: Vec<_> = all.iter().filter(|(_, given)| ripe(given)).copied().collect();
        let (id, given) = *step.of(if good.is_empty() || step.wrong(3) == Some(0) { &all } else { &good })?;
        let who = if step.wrong(3) == Some(1) { step.person() } else { given.giver };
        let plain = if step.wrong(3) == Some(2) { Digest([99; 32]) } else { Digest(given.blob.0) };
        let records = step.amount.is_multiple_of(2).then_some(plain);
        Some((who, Action::Revoke(Revoke { contribution: *id, records })))
    }

    /// On a place in the history that is mostly there, made from one that mostly is too.
    pub fn new_model(&self, step: &Step) -> Attempt {
        let datanets: Vec<_> = self.model.judging.datanets.iter().collect();
        let (datanet, record) = *step.of(&datanets)?;
        let count = u64::from(step.amount) % (record.history.len() as u64 + 1);
        let digest = record.history.get(count as usize).copied().unwrap_or(Digest([5; 32]));
        let parents: Vec<ModelId> = self.model.judging.models.iter().copied().collect();
        let parent = if step.wrong(1).is_some() { Some(ModelId([255; 32])) } else { step.of(&parents).copied() };
        let register = RegisterModel {
            manifest: Digest([(step.pick % 60) as u8 + 1; 32]),
            name: "model".into(),
            parents: parent.into_iter().collect(),
            datanets: vec![*datanet],
            licence: "MIT".into(),
            snapshots: vec![DataSnapshot { datanet: *datanet, count, digest }]
                .into_iter()
                .take(usize::from(count > 0))
                .collect(),
            evaluation: Vec::new(),
            release: false,
        };
        Some((address(1 + step.who % PEOPLE), Action::RegisterModel(register)))
    }
}
