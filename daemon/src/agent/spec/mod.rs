//! What an owner says of an agent: one TOML file, read whole before anything is done. What is unknown in it is an error that names it.

mod money;
mod parts;
mod service;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use datanet_types::Digest;
use serde::Deserialize;

pub use money::{Money, Seconds};
pub use parts::{
    Account, BudgetSpec, BuyerSpec, Calls, CuratorSpec, FeedSpec, JudgeSpec, MaterialSpec, NodeSpec, PolicyKind,
    PolicySpec, RateBy, SellerSpec,
};
pub use service::{PLACES, ServiceSpec};

/// Longest spec in bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// An agent as its owner describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// 1 to 40 of `a-z 0-9 -`.
    pub name: String,
    /// Which node it works with.
    pub node: NodeSpec,
    /// Who pays and is paid: the name of an account on the node.
    pub account: Account,
    /// What it may spend, beside what its token may.
    pub budget: BudgetSpec,
    /// Who chooses.
    #[serde(default)]
    pub policy: PolicySpec,
    /// Where a curator looks.
    #[serde(default)]
    pub material: MaterialSpec,
    /// A buyer's part.
    pub buyer: Option<BuyerSpec>,
    /// A curator's part.
    pub curator: Option<CuratorSpec>,
    /// A judge's part.
    pub judge: Option<JudgeSpec>,
    /// A service's part.
    pub service: Option<ServiceSpec>,
}

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answers questions at the best value.
    Buyer,
    /// Gives a datanet what it lacks.
    Curator,
    /// Doubts verdicts that are wrong.
    Judge,
    /// Sells what it makes of answers that it buys.
    Service,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Buyer, Self::Curator, Self::Judge, Self::Service];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Curator => "curator",
            Self::Judge => "judge",
            Self::Service => "service",
        }
    }

    /// The scopes that its token needs, as they are typed.
    pub fn scopes(self) -> &'static str {
        match self {
            Self::Buyer => "read,search,ask",
            Self::Curator | Self::Judge | Self::Service => "read,search,ask,contribute",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("there is no agent of the kind {text:?}; there are {names}"))
    }
}

/// A spec and where it lies.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says; paths in it are from its folder on.
    pub spec: Spec,
    /// What the agent does.
    pub kind: Kind,
    /// BLAKE3 of its bytes.
    pub hash: Digest,
    /// The agent's own folder, beside the spec: its journal, its lock, what it is about to give.
    pub state: PathBuf,
}

impl Loaded {
    /// Reads the spec at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is too long, or says something that does not hold: what, and what to write.
    pub fn read(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).map(|found| found.len()).unwrap_or_default();
        ensure!(size <= MAX_BYTES, "{} has {size} bytes; a spec has {MAX_BYTES} at most", path.display());
        let text = datanet_config::read_text(path)?;
        let spec = Spec::parse(&text).with_context(|| format!("{} is no spec of an agent", path.display()))?;
        let folder = std::path::absolute(path)
            .with_context(|| format!("cannot tell where {} is", path.display()))?
            .parent()
            .map(Path::to_owned)
            .unwrap_or_default();
        let kind = spec.kind()?;
        let state = folder.join(format!("{}.agent", spec.name));
        Ok(Self { hash: Digest(*blake3::hash(text.as_bytes()).as_bytes()), spec: spec.within(&folder)?, kind, state })
    }
}

impl Spec {
    /// Reads and checks a spec; paths stay as they are written.
    ///
    /// # Errors
    /// See [`Loaded::read`].
    pub fn parse(text: &str) -> Result<Self> {
        let spec: Self = toml::from_str(text)?;
        spec.check()?;
        Ok(spec)
    }

    /// What the agent does: the one of `[buyer]`, `[curator]`, `[judge]`, `[service]` that is there.
    ///
    /// # Errors
    /// When there is none or more than one.
    pub fn kind(&self) -> Result<Kind> {
        match (&self.buyer, &self.curator, &self.judge, &self.service) {
            (Some(_), None, None, None) => Ok(Kind::Buyer),
            (None, Some(_), None, None) => Ok(Kind::Curator),
            (None, None, Some(_), None) => Ok(Kind::Judge),
            (None, None, None, Some(_)) => Ok(Kind::Service),
            (None, None, None, None) => {
                bail!("nothing says what the agent does; write a part [buyer], [curator], [judge] or [service]")
            }
            _ => bail!(
                "an agent does one thing; keep one of [buyer], [curator], [judge] and [service], and write another spec for the other"
            ),
        }
    }

    fn check(&self) -> Result<()> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            (1..=40).contains(&self.name.len()) && self.name.chars().all(good),
            "name = {:?}: a name is 1 to 40 of a-z 0-9 -",
            self.name
        );
        self.kind()?;
        self.budget.check()?;
        self.policy.check()?;
        self.material.check()?;
        if let Some(buyer) = &self.buyer {
            buyer.check()?;
        }
        if let Some(curator) = &self.curator {
            curator.check()?;
            ensure!(
                !self.material.folders.is_empty() || !self.material.feeds.is_empty(),
                "[material] names no folders and no feeds, so that a curator has nothing to look at"
            );
        }
        if let Some(judge) = &self.judge {
            judge.check()?;
        }
        if let Some(service) = &self.service {
            service.check()?;
        }
        Ok(())
    }

    /// The same with paths from `folder` on, and a user's home for `~`.
    fn within(mut self, folder: &Path) -> Result<Self> {
        let place = |path: &mut PathBuf| -> Result<()> {
            *path = folder.join(datanet_config::expand(&*path)?);
            Ok(())
        };
        self.node.home.iter_mut().try_for_each(place)?;
        place(&mut self.node.token_file)?;
        self.policy.key_file.iter_mut().try_for_each(place)?;
        self.material.folders.iter_mut().try_for_each(place)?;
        if let Some(buyer) = &mut self.buyer {
            if buyer.questions != Path::new("-") {
                place(&mut buyer.questions)?;
            }
            place(&mut buyer.answers)?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::sample::sample;

    #[test]
    fn what_is_unknown_missing_or_too_much_is_named() {
        let good = sample(Kind::Buyer, "owl");
        let said = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}");
            format!("{:#}", Spec::parse(&good.replacen(from, to, 1)).unwrap_err())
        };
        for (from, to, says) in [
            ("name = \"owl\"", "name = \"Owl!\"", "1 to 40 of a-z"),
            ("name = \"owl\"", "nmae = \"owl\"", "nmae"),
            ("amount = \"1DNT\"", "amount = \"1\"", "1DNT"),
            ("amount = \"1DNT\"", "amount = \"1DNT\"\ndollars = \"2DNT\"", "dollars"),
            ("period = \"day\"", "period = \"month\"", "month"),
            ("each = \"0.01DNT\"", "each = \"5DNT\"", "each = 5 DNT is more than amount"),
            ("[buyer]", "[judge]\ndatanets = [\"x\"]\n[buyer]", "one of [buyer], [curator], [judge] and [service]"),
        ] {
            let error = said(from, to);
            assert!(error.contains(says), "{to:?} should say {says:?}: {error}");
        }
    }

    #[test]
    fn paths_are_from_the_folder_of_the_spec_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("owl.toml");
        std::fs::write(&path, sample(Kind::Curator, "owl")).unwrap();
        let loaded = Loaded::read(&path).unwrap();
        assert_eq!(loaded.state, dir.path().join("owl.agent"));
        assert!(loaded.spec.node.token_file.starts_with(dir.path()));
        assert!(loaded.spec.material.folders.iter().all(|folder| folder.starts_with(dir.path())));
    }
}
