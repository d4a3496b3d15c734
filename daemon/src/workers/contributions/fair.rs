//! Whose turn it is: nobody's many contributions come before everybody else's first.

use std::collections::BTreeMap;

use datanet_types::{Address, DatanetId};

use super::Place;

/// Orders what waits: each contributor's first before anybody's second, and of those each datanet's first before any
/// datanet's second; within that, whoever came first. So many contributions of one account hold up that account, many
/// accounts in one datanet hold up that datanet, and neither anybody else.
pub(super) fn fair_order<'a>(waiting: impl Iterator<Item = (&'a Place, &'a Address)>) -> Vec<Place> {
    let (mut of_contributor, mut of_datanet) = (BTreeMap::new(), BTreeMap::<(u64, DatanetId), u64>::new());
    let mut turns: Vec<(u64, u64, Place)> = waiting
        .map(|(place, contributor)| {
            let turn = of_contributor.entry(*contributor).or_insert(0_u64);
            let in_datanet = of_datanet.entry((*turn, place.0)).or_insert(0);
            let ordered = (*turn, *in_datanet, *place);
            (*turn, *in_datanet) = (turn.saturating_add(1), in_datanet.saturating_add(1));
            ordered
        })
        .collect();
    turns.sort_unstable();
    turns.into_iter().map(|(_, _, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(datanet: u8, seq: u64) -> Place {
        (DatanetId([datanet; 32]), seq)
    }

    #[test]
    fn many_of_one_come_after_the_first_of_everybody() {
        let giver = |n: u8| Address([n; 20]);
        let mut waiting: Vec<(Place, Address)> = (0..100).map(|seq| (place(1, seq), giver(1))).collect();
        waiting.extend([(place(1, 100), giver(2)), (place(2, 0), giver(3)), (place(2, 1), giver(1))]);
        let order = fair_order(waiting.iter().map(|(place, giver)| (place, giver)));
        assert_eq!(order[..4], [place(1, 0), place(2, 0), place(1, 100), place(1, 1)]);
        assert_eq!(order.len(), waiting.len());
    }

    #[test]
    fn many_accounts_in_one_datanet_hold_up_that_one_alone() {
        let mut waiting: Vec<(Place, Address)> =
            (0..200).map(|seq| (place(1, seq), Address([seq as u8; 20]))).collect();
        waiting.push((place(9, 0), Address([250; 20])));
        let order = fair_order(waiting.iter().map(|(place, giver)| (place, giver)));
        assert_eq!(order[1], place(9, 0));
    }
}
