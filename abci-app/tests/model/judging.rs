//! Contributions: given, kept, judged, final, refused, taken back.

use std::collections::{BTreeMap, BTreeSet};

use datanet_ledger::component::accounts::Account;
use datanet_ledger::component::{datanets, models};
use datanet_types::action::{AttestStorage, Contribute, CreateDatanet, RegisterModel, Revoke, RotateHoldout, role};
use datanet_types::record::record_root;
use datanet_types::{Address, Amount, BlobHash, ContributionId, DatanetId, Digest, ModelId, NodeKey, Scores};

use prost::Message;

use super::ledger::{Done, Model, ensure, escrow, user};
use super::rounds::Round;
use super::verdicts::Challenge;

/// Committees that may refuse the same bytes of the same giver.
const MOST_REFUSALS: u32 = 3;

#[derive(Debug, Clone)]
pub struct Datanet {
    pub name: String,
    pub creator: Address,
    pub deposit: Amount,
    pub threshold: u32,
    pub seats: u32,
    pub quorum: u32,
    pub min_bond: Amount,
    /// Its held-out sets: blob, size, and from when they hold.
    pub sets: Vec<(BlobHash, u64, u64)>,
    /// Contributions ever given.
    pub given: u64,
    /// Digests of its history, which are not computed here: the chain's.
    pub history: Vec<Digest>,
    /// Entries that its history must have.
    pub entries: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Storing,
    Judging,
    Refused,
    Final,
    Revoked,
}

#[derive(Debug, Clone)]
pub struct Given {
    pub datanet: DatanetId,
    pub giver: Address,
    pub blob: BlobHash,
    pub root: Digest,
    pub bond: Amount,
    pub review_fee: Amount,
    pub attempt: u32,
    /// Committees that refused these bytes of this giver before.
    pub refusals: u32,
    pub height: u64,
    pub status: Status,
    pub round: u32,
    pub kept_by: BTreeSet<NodeKey>,
    /// Those who had it judged, who answer for it.
    pub keepers: Vec<NodeKey>,
    /// Until when nodes can say that they keep it, before it is judged.
    pub store_by: u64,
    pub scores: Option<Scores>,
    pub unavailable: bool,
    pub unstored: bool,
    /// Which of the datanet's held-out sets it is judged with.
    pub set: usize,
    pub verdict_height: u64,
    pub final_height: u64,
    pub final_position: u64,
    pub revoked_height: u64,
    pub revoked_position: u64,
    /// Until when its verdict can be challenged; 0 where it can't be.
    pub challenge_until: u64,
    /// Whether a second committee is at it.
    pub challenged: bool,
}

impl Given {
    /// The round that a committee is at, or was last.
    pub fn judging_round(&self) -> u32 {
        self.round + u32::from(self.challenged)
    }

    pub fn is_before_judges(&self) -> bool {
        matches!(self.status, Status::Storing | Status::Judging) || self.challenged
    }

    pub fn is_wanted(&self) -> bool {
        !matches!(self.status, Status::Refused | Status::Revoked)
    }

    /// Somebody earns by it, or may come to.
    pub fn may_earn(&self) -> bool {
        self.is_wanted() || self.final_height > 0
    }
}

#[derive(Debug, Clone, Default)]
pub struct Judging {
    pub datanets: BTreeMap<DatanetId, Datanet>,
    /// The held-out sets of those that were closed.
    pub sets_of_closed: BTreeMap<DatanetId, Vec<(BlobHash, u64, u64)>>,
    /// Those that were closed, and when.
    pub closed: BTreeMap<DatanetId, u64>,
    pub models: BTreeSet<ModelId>,
    pub given: BTreeMap<ContributionId, Given>,
    pub rounds: BTreeMap<(ContributionId, u32), Round>,
    pub challenges: BTreeMap<ContributionId, Challenge>,
    /// When what led to a verdict is forgotten.
    pub forget: BTreeSet<(u64, ContributionId)>,
    /// Who took records back last, by their plain root.
    pub taken_back: BTreeMap<(DatanetId, Digest), ContributionId>,
}

pub fn bond(id: &ContributionId) -> Account {
    escrow("bond", &[&id.0])
}

pub fn locked(id: &DatanetId) -> Account {
    escrow("datanet", &[&id.0])
}

pub fn review(id: &ContributionId) -> Account {
    escrow("review", &[&id.0])
}

