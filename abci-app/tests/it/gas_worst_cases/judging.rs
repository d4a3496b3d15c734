//! Nodes, datanets, contributions and models at their largest.

use std::collections::BTreeMap;

use bytes::Bytes;
use datanet_ledger::code;
use datanet_ledger::component::{contributions, datanets::history};
use datanet_types::action::{
    AttestStorage, ChallengeVerdict, CloseDatanet, CommitScores, Contribute, CreateDatanet, RegisterModel,
    RegisterNode, RevealScores, Revoke, RotateHoldout, role,
};
use datanet_types::amount::DNT;
use datanet_types::record::record_root;
use datanet_types::release::{DataSnapshot, Metric};
use datanet_types::schema::{Field, FieldRole, MAX_ALLOWED, MAX_FIELDS, Schema};
use datanet_types::scores::Commitment;
use datanet_types::{
    Action, Address, BlobHash, ContributionId, DatanetId, Digest, ModelId, Scores, SignedPpm, SigningKey,
};

use super::Case;
use super::world::{World, address_of, node_of};
use crate::support::CHAIN;

/// Persons who judge, keep and serve: nearly as many as there may be.
pub const JUDGES: std::ops::Range<u32> = 100..1_060;
const CREATOR: u32 = 1;
const OWNER: u32 = 2;
/// Those who give, one contribution each.
const GIVERS: u32 = 1_100;
/// Datanets of models, with one judge for each contribution.
const SMALL: u32 = 16;
/// Datanets to which nothing is given.
const UNUSED: [&str; 2] = ["unused-1", "unused-2"];
/// Contributions that wait for their one attestation, and those that are final.
const WAITING: u32 = 32;
const FINAL: u32 = 48;
/// Who gives what is kept by two at once.
const SHARED: u32 = GIVERS + 300;
/// Models without parents, with sixteen of those each, and with sixteen of these.
const ROOTS: u32 = 960;
const BETWEEN: u32 = 59;

pub struct Judging {
    persons: BTreeMap<Address, u32>,
    /// All seats of it are to commit, and of the other to reveal.
    committing: ContributionId,
    revealing: ContributionId,
    snapshots: Vec<DataSnapshot>,
}

fn small(n: u32) -> String {
    format!("small-{n}")
}

fn datanet(name: &str) -> DatanetId {
    DatanetId::derive(CHAIN, &address_of(CREATOR), name)
}

fn number(n: u32) -> [u8; 32] {
    *blake3::hash(&n.to_be_bytes()).as_bytes()
}

fn register(person: u32) -> Action {
    let (node, account) = (node_of(person), address_of(person));
    let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &account, &node.node_key()));
    let name = "n".repeat(64);
    Action::RegisterNode(RegisterNode { node: node.node_key(), proof, roles: role::ALL, stake: 1_000 * DNT, name })
}

/// As many texts as a schema can hold, each nearly as long as fits into a transaction.
fn largest_schema() -> Schema {
    let passage = Field { name: "text".into(), role: FieldRole::Text as i32, required: true, ..Field::default() };
    let other = |n: usize| Field { name: format!("{n:064}"), ..Field::default() };
    let mut fields: Vec<Field> = std::iter::once(passage).chain((1..MAX_FIELDS).map(other)).collect();
    fields[1].allowed = (0..MAX_ALLOWED).map(|n| format!("{n:0240}")).collect();
    let schema = Schema { fields };
    assert_eq!(schema.validate(), Ok(()));
    schema
}

fn create(name: &str, schema: Schema, seats: u32) -> CreateDatanet {
    CreateDatanet {
        name: name.into(),
        description: "d".repeat(1_024),
        schema,
        licence: "l".repeat(64),
        price: 1_000,
        accept_threshold: 1,
        committee_size: seats,
        storage_quorum: seats,
        holdout: BlobHash([9; 32]),
        holdout_size: 100,
        min_bond: DNT,
        token_price: 0,
        step_price: 0,
    }
}

fn contribute(giver: u32, to: DatanetId) -> Contribute {
    Contribute {
        datanet: to,
        blob: BlobHash(number(giver)),
        size: 1 << 30,
        format: 0,
        records: 1_000_000,
        record_root: record_root(&address_of(giver), &Digest(number(giver))),
        bond: DNT,
        origin: node_of(JUDGES.start).node_key(),
        attempt: 0,
    }
}

