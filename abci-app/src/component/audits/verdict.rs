//! What the seats of a committee say together.

use datanet_types::Amount;
use datanet_types::split::split;

use super::{Auditor, Said};

/// The outcome of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Most seats found it right.
    Upheld,
    /// Most seats found it false.
    False,
    /// Most seats found its statement nowhere.
    Missing,
    /// Most seats could not approve of it, but not because most found it false, or its statement nowhere.
    Unavailable,
    /// Neither.
    Open,
}

impl Verdict {
    /// Whether this is what `said` wanted.
    pub(super) fn agrees(self, said: Said) -> bool {
        match self {
            Self::Upheld => said == Said::Correct,
            Self::False | Self::Unavailable | Self::Missing => {
                matches!(said, Said::False | Said::Unavailable | Said::Missing)
            }
            Self::Open => false,
        }
    }
}

/// More than half of all seats, those included that said nothing.
pub(super) fn verdict(committee: &[Auditor]) -> Verdict {
    let seats = |wanted: &dyn Fn(Said) -> bool| {
        let of =
            |sum: u32, auditor: &Auditor| sum.saturating_add(if wanted(auditor.said()) { auditor.seats } else { 0 });
        committee.iter().fold(0, of)
    };
    let all = seats(&|_| true);
    let most = |count: u32| count.saturating_mul(2) > all;
    if most(seats(&|said| said == Said::Correct)) {
        Verdict::Upheld
    } else if most(seats(&|said| said == Said::False)) {
        Verdict::False
    } else if most(seats(&|said| said == Said::Missing)) {
        Verdict::Missing
    } else if most(seats(&|said| matches!(said, Said::False | Said::Unavailable | Said::Missing))) {
        Verdict::Unavailable
    } else {
        Verdict::Open
    }
}

/// Shares `amount` among the seats that `verdict` agrees with, in the order of the committee.
pub(super) fn rewards(amount: Amount, committee: &[Auditor], verdict: Verdict) -> Vec<Amount> {
    let weight = |auditor: &Auditor| if verdict.agrees(auditor.said()) { u64::from(auditor.seats) } else { 0 };
    split(amount, &committee.iter().map(weight).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn committee(votes: &[(u32, Said)]) -> Vec<Auditor> {
        votes.iter().map(|(seats, said)| Auditor { seats: *seats, said: *said as i32, ..Auditor::default() }).collect()
    }

    #[test]
    fn most_of_all_seats_decide() {
        use Said::{Correct, False, Missing, Nothing, Unavailable};
        let cases: [(&[(u32, Said)], Verdict); 11] = [
            (&[(2, Correct), (1, False)], Verdict::Upheld),
            (&[(1, Correct), (2, False)], Verdict::False),
            (&[(1, False), (1, Unavailable), (1, Correct)], Verdict::Unavailable),
            (&[(3, Unavailable)], Verdict::Unavailable),
            (&[(2, Missing), (1, Correct)], Verdict::Missing),
            (&[(1, Missing), (1, Unavailable), (1, Correct)], Verdict::Unavailable),
            (&[(2, Correct), (2, False)], Verdict::Open),
            (&[(3, Correct), (4, Nothing)], Verdict::Open),
            (&[(3, False), (3, Nothing)], Verdict::Open),
            (&[(4, False), (3, Nothing)], Verdict::False),
            (&[], Verdict::Open),
        ];
        for (votes, expected) in cases {
            assert_eq!(verdict(&committee(votes)), expected, "{votes:?}");
        }
    }

    proptest! {
        #[test]
        fn all_of_the_reward_goes_to_those_who_agreed(
            votes in prop::collection::vec((1u32..5, 0i32..5), 1..9), amount in 0u64..1 << 50,
        ) {
            let votes: Vec<(u32, Said)> =
                votes.iter().map(|(seats, said)| (*seats, Said::try_from(*said).unwrap())).collect();
            let committee = committee(&votes);
            let verdict = verdict(&committee);
            let rewards = rewards(amount, &committee, verdict);
            let agreed = committee.iter().any(|auditor| verdict.agrees(auditor.said()));
            prop_assert_eq!(rewards.iter().sum::<u64>(), if agreed { amount } else { 0 });
            prop_assert!(rewards.iter().zip(&committee).all(|(reward, a)| *reward == 0 || verdict.agrees(a.said())));
        }
    }
}