impl Model {
    pub fn create_datanet(&mut self, who: Address, action: &CreateDatanet) -> Done {
        let rules = self.rules.now().clone();
        ensure(action.price >= rules.min_price && action.min_bond >= rules.min_bond_floor, "too cheap")?;
        ensure(action.accept_threshold >= rules.min_accept_threshold, "it takes anything")?;
        ensure(action.committee_size >= rules.min_committee_size, "too few judge")?;
        ensure(action.storage_quorum >= rules.min_storage_quorum, "too few keep it")?;
        ensure(action.holdout_size <= rules.max_contribution_bytes, "too much to hold out")?;
        ensure(self.judging.datanets.values().all(|datanet| datanet.name != action.name), "the name is taken")?;
        let id = DatanetId::derive(&self.chain, &who, &action.name);
        ensure(!self.judging.closed.contains_key(&id), "closed before")?;
        // What it is as a record is the ledger's to say; what a byte and a letter cost is a rule.
        let record = datanets::Datanet {
            id,
            name: action.name.clone(),
            description: action.description.clone(),
            schema: action.schema.clone(),
            licence: action.licence.clone(),
            price: action.price,
            accept_threshold: action.accept_threshold,
            committee_size: action.committee_size,
            storage_quorum: action.storage_quorum,
            holdout: action.holdout,
            holdout_size: action.holdout_size,
            min_bond: action.min_bond,
            creator: who,
            created_height: self.height,
            deposit: 0,
            rotations: 0,
            token_price: action.token_price,
            step_price: action.step_price,
        };
        let short = 5u32.saturating_sub(action.name.len() as u32);
        let deposit = (rules.datanet_deposit << short) + self.price_of(&record);
        self.pay(user(&who), locked(&id), deposit)?;
        let datanet = Datanet {
            name: action.name.clone(),
            creator: who,
            deposit,
            threshold: action.accept_threshold,
            seats: action.committee_size,
            quorum: action.storage_quorum,
            min_bond: action.min_bond,
            sets: vec![(action.holdout, action.holdout_size, 0)],
            given: 0,
            history: Vec::new(),
            entries: 0,
        };
        self.judging.datanets.insert(id, datanet);
        Ok(())
    }

    /// What a record in the tree costs that stays there.
    pub fn price_of(&self, record: &impl Message) -> Amount {
        (300 + record.encoded_len() as u64) * self.rules.now().state_byte_deposit
    }

    /// Whether something of it was final once, or may be.
    pub fn is_used(&self, id: &DatanetId) -> bool {
        let open = |given: &Given| given.is_before_judges() || given.challenge_until != 0;
        let mut given = self.judging.given.values().filter(|given| given.datanet == *id);
        self.judging.datanets[id].entries > 0 || given.any(open)
    }

    /// What is announced and does not hold yet gives way to another announcement.
    pub fn rotate(&mut self, who: Address, action: &RotateHoldout) -> Done {
        let rules = self.rules.now().clone();
        let sets = {
            let datanet = self.judging.datanets.get(&action.datanet).ok_or("no such datanet")?;
            ensure(datanet.creator == who, "another's datanet")?;
            datanet.sets.clone()
        };
        ensure(action.holdout_size <= rules.max_contribution_bytes, "too much to hold out")?;
        ensure(sets.last().map(|set| set.0) != Some(action.holdout), "it is the last already")?;
        let from = self.now + rules.holdout_delay_seconds;
        let next = (action.holdout, action.holdout_size, from);
        let record = datanets::HeldOut { blob: next.0, size: next.1, from };
        self.pay(user(&who), Self::treasury(), self.price_of(&record))?;
        let now = self.now;
        let datanet = self.judging.datanets.get_mut(&action.datanet).expect("it is there");
        datanet.sets.retain(|set| set.2 <= now);
        datanet.sets.push(next);
        Ok(())
    }

    pub fn close_datanet(&mut self, who: Address, id: &DatanetId) -> Done {
        let datanet = self.judging.datanets.get(id).ok_or("no such datanet")?.clone();
        ensure(datanet.creator == who, "another's datanet")?;
        ensure(!self.is_used(id), "others rest on it")?;
        let asset = datanet_types::Asset::Datanet(*id);
        ensure(!self.market.shares.contains_key(&asset), "others own its income")?;
        let kept = self.price_of(&datanets::Closed { height: self.height }).min(datanet.deposit);
        self.release(locked(id), Self::treasury(), kept);
        self.release(locked(id), user(&who), datanet.deposit - kept);
        let former = self.judging.datanets.remove(id).expect("it is there");
        self.judging.sets_of_closed.insert(*id, former.sets);
        self.judging.closed.insert(*id, self.height);
        Ok(())
    }