/// Where the contribution of a giver goes.
fn home(giver: u32) -> DatanetId {
    if giver == SHARED {
        return datanet("twice");
    }
    datanet(&small((giver - GIVERS) % SMALL))
}

fn given(giver: u32, to: DatanetId) -> ContributionId {
    contribute(giver, to).id(CHAIN, &address_of(giver), 0)
}

fn metrics() -> Vec<Metric> {
    let metric = |n: i64| Metric { name: format!("{n:064}"), value: SignedPpm(i64::MIN + n) };
    (0..64).map(metric).collect()
}

fn manifest(n: u32) -> Digest {
    Digest(number(n))
}

fn model(n: u32) -> ModelId {
    ModelId::derive(&address_of(OWNER), &manifest(n))
}

fn attest(n: u32, giver: u32) -> Action {
    attest_to(n, given(giver, home(giver)))
}

fn attest_to(n: u32, contribution: ContributionId) -> Action {
    Action::AttestStorage(AttestStorage { contribution, node: node_of(n).node_key() })
}

impl Judging {
    pub fn set_up(world: &mut World) -> Self {
        let judges: Vec<Bytes> = JUDGES.map(|n| world.sign(n, register(n))).collect();
        judges.chunks(240).for_each(|chunk| drop(world.block(chunk)));
        let schema = || Schema::text_and_label(&["a", "b"]);
        let mut datanets: Vec<_> = (0..SMALL).map(|n| create(&small(n), schema(), 1)).collect();
        datanets.push(create("large", largest_schema(), 64));
        datanets.extend(UNUSED.map(|name| create(name, largest_schema(), 64)));
        datanets.push(CreateDatanet { storage_quorum: 2, ..create("twice", schema(), 1) });
        let txs: Vec<_> = datanets.into_iter().map(|one| world.sign(CREATOR, Action::CreateDatanet(one))).collect();
        world.block(&txs);

        let mut judging = Self {
            persons: JUDGES.map(|n| (address_of(n), n)).collect(),
            committing: given(GIVERS + 200, datanet("large")),
            revealing: given(GIVERS + 201, datanet("large")),
            snapshots: Vec::new(),
        };
        let one = (GIVERS..GIVERS + WAITING + FINAL).map(|giver| (giver, home(giver)));
        let one = one.chain([(SHARED, datanet("twice"))]);
        let many = [GIVERS + 200, GIVERS + 201].map(|giver| (giver, datanet("large")));
        let all: Vec<_> = one.clone().chain(many).collect();
        let txs: Vec<_> =
            all.iter().map(|(giver, to)| world.sign(*giver, Action::Contribute(contribute(*giver, *to)))).collect();
        world.block(&txs);
        judging.keep(world);
        judging.keep_at_once(world);
        world.block(&[]);
        world.block(&[]);
        world.block(&[]);

        let finals = GIVERS + WAITING..GIVERS + WAITING + FINAL;
        let ids: Vec<ContributionId> =
            finals.map(|giver| given(giver, home(giver))).chain([judging.revealing]).collect();
        let commits: Vec<_> = ids.iter().flat_map(|id| judging.commits(world, id)).collect();
        world.block(&commits);
        let reveals: Vec<_> = ids[..ids.len() - 1].iter().flat_map(|id| judging.reveals(world, id)).collect();
        world.block(&reveals);
        judging.register_models(world);
        judging
    }

    /// Everything but what is to wait for it is kept by as many nodes as its datanet wants, which for the large one are the most there can be.
    fn keep(&self, world: &mut World) {
        let finals = (GIVERS + WAITING..GIVERS + WAITING + FINAL)
            .map(|giver| attest_to(JUDGES.start, given(giver, home(giver))));
        let mut txs: Vec<_> = finals.map(|action| world.sign(JUDGES.start, action)).collect();
        for id in [self.committing, self.revealing] {
            txs.extend((0..64).map(|n| world.sign(JUDGES.start + n, attest_to(JUDGES.start + n, id))));
        }
        world.block(&txs);
    }

