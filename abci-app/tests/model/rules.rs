//! The chain's numbers, and which of them hold for what.

use datanet_ledger::component::Params;
use datanet_types::Address;
use datanet_types::action::NewNumber;

use super::ledger::{Done, Model, Refusal, ensure};

/// Numbers that held from a height on.
#[derive(Debug, Clone)]
pub struct Version {
    pub from: u64,
    /// Time of the first block in which they held; 0 for the first.
    pub since: u64,
    pub params: Params,
    /// Whether it is dropped: nothing can refer to it any more.
    pub dropped: bool,
}

/// All of them: a version's number is its place.
#[derive(Debug, Clone)]
pub struct Rules {
    pub versions: Vec<Version>,
    /// What is announced, and when it holds.
    pub next: Option<(u64, Params)>,
    /// Who announces.
    pub authority: Option<Address>,
}

impl Rules {
    pub fn new(params: Params) -> Self {
        let first = Version { from: 0, since: 0, params, dropped: false };
        Self { versions: vec![first], next: None, authority: None }
    }

    pub fn now(&self) -> &Params {
        &self.versions.last().expect("there is one from the start").params
    }

    /// Those of a height; of the oldest that is kept for what is older.
    pub fn at(&self, height: u64) -> Params {
        let kept: Vec<&Version> = self.versions.iter().filter(|version| !version.dropped).collect();
        let of = kept.iter().rev().find(|version| version.from <= height).or(kept.first());
        of.expect("the present ones are kept").params.clone()
    }

    /// A version that is kept, and the height from which others held.
    pub fn version(&self, number: u64) -> Option<(&Version, Option<u64>)> {
        let at = usize::try_from(number).ok()?;
        let version = self.versions.get(at).filter(|version| !version.dropped)?;
        Some((version, self.versions.get(at + 1).map(|next| next.from)))
    }

    pub fn begin(&mut self, height: u64, now: u64) {
        let Some((_, params)) = self.next.take_if(|(due, _)| *due <= now) else { return };
        self.versions.push(Version { from: height, since: now, params, dropped: false });
        let (longest, last) = (self.now().channel_max_seconds, self.versions.len() - 1);
        for at in 0..last {
            let version = &self.versions[at].params;
            let lasts = longest.max(version.channel_max_seconds) + version.channel_min_seconds;
            if self.versions[at + 1].since + lasts >= now {
                return;
            }
            self.versions[at].dropped = true;
        }
    }
}

/// The numbers with one of them changed.
pub fn changed(params: &Params, name: &str, value: u64) -> Option<Params> {
    let mut all = serde_json::to_value(params).ok()?;
    *all.get_mut(name)? = value.into();
    serde_json::from_value(all).ok()
}

/// Whether numbers may become others, whoever makes them.
fn acceptable(present: &Params, next: &Params) -> Done {
    ensure(next != present, "nothing changes")?;
    ensure(next.validate().is_ok(), "no good numbers")?;
    let bounds =
        |params: &Params| (params.authority_delay_seconds, params.treasury_period_seconds, params.treasury_period_bps);
    ensure(bounds(next) == bounds(present), "it bounds the authority")?;
    ensure(next.min_price <= present.min_price, "the least price only falls")?;
    ensure(next.unbonding_seconds >= present.unbonding_seconds, "unbonding only gets longer")?;
    ensure(next.voting_seconds >= present.voting_seconds.div_ceil(2), "it halves at most")?;
    ensure(next.timelock_seconds >= present.timelock_seconds.div_ceil(2), "it halves at most")?;
    ensure(next.app_version == present.app_version, "no other rules are known")
}

/// What a vote makes of the numbers.
pub fn renumbered(present: &Params, numbers: &[NewNumber]) -> Result<Params, Refusal> {
    let mut next = present.clone();
    for NewNumber { name, value } in numbers {
        next = changed(&next, name, *value).ok_or("no such number")?;
    }
    acceptable(present, &next)?;
    Ok(next)
}

impl Model {
    pub fn set_params(&mut self, who: Address, changes: &str) -> Done {
        ensure(self.rules.authority == Some(who), "not the authority")?;
        let changes: std::collections::BTreeMap<String, u64> = serde_json::from_str(changes).map_err(|_| "no JSON")?;
        let present = self.rules.now();
        let mut next = present.clone();
        for (name, value) in &changes {
            next = changed(&next, name, *value).ok_or("no such number")?;
        }
        acceptable(present, &next)?;
        let votes = |params: &Params| (params.quorum_bps, params.pass_bps, params.veto_bps, params.voting_seconds);
        ensure(votes(&next) == votes(present), "that is for votes")?;
        self.rules.next = Some((self.now + present.authority_delay_seconds, next));
        Ok(())
    }

    pub fn cancel_params(&mut self, who: Address) -> Done {
        ensure(self.rules.authority == Some(who), "not the authority")?;
        self.rules.next.take().map(drop).ok_or("nothing is announced")
    }
}
