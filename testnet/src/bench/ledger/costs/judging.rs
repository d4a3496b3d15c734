//! Contributions, and the rounds in which they are judged.

use anyhow::{Context as _, Result, bail, ensure};
use datanet_ledger::component::Params;
use datanet_ledger::component::contributions::{self, Contribution, Status};
use datanet_ledger::component::validation::{self, Phase, Round};
use datanet_types::action::{AttestStorage, CommitScores, Contribute, CreateDatanet, RevealScores, role};
use datanet_types::amount::DNT;
use datanet_types::schema::Schema;
use datanet_types::scores::Commitment;
use datanet_types::{Action, BlobHash, ContributionId, DatanetId, Digest, Scores};

use super::books::{CHAIN, Taken, address, node_key};
use super::{Books, Cost};

/// They judge and store.
const JUDGES: [u8; 3] = [1, 2, 3];
const CREATOR: u8 = 4;
const CONTRIBUTOR: u8 = 5;
const NAME: &str = "docs";
/// Contributions until one of them is judged by all; each has a chance of two in nine.
const TRIES: u8 = 100;
/// Bytes of a record.
const RECORD: u64 = 1_024;
/// What every judge says.
const SCORES: Scores = Scores { validity: 9_000, quality: 9_000, uniqueness: 9_000, usefulness: 9_000 };
const REPORT: BlobHash = BlobHash([1; 32]);

/// A datanet whose committees have three seats, and a contribution to it that three different judges have been drawn for.
pub(super) struct Judging {
    books: Books,
    id: ContributionId,
    with: String,
    given: Cost,
    /// What had been taken when it was given.
    since: Taken,
}

impl Judging {
    /// Somebody gives so many bytes, on a chain of its own, until they are judged by all: who is drawn more than once sends less.
    pub(super) fn start(with: &str, bytes: u64) -> Result<Self> {
        // No committee that was drawn in vain is done with while something is counted.
        let mut books = Books::start(Params { commit_seconds: 30 * 24 * 3_600, ..Params::default() })?;
        for judge in JUDGES {
            books.register(judge, role::ALL, 300 * DNT)?;
        }
        books.done(CREATOR, Action::CreateDatanet(create_datanet()))?;
        // The first leaves what all share.
        let first = contribute(1, bytes);
        let kept = keep(first.id(CHAIN, &address(CONTRIBUTOR), 0));
        books.done(CONTRIBUTOR, Action::Contribute(first))?;
        books.done(JUDGES[0], kept)?;
        // Its committee is drawn before anything is counted.
        for _ in 0..=Params::default().draw_delay {
            books.block(&[])?;
        }
        for blob in 2..=TRIES {
            let contribute = contribute(blob, bytes);
            let id = contribute.id(CHAIN, &address(CONTRIBUTOR), 0);
            let before = books.taken();
            books.done(CONTRIBUTOR, Action::Contribute(contribute))?;
            let given = books.cost(before, "a contribution", with.to_owned());
            let since = books.taken();
            books.done(JUDGES[0], keep(id))?;
            let mut judging = Self { books, id, with: with.to_owned(), given, since };
            if judging.draw()? == JUDGES.len() {
                return Ok(judging);
            }
            books = judging.books;
        }
        bail!("{TRIES} committees were drawn and none had a seat for each judge")
    }

    /// Waits until the committee is drawn; how many sit on it.
    fn draw(&mut self) -> Result<usize> {
        loop {
            match self.current()? {
                Some(round) if round.phase() != Phase::Draw => return Ok(round.committee.len()),
                _ => self.books.block(&[])?,
            }
        }
    }

    /// Giving.
    pub(super) fn contribution(&self) -> Cost {
        self.given.clone()
    }

    /// Judging, from a node's word that it keeps the contribution to its being final.
    pub(super) fn round(mut self) -> Result<Cost> {
        for judge in &JUDGES {
            let commitment = self.commitment(*judge)?;
            let commit = CommitScores { contribution: self.id, commitment };
            self.books.done(*judge, Action::CommitScores(commit))?;
        }
        while self.phase()? == Phase::Commit {
            self.books.block(&[])?;
        }
        for judge in &JUDGES {
            let reveal =
                RevealScores { contribution: self.id, scores: Some(SCORES), report: REPORT, salt: salt(*judge) };
            self.books.done(*judge, Action::RevealScores(reveal))?;
        }
        while self.status()? == Status::Judging {
            self.books.block(&[])?;
        }
        ensure!(self.status()? == Status::Final, "the contribution is not final");
        Ok(self.books.cost(self.since, "a judged round", self.with))
    }

    fn contribution_now(&self) -> Result<Contribution> {
        contributions::get(&self.books.reader(), &self.id)?.context("no such contribution")
    }

    fn status(&self) -> Result<Status> {
        Ok(self.contribution_now()?.status())
    }

    fn current(&self) -> Result<Option<Round>> {
        Ok(validation::current_round(&self.books.reader(), &self.contribution_now()?)?)
    }

    fn phase(&self) -> Result<Phase> {
        Ok(self.current()?.context("no round")?.phase())
    }

    fn commitment(&self, judge: u8) -> Result<Digest> {
        let commitment = Commitment {
            chain_id: CHAIN,
            datanet: &datanet(),
            contribution: &self.id,
            blob: &self.contribution_now()?.blob,
            validator: &address(judge),
            scores: Some(&SCORES),
            report: &REPORT,
            salt: &salt(judge),
        };
        Ok(commitment.digest())
    }
}

fn keep(contribution: ContributionId) -> Action {
    Action::AttestStorage(AttestStorage { contribution, node: node_key(JUDGES[0]).node_key() })
}

fn salt(judge: u8) -> Digest {
    Digest([judge; 32])
}

fn datanet() -> DatanetId {
    DatanetId::derive(CHAIN, &address(CREATOR), NAME)
}

fn create_datanet() -> CreateDatanet {
    CreateDatanet {
        name: NAME.to_owned(),
        description: "what crates say of themselves".to_owned(),
        schema: Schema::text_and_label(&["a", "b"]),
        licence: "CC-BY-4.0".to_owned(),
        price: 1_000,
        accept_threshold: 6_000,
        committee_size: 3,
        storage_quorum: 1,
        holdout: BlobHash([9; 32]),
        holdout_size: 100,
        min_bond: 10 * DNT,
        token_price: 0,
        step_price: 0,
    }
}

/// So many bytes in records of a KiB.
fn contribute(blob: u8, bytes: u64) -> Contribute {
    Contribute {
        datanet: datanet(),
        blob: BlobHash([blob; 32]),
        size: bytes,
        format: 0,
        records: bytes / RECORD,
        record_root: Digest([blob; 32]),
        bond: 10 * DNT,
        origin: node_key(JUDGES[0]).node_key(),
        attempt: 0,
    }
}