    pub fn register_model(&mut self, who: Address, action: &RegisterModel, height: u64) -> Done {
        let id = ModelId::derive(&who, &action.manifest);
        ensure(!self.judging.models.contains(&id), "registered before")?;
        ensure(action.parents.iter().all(|parent| self.judging.models.contains(parent)), "unknown parent")?;
        let datanets = &self.judging.datanets;
        ensure(action.datanets.iter().all(|id| datanets.contains_key(id)), "unknown datanet")?;
        for snapshot in &action.snapshots {
            let history = &datanets.get(&snapshot.datanet).ok_or("unknown datanet")?.history;
            let digest = history.get(usize::try_from(snapshot.count).map_err(|_| "too far")?);
            ensure(digest == Some(&snapshot.digest), "no place in the history")?;
        }
        let record = models::Model {
            id,
            owner: who,
            name: action.name.clone(),
            parents: action.parents.clone(),
            datanets: action.datanets.clone(),
            licence: action.licence.clone(),
            registered_height: height,
            snapshots: action.snapshots.clone(),
            evaluation: action.evaluation.clone(),
            release: action.release,
            manifest: action.manifest,
        };
        self.pay(user(&who), Self::treasury(), self.price_of(&record))?;
        self.judging.models.insert(id);
        self.market.models.insert(id, who);
        Ok(())
    }

    pub fn contribute(&mut self, who: Address, action: &Contribute) -> Done {
        let rules = self.rules.now().clone();
        let datanet = self.judging.datanets.get_mut(&action.datanet).ok_or("no such datanet")?;
        let good_size = action.size <= rules.max_contribution_bytes && action.records <= rules.max_contribution_records;
        ensure(good_size && action.bond >= datanet.min_bond, "too large, or for too little")?;
        let id = action.id(&self.chain, &who, action.attempt);
        ensure(!self.judging.given.contains_key(&id), "given before")?;
        let mut refusals = 0;
        if let Some(former) = action.attempt.checked_sub(1) {
            let former = self.judging.given.get(&action.id(&self.chain, &who, former)).ok_or("no former attempt")?;
            ensure(!former.is_wanted() && !former.challenged, "the former attempt is not over")?;
            let refused = former.scores.is_some_and(|scores| scores.combined() < datanet.threshold);
            refusals = former.refusals + u32::from(refused);
            ensure(refusals < MOST_REFUSALS, "refused for good")?;
            let least = datanet.min_bond.max(rules.review_fee) << refusals;
            ensure(refusals == 0 || action.bond >= least, "again for too little")?;
        }
        datanet.given += 1;
        let set = datanet.sets.iter().filter(|set| set.2 <= self.now).count() - 1;
        let further = (action.size - 1) >> 20;
        let review_fee = rules.review_fee + further * rules.review_fee_per_mib;
        self.pay(user(&who), bond(&id), action.bond)?;
        self.pay(user(&who), review(&id), review_fee)?;
        ensure(self.anybody_judges(), "nobody judges")?;
        let quorum = self.judging.datanets[&action.datanet].quorum as usize;
        ensure(self.nodes.all.values().filter(|node| node.keeps).count() >= quorum, "too few keep data")?;
        let given = Given {
            datanet: action.datanet,
            giver: who,
            blob: action.blob,
            root: action.record_root,
            bond: action.bond,
            review_fee,
            attempt: action.attempt,
            refusals,
            height: self.height,
            status: Status::Storing,
            round: 0,
            kept_by: BTreeSet::new(),
            keepers: Vec::new(),
            store_by: self.now + rules.storing_seconds,
            scores: None,
            unavailable: false,
            unstored: false,
            set,
            verdict_height: 0,
            final_height: 0,
            final_position: 0,
            revoked_height: 0,
            revoked_position: 0,
            challenge_until: 0,
            challenged: false,
        };
        self.judging.given.insert(id, given);
        Ok(())
    }