    /// Two nodes attest in one block what two have to keep, each with twice the gas that it was told before the other's came: the second
    /// has it judged, which takes more.
    fn keep_at_once(&self, world: &mut World) {
        let told = |n| world.ledger().estimate(&world.sign(n, attest(n, SHARED))).unwrap().gas_used;
        let two: Vec<u64> = [0, 1].map(|n| told(JUDGES.start + n)).into();
        let attested = [0, 1].map(|n| world.sign(JUDGES.start + n, attest(JUDGES.start + n, SHARED)));
        let block = world.block(&attested);
        let took = block.outcomes[2].gas_used;
        assert!(
            took <= 2 * two[1],
            "the second of two that attest at once runs out of gas: {took} of twice {}",
            two[1]
        );
    }

    fn commits(&self, world: &World, id: &ContributionId) -> Vec<Bytes> {
        let contribution = contributions::get(&world.ledger().reader(), id).unwrap().unwrap();
        let commit = |member: Address| {
            let commitment = Commitment {
                chain_id: CHAIN,
                datanet: &contribution.datanet,
                contribution: id,
                blob: &contribution.blob,
                validator: &member,
                scores: Some(&Scores::from_array([9_000; 4])),
                report: &BlobHash([1; 32]),
                salt: &Digest([2; 32]),
            };
            let commitment = commitment.digest();
            world.sign(self.persons[&member], Action::CommitScores(CommitScores { contribution: *id, commitment }))
        };
        world.committee(id).into_iter().map(commit).collect()
    }

    fn reveals(&self, world: &World, id: &ContributionId) -> Vec<Bytes> {
        let (scores, report, salt) = (Some(Scores::from_array([9_000; 4])), BlobHash([1; 32]), Digest([2; 32]));
        let reveal = RevealScores { contribution: *id, scores, report, salt };
        let sign = |member| world.sign(self.persons[&member], Action::RevealScores(reveal.clone()));
        world.committee(id).into_iter().map(sign).collect()
    }

    /// A model with as much in its record as fits.
    fn model(&self, n: u32, parents: impl IntoIterator<Item = u32>) -> RegisterModel {
        RegisterModel {
            manifest: manifest(n),
            name: "n".repeat(64),
            parents: parents.into_iter().map(model).collect(),
            datanets: (0..SMALL).map(|n| datanet(&small(n))).collect(),
            licence: "l".repeat(64),
            snapshots: self.snapshots.clone(),
            evaluation: metrics(),
            release: true,
        }
    }

    fn register_models(&mut self, world: &mut World) {
        let reader = world.ledger().reader();
        let mut datanets: Vec<_> = (0..SMALL).map(|n| datanet(&small(n))).collect();
        datanets.sort_unstable();
        self.snapshots = datanets.iter().map(|one| history::latest(&reader, one).unwrap()).collect();
        let roots = (0..ROOTS).map(|n| self.model(n, []));
        let between = (0..BETWEEN).map(|n| self.model(ROOTS + n, n * 16..n * 16 + 16));
        let top = (0..4).map(|n| self.model(2_000 + n, (ROOTS + n * 16..ROOTS + BETWEEN).take(16)));
        let all: Vec<_> = roots.chain(between).chain(top).collect();
        for chunk in all.chunks(330) {
            let txs: Vec<_> = chunk.iter().map(|one| world.sign(OWNER, Action::RegisterModel(one.clone()))).collect();
            world.block(&txs);
        }
    }

    pub fn register_node(&self, world: &World) -> Vec<Case> {
        let txs = (1_300..1_316).map(|n| world.sign(n, register(n))).collect();
        let short = (1_300..1_350).map(|n| world.with_gas(n, register(n), 60_000)).collect();
        vec![
            Case::done("among 960 validators", txs),
            Case::refused("out of gas while those are counted", short, code::OUT_OF_GAS),
        ]
    }

    pub fn create_datanet(&self, world: &World) -> Vec<Case> {
        let sign = |name: &str| world.sign(CREATOR, Action::CreateDatanet(create(name, largest_schema(), 64)));
        vec![
            Case::done("the largest schema", ["another", "and-another"].map(sign).into()),
            Case::refused("its name is taken", [(); 4].map(|()| sign("large")).into(), code::DATANET_TAKEN),
        ]
    }

