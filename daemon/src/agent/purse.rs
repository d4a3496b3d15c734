//! What an agent may spend, and the intentions under which it does.
//!
//! An [`Intention`] is the only thing that [`Hands`](super::hands::Hands) act on, and only a purse makes one: once it is within the budget,
//! and durable.

use anyhow::Result;
use datanet_types::amount::display;
use datanet_types::{Amount, Digest};

use super::journal::{Deed, Ended, Entry, Intended, Journal, Memory, Observed, Passed, VERSION};
use super::spec::BudgetSpec;
use crate::db;

/// What holds an agent beside its token: the spec's budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Base units in a period.
    pub amount: Amount,
    /// Seconds of a period; none if it never begins anew.
    pub window: Option<u64>,
    /// Base units of one decision.
    pub each: Amount,
}

impl From<&BudgetSpec> for Limits {
    fn from(spec: &BudgetSpec) -> Self {
        Self { amount: spec.amount.0, window: spec.period.seconds(), each: spec.each.0 }
    }
}

/// Something that will be done: within the budget, and durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Intention(Intended);

impl std::ops::Deref for Intention {
    type Target = Intended;

    fn deref(&self) -> &Intended {
        &self.0
    }
}

/// What came of an intention.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// How it ended.
    pub outcome: super::journal::Outcome,
    /// What it cost, in base units.
    pub captured: Amount,
    /// What there is to know of it.
    pub detail: serde_json::Value,
}

/// What is to be done, before it is intended.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it is about.
    pub subject: String,
    /// What was looked at.
    pub observed: Observed,
    /// What to do.
    pub deed: Deed,
    /// Why.
    pub why: String,
    /// The most that it may cost.
    pub reserved: Amount,
}

/// See the module.
#[derive(Debug)]
pub struct Purse {
    journal: Journal,
    limits: Limits,
    agent: String,
}

impl Purse {
    /// Of an agent of this name.
    pub fn new(journal: Journal, limits: Limits, agent: &str) -> Self {
        Self { journal, limits, agent: agent.to_owned() }
    }

    /// What the journal says in all.
    pub fn memory(&self) -> &Memory {
        self.journal.memory()
    }

    /// Where the journal lies.
    pub fn journal(&self) -> &std::path::Path {
        self.journal.path()
    }

    /// Writes down that a process begins to work.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn begin(&mut self, kind: &str, spec: Digest) -> Result<()> {
        let at = self.memory().time(db::now());
        self.journal.write(&Entry::Began {
            version: VERSION,
            agent: self.agent.clone(),
            kind: kind.to_owned(),
            spec,
            at,
        })
    }

    /// Base units that one decision may cost now.
    pub fn left(&self) -> Amount {
        self.limits.amount.saturating_sub(self.memory().spent(db::now())).min(self.limits.each)
    }

    /// Base units that are left in this period, however many decisions they go to.
    pub fn remaining(&self) -> Amount {
        self.limits.amount.saturating_sub(self.memory().spent(db::now()))
    }

    /// What was intended before this process, and has not ended.
    pub fn unfinished(&self) -> Vec<Intention> {
        self.memory().pending().cloned().map(Intention).collect()
    }

    /// Intends to do something: durable once this returns. The reason in words if it is more than there is.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn intend(&mut self, plan: Plan) -> Result<Result<Intention, String>> {
        let Plan { subject, observed, deed, why, reserved } = plan;
        let left = self.left();
        if reserved > left {
            let (cost, left) = (display(reserved), display(left));
            return Ok(Err(format!("it may cost {cost}, and {left} is left for a decision now")));
        }
        let key = key(&self.agent, &subject, &deed)?;
        let (id, at) = (self.memory().next_id(), self.memory().time(db::now()));
        let intended = Intended { id, at, subject, observed, deed, why, key, reserved };
        self.journal.write(&Entry::Intended(Box::new(intended.clone())))?;
        crate::failpoint::reached("agent-intended");
        Ok(Ok(Intention(intended)))
    }

    /// Writes down what came of it.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn end(&mut self, intention: &Intention, done: Done) -> Result<Ended> {
        crate::failpoint::reached("agent-acted");
        let Done { outcome, captured, detail } = done;
        let ended = Ended { id: intention.id, at: self.memory().time(db::now()), outcome, captured, detail };
        self.journal.write(&Entry::Ended(Box::new(ended.clone())))?;
        crate::failpoint::reached("agent-ended");
        Ok(ended)
    }

    /// Writes down that nothing is done.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn pass(&mut self, subject: &str, observed: Observed, why: &str) -> Result<()> {
        let (id, at) = (self.memory().next_id(), self.memory().time(db::now()));
        let passed = Passed { id, at, subject: subject.to_owned(), observed, why: why.to_owned() };
        self.journal.write(&Entry::Passed(Box::new(passed)))
    }
}

/// What the node knows a deed by: the same deed about the same subject has the same, whatever became of the journal.
fn key(agent: &str, subject: &str, deed: &Deed) -> Result<String> {
    let mut hasher = blake3::Hasher::new_derive_key("datanet/agent/deed/v1");
    for part in [agent.as_bytes(), subject.as_bytes(), &serde_json::to_vec(deed)?] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    Ok(format!("agent/{agent}/{}", Digest(*hasher.finalize().as_bytes())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::agent::journal::Outcome;

    fn purse(dir: &tempfile::TempDir) -> Purse {
        let limits = Limits { amount: 100, window: None, each: 60 };
        Purse::new(Journal::open(&dir.path().join("journal"), None).unwrap(), limits, "owl")
    }

    fn plan(subject: &str, reserved: u64) -> Plan {
        let (deed, observed) = (Deed::Think { body: json!({}) }, Observed::default());
        Plan { subject: subject.to_owned(), observed, deed, why: String::new(), reserved }
    }

    #[test]
    fn no_more_is_intended_than_there_is_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = purse(&dir);
        assert!(first.intend(plan("too much", 61)).unwrap().unwrap_err().contains("may cost"));
        let one = first.intend(plan("one", 60)).unwrap().unwrap();
        assert_eq!(first.left(), 40);
        drop(first);
        let mut second = purse(&dir);
        assert_eq!(second.unfinished(), std::slice::from_ref(&one));
        assert!(second.intend(plan("two", 41)).unwrap().is_err());
        second.end(&one, Done { outcome: Outcome::Done, captured: 10, detail: json!({}) }).unwrap();
        assert_eq!(second.left(), 60);
        assert!(second.unfinished().is_empty() && second.memory().is_decided("one"));
    }

    #[test]
    fn what_was_refused_may_be_decided_on_again_and_the_same_deed_has_the_same_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut purse = purse(&dir);
        let first = purse.intend(plan("one", 5)).unwrap().unwrap();
        purse.end(&first, Done { outcome: Outcome::Refused, captured: 0, detail: json!({}) }).unwrap();
        assert!(!purse.memory().is_decided("one"));
        let again = purse.intend(plan("one", 5)).unwrap().unwrap();
        assert!(again.key == first.key && again.id != first.id);
        assert_ne!(purse.intend(plan("two", 5)).unwrap().unwrap().key, first.key);
    }
}
