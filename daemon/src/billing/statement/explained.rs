//! Whether the lines of a statement say why its leaves are what they are: of each account, what they sum to is its leaf.

use std::slice::Iter;

use datanet_types::epoch::EpochLeaf;
use datanet_types::{Account, Amount};

use super::page::Entry as _;
use crate::db::accruals::{EarningLine, EarningRole};

/// Takes lines as their pages come, and holds none of them.
pub(in crate::billing) struct Explained<'a> {
    /// Those that no line was read of yet.
    leaves: Iter<'a, EpochLeaf>,
    last: Option<EarningLine>,
    /// The account whose lines come now, and what they have given.
    open: Option<(Account, Amount)>,
}

impl<'a> Explained<'a> {
    /// Of these leaves, which are ordered.
    pub(in crate::billing) fn new(leaves: &'a [EpochLeaf]) -> Self {
        Self { leaves: leaves.iter(), last: None, open: None }
    }

    /// Takes the next lines.
    ///
    /// # Errors
    /// When they do not follow those before, or those of an account sum to something else than its leaf: which, in words.
    pub(in crate::billing) fn add(&mut self, lines: &[EarningLine]) -> Result<(), String> {
        for line in lines {
            if self.last.as_ref().is_some_and(|last| !last.is_before(line)) {
                return Err("its lines are not ordered, each once".into());
            }
            self.last = Some(line.clone());
            // What nobody is there to earn is the treasury's, and no leaf.
            if line.0.role != EarningRole::Treasury {
                self.add_one(line.0.account, line.1.amount)?;
            }
        }
        Ok(())
    }

    fn add_one(&mut self, account: Account, amount: Amount) -> Result<(), String> {
        let before = match self.open {
            Some((open, sum)) if open == account => sum,
            _ => {
                self.close()?;
                0
            }
        };
        let sum =
            before.checked_add(amount).ok_or_else(|| format!("the lines of account {account} sum to too much"))?;
        self.open = Some((account, sum));
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        match self.open.take() {
            // Whoever earned nothing has no leaf.
            None | Some((_, 0)) => Ok(()),
            Some((account, sum)) => match self.leaves.next() {
                Some(leaf) if (leaf.account, leaf.amount) == (account, sum) => Ok(()),
                _ => Err(format!("its lines say that account {account} earned {sum}, and its leaves do not")),
            },
        }
    }

    /// No more lines come.
    ///
    /// # Errors
    /// As [`Explained::add`], and when a leaf has none.
    pub(in crate::billing) fn finish(mut self) -> Result<(), String> {
        self.close()?;
        match self.leaves.next() {
            Some(leaf) => Err(format!("no lines say why account {} earned {}", leaf.account, leaf.amount)),
            None => Ok(()),
        }
    }
}