    pub fn attest(&mut self, who: Address, action: &AttestStorage) -> Done {
        let stake = self.node_of(&action.node, role::STORAGE, who)?.stake;
        ensure(stake >= self.rules.now().min_storage_stake, "too little stake to keep data")?;
        let id = action.contribution;
        let given = self.judging.given.get_mut(&id).ok_or("no such contribution")?;
        ensure(given.is_wanted(), "nobody is to keep it")?;
        ensure(given.status != Status::Storing || self.now <= given.store_by, "too late")?;
        ensure(given.kept_by.insert(action.node), "attested before")?;
        let quorum = self.judging.datanets[&given.datanet].quorum as usize;
        if given.keepers.len() < quorum {
            given.keepers.push(action.node);
        }
        if given.status == Status::Storing && given.kept_by.len() >= quorum {
            given.status = Status::Judging;
            let delay = self.rules.at(given.height).draw_delay;
            self.judging.rounds.insert((id, 0), Round::waiting(self.height + delay));
        }
        Ok(())
    }

    /// What too few keep in time: the bond is home, and the fee for judging is the treasury's.
    pub fn refuse_unstored(&mut self) {
        let late = |given: &Given| given.status == Status::Storing && given.store_by <= self.now;
        let late: Vec<_> = self.judging.given.iter().filter(|(_, given)| late(given)).map(|(id, _)| *id).collect();
        for id in late {
            let given = self.judging.given.get_mut(&id).expect("it is there");
            (given.status, given.unstored, given.verdict_height) = (Status::Refused, true, self.height);
            let given = given.clone();
            self.release(review(&id), Self::treasury(), given.review_fee);
            self.release(bond(&id), user(&given.giver), given.bond);
            let forget = self.now + self.rules.at(given.height).forget_seconds;
            self.judging.forget.insert((forget, id));
        }
    }

    /// Each of those who had it judged answers for its part of the bond, and for the part of the least stake that a bad one loses of its bond at
    /// most.
    pub fn fine_keepers(&mut self, given: &Given) {
        let rules = self.rules.at(given.height);
        let most = share(rules.min_storage_stake, rules.bond_penalty_bps);
        let each = most.min(given.bond / given.keepers.len() as u64);
        given.keepers.iter().for_each(|node| _ = self.fine_keeper(node, each));
    }

    /// It is kept, or it would not have been judged: it earns.
    pub fn accept(&mut self, id: &ContributionId, scores: Scores) {
        let given = self.judging.given.get_mut(id).expect("it was judged");
        let datanet = self.judging.datanets.get_mut(&given.datanet).expect("it is there");
        datanet.entries += 1;
        (given.status, given.scores, given.verdict_height) = (Status::Final, Some(scores), self.height);
        (given.final_height, given.final_position) = (self.height, datanet.entries);
    }

    pub fn refuse(&mut self, id: &ContributionId, scores: Option<Scores>, unavailable: bool) {
        let height = self.height;
        let given = self.judging.given.get_mut(id).expect("it was judged");
        (given.status, given.scores, given.unavailable) = (Status::Refused, scores, unavailable);
        given.verdict_height = height;
    }

    /// Nobody judged: everything comes back.
    pub fn give_up_judging(&mut self, id: &ContributionId) {
        self.refuse(id, None, false);
        let given = self.judging.given[id].clone();
        self.release(bond(id), user(&given.giver), given.bond);
        self.release(review(id), user(&given.giver), given.review_fee);
        self.forget_some_day(id);
    }

    pub fn revoke(&mut self, who: Address, action: &Revoke) -> Done {
        let (id, height) = (action.contribution, self.height);
        let given = self.judging.given.get_mut(&id).ok_or("no such contribution")?;
        ensure(given.giver == who, "another's contribution")?;
        let own = action.records.is_none_or(|plain| record_root(&who, &plain) == given.root);
        ensure(own, "other records")?;
        ensure(!given.is_before_judges(), "it is before judges")?;
        ensure(given.status == Status::Final, "nothing to take back")?;
        let datanet = self.judging.datanets.get_mut(&given.datanet).expect("it is there");
        datanet.entries += 1;
        given.revoked_position = datanet.entries;
        if let Some(plain) = action.records {
            self.judging.taken_back.insert((given.datanet, plain), id);
        }
        (given.status, given.revoked_height) = (Status::Revoked, height);
        if given.challenge_until != 0 {
            self.settle_verdict(&id);
        }
        let forget = self.now + self.rules.now().forget_seconds;
        self.judging.forget.insert((forget, id));
        Ok(())
    }
}

/// So many basis points of an amount, rounded down.
pub fn share(amount: Amount, bps: u32) -> Amount {
    (u128::from(amount) * u128::from(bps) / 10_000) as Amount
}
