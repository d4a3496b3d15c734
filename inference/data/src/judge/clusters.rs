//! Union-find in which the smallest member leads: who was first owns.

/// Disjoint sets of `0..n`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clusters {
    parents: Vec<usize>,
}

impl Clusters {
    /// `n` sets of one member each.
    #[cfg(test)]
    pub(crate) fn new(n: usize) -> Self {
        Self { parents: (0..n).collect() }
    }

    /// Adds a member of its own set and hands back its number.
    pub(super) fn grow(&mut self) -> usize {
        self.parents.push(self.parents.len());
        self.parents.len() - 1
    }

    /// The smallest member of the set that `member` is in.
    pub(super) fn leader(&self, mut member: usize) -> usize {
        while self.parents[member] != member {
            member = self.parents[member];
        }
        member
    }

    /// Makes one set of two.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        let leader = self.leader(a).min(self.leader(b));
        for mut member in [a, b] {
            // Every member passed on the way points at the leader from now on.
            while self.parents[member] != leader {
                member = std::mem::replace(&mut self.parents[member], leader);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn clusters_are_the_connected_parts(n in 1usize..40, edges in prop::collection::vec((0usize..40, 0usize..40), 0..60)) {
            let mut clusters = Clusters::new(n);
            // The definition: the smallest label floods along the edges until nothing changes.
            let mut labels: Vec<usize> = (0..n).collect();
            let edges: Vec<_> = edges.into_iter().map(|(a, b)| (a % n, b % n)).collect();
            edges.iter().for_each(|(a, b)| clusters.join(*a, *b));
            for _ in 0..n {
                for (a, b) in &edges {
                    let low = labels[*a].min(labels[*b]);
                    (labels[*a], labels[*b]) = (low, low);
                }
            }
            let leaders: Vec<usize> = (0..n).map(|member| clusters.leader(member)).collect();
            prop_assert_eq!(leaders, labels);
        }
    }
}