    pub fn close_datanet(&self, world: &World) -> Vec<Case> {
        let sign = |name: &str| world.sign(CREATOR, Action::CloseDatanet(CloseDatanet { datanet: datanet(name) }));
        vec![
            Case::done("with the largest schema", UNUSED.map(sign).into()),
            Case::refused("something is judged", [(); 4].map(|()| sign("large")).into(), code::DATANET_IN_USE),
        ]
    }

    pub fn rotate_holdout(&self, world: &World) -> Vec<Case> {
        let sign = |who: u32, n: u8| {
            let (datanet, holdout) = (datanet("large"), BlobHash([n; 32]));
            world.sign(who, Action::RotateHoldout(RotateHoldout { datanet, holdout, holdout_size: 100 }))
        };
        vec![
            Case::done("with the largest schema", (20..24).map(|n| sign(CREATOR, n)).collect()),
            Case::refused("another's datanet", (20..24).map(|n| sign(OWNER, n)).collect(), code::DATANET_FOREIGN),
        ]
    }

    pub fn contribute(&self, world: &World) -> Vec<Case> {
        let to = |giver, bond| {
            world.sign(giver, Action::Contribute(Contribute { bond, ..contribute(giver, datanet("large")) }))
        };
        let short = |n| world.with_gas(n, Action::Contribute(contribute(n, datanet("large"))), 20_000);
        vec![
            Case::done("to a datanet with the largest schema", (1_400..1_440).map(|n| to(n, DNT)).collect()),
            Case::refused("with too low a bond", (1_400..1_440).map(|n| to(n, 1)).collect(), code::CONTRIBUTION_BOND),
            Case::refused("out of gas at the datanet", (1_400..1_440).map(short).collect(), code::OUT_OF_GAS),
        ]
    }

    pub fn attest_storage(&self, world: &World) -> Vec<Case> {
        let sign = |giver| world.sign(JUDGES.start, attest(JUDGES.start, giver));
        vec![Case::done("the last that is missing", (GIVERS..GIVERS + WAITING).map(sign).collect())]
    }

    pub fn commit_scores(&self, world: &World) -> Vec<Case> {
        vec![Case::done("among 64 seats", self.commits(world, &self.committing))]
    }

    pub fn reveal_scores(&self, world: &World) -> Vec<Case> {
        let mut reveals = self.reveals(world, &self.revealing);
        // The last one ends the round, which is the agenda's work.
        reveals.pop();
        vec![Case::done("among 64 seats", reveals)]
    }

    pub fn revoke(&self, world: &World) -> Vec<Case> {
        let sign = |giver| {
            let (contribution, records) = (given(giver, home(giver)), Some(Digest(number(giver))));
            world.sign(giver, Action::Revoke(Revoke { contribution, records }))
        };
        let last = GIVERS + WAITING;
        vec![Case::done("a final one, with its records", (last..last + FINAL).map(sign).collect())]
    }

    pub fn challenge_verdict(&self, world: &World) -> Vec<Case> {
        let sign = |giver| {
            let contribution = given(giver, home(giver));
            world.sign(giver, Action::ChallengeVerdict(ChallengeVerdict { contribution }))
        };
        let last = GIVERS + WAITING;
        vec![Case::done("of a final one", (last..last + FINAL).map(sign).collect())]
    }

    pub fn register_model(&self, world: &World) -> Vec<Case> {
        let parents = || (2_000..2_004).chain(0..12);
        let good = (0..3).map(|n| self.model(3_000 + n, parents()));
        let mut bad: Vec<_> = good.clone().collect();
        for one in &mut bad {
            one.snapshots[15].digest = Digest([1; 32]);
        }
        let sign = |one| world.sign(OWNER, Action::RegisterModel(one));
        vec![
            Case::done("1,023 models behind it, each as large as can be", good.map(sign).collect()),
            Case::refused("its last snapshot is wrong", bad.into_iter().map(sign).collect(), code::MODEL_SNAPSHOT),
        ]
    }
}

/// The key with which the node of a judge signs.
pub fn serving(n: u32) -> SigningKey {
    node_of(JUDGES.start + n)
}
