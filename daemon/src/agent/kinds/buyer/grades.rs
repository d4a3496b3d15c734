//! How good the answers of each node were, as far as that can be told: by labels that the owner knows, or by what most others said.

use std::collections::{BTreeMap, VecDeque};

use datanet_types::{Digest, NodeKey};

use crate::agent::journal::{Ask, Deed, Entry, Intended, Outcome};
use crate::agent::spec::RateBy;

/// Answers of a node that are looked at, the latest: a seller that has changed is told so before long.
const LATEST: usize = 100;
/// Other nodes that must have said the same before that is taken for the truth.
const OTHERS: usize = 2;
/// A whole, in basis points.
const WHOLE_BPS: u64 = 10_000;

/// A label that was paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Labelled {
    passage: Digest,
    label: Option<String>,
    /// Where the truth is known.
    right: Option<bool>,
}

/// How many answers were right, of those that could be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grade {
    pub(super) right: u64,
    pub(super) graded: u64,
}

impl Grade {
    /// From 0 to 10,000.
    pub(super) fn bps(self) -> u32 {
        let bps = self.right.saturating_mul(WHOLE_BPS).checked_div(self.graded);
        bps.and_then(|bps| u32::try_from(bps).ok()).unwrap_or_default()
    }
}

/// See the module. Made of the journal's entries alone.
#[derive(Debug, Default)]
pub(super) struct Grades {
    /// What was asked and has not ended: whom, and about what.
    open: BTreeMap<u64, (NodeKey, Digest)>,
    /// By node, the oldest first.
    said: BTreeMap<NodeKey, VecDeque<Labelled>>,
}

impl Grades {
    /// Takes an entry in. What nothing was paid for gives no right to say anything; of what nobody can tell there is nothing to say.
    pub(super) fn learn(&mut self, entry: Entry) {
        match entry {
            Entry::Intended(intended) => {
                let Intended { id, deed, .. } = *intended;
                if let Deed::Ask(Ask { node: Some(node), classify: true, text, .. }) = deed {
                    self.open.insert(id, (node, Digest(*blake3::hash(text.as_bytes()).as_bytes())));
                }
            }
            Entry::Ended(ended) => {
                let Some((node, passage)) = self.open.remove(&ended.id) else { return };
                if ended.outcome != Outcome::Done || ended.captured == 0 {
                    return;
                }
                let (label, right) = (ended.detail["label"].as_str(), ended.detail["right"].as_bool());
                let said = self.said.entry(node).or_default();
                said.push_back(Labelled { passage, label: label.map(str::to_owned), right });
                if said.len() > LATEST {
                    said.pop_front();
                }
            }
            Entry::Began { .. } | Entry::Passed(_) => {}
        }
    }

    /// Of a node's latest answers; none where nothing can be told of any.
    pub(super) fn of(&self, node: &NodeKey, by: RateBy) -> Option<Grade> {
        let mut grade = Grade { right: 0, graded: 0 };
        for one in self.said.get(node)? {
            let agrees = || if by == RateBy::Agreement { self.agrees(node, one) } else { None };
            let Some(right) = one.right.or_else(agrees) else { continue };
            grade.graded = grade.graded.saturating_add(1);
            grade.right = grade.right.saturating_add(u64::from(right));
        }
        (grade.graded > 0).then_some(grade)
    }

    /// Whether a node said what more than half of the others said to the same passage; none where too few did.
    fn agrees(&self, node: &NodeKey, one: &Labelled) -> Option<bool> {
        let own = one.label.as_deref()?;
        let others = self.said.iter().filter(|(other, _)| *other != node);
        let last = |said: &VecDeque<Labelled>| said.iter().rfind(|said| said.passage == one.passage).cloned();
        let labels: Vec<String> = others.filter_map(|(_, said)| last(said)?.label).collect();
        let votes = |label: &str| labels.iter().filter(|said| *said == label).count();
        let most = labels.iter().max_by_key(|label| votes(label))?;
        let agreed = votes(most) >= OTHERS && votes(most).saturating_mul(2) > labels.len();
        agreed.then_some(most == own)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::agent::journal::{Ended, Observed, Payment};

    /// An answer that `node` gave, and what the owner knows.
    struct Gave<'a> {
        node: u8,
        text: &'a str,
        label: &'a str,
        truth: Option<&'a str>,
        paid: u64,
    }

    fn gave<'a>(node: u8, text: &'a str, label: &'a str, truth: Option<&'a str>) -> Gave<'a> {
        Gave { node, text, label, truth, paid: 1_000 }
    }

    fn asked(Gave { node, text, truth, .. }: &Gave<'_>, classify: bool) -> Deed {
        Deed::Ask(Ask {
            seller: format!("node{node}"),
            of: "x".to_owned(),
            model: false,
            text: (*text).to_owned(),
            classify,
            truth: truth.map(str::to_owned),
            payment: Payment::Account,
            node: Some(NodeKey([*node; 32])),
        })
    }

    fn grades(all: &[Gave<'_>]) -> Grades {
        let mut grades = Grades::default();
        for (id, gave) in (1..).zip(all) {
            let (subject, observed) = (format!("question/{id}"), Observed::default());
            let (deed, why, key) = (asked(gave, true), String::new(), String::new());
            grades.learn(Entry::Intended(Box::new(Intended {
                id,
                at: id,
                subject,
                observed,
                deed,
                why,
                key,
                reserved: 9,
            })));
            let mut detail = json!({ "label": gave.label });
            if let Some(truth) = gave.truth {
                detail["right"] = json!(gave.label == truth);
            }
            let (outcome, captured) = (Outcome::Done, gave.paid);
            grades.learn(Entry::Ended(Box::new(Ended { id, at: id, outcome, captured, detail })));
        }
        grades
    }

    fn of(grades: &Grades, node: u8, by: RateBy) -> Option<(u64, u64)> {
        grades.of(&NodeKey([node; 32]), by).map(|grade| (grade.right, grade.graded))
    }

    #[test]
    fn known_labels_tell_and_what_is_not_known_or_not_paid_tells_nothing() {
        let mut all =
            vec![gave(1, "a", "owl", Some("owl")), gave(1, "b", "owl", Some("jay")), gave(1, "c", "owl", None)];
        all.push(Gave { paid: 0, ..gave(1, "d", "owl", Some("owl")) });
        all.push(gave(2, "c", "jay", None));
        let grades = grades(&all);
        assert_eq!(of(&grades, 1, RateBy::Known), Some((1, 2)));
        assert_eq!(grades.of(&NodeKey([1; 32]), RateBy::Known).unwrap().bps(), 5_000);
        assert_eq!((of(&grades, 2, RateBy::Known), of(&grades, 3, RateBy::Known)), (None, None));
        assert_eq!(of(&grades, 2, RateBy::Agreement), None, "one other node is no majority");
    }

    #[test]
    fn where_no_label_is_known_most_other_nodes_tell_and_their_own_owner_goes_before_them() {
        let passage = |label: [&'static str; 4]| {
            [1, 2, 3, 4].into_iter().zip(label).map(|(n, label)| gave(n, "p", label, None)).collect::<Vec<_>>()
        };
        let all = grades(&passage(["owl", "owl", "owl", "jay"]));
        assert_eq!((of(&all, 1, RateBy::Agreement), of(&all, 4, RateBy::Agreement)), (Some((1, 1)), Some((0, 1))));
        assert_eq!(of(&all, 1, RateBy::Known), None);
        // The three others are of three minds.
        let split = grades(&passage(["owl", "owl", "jay", "tit"]));
        assert_eq!(of(&split, 1, RateBy::Agreement), None);
        let known = passage(["owl", "owl", "owl", "jay"]);
        let known: Vec<Gave<'_>> = known.into_iter().map(|one| Gave { truth: Some("jay"), ..one }).collect();
        assert_eq!(of(&grades(&known), 4, RateBy::Agreement), Some((1, 1)), "what the owner knows goes before");
    }

    #[test]
    fn a_question_in_words_and_an_answer_of_nobody_knows_whom_are_not_graded() {
        let mut grades = Grades::default();
        let one = gave(1, "what do owls eat?", "owl", Some("owl"));
        for (id, mut deed) in [(1, asked(&one, false)), (2, asked(&one, true))] {
            if let (2, Deed::Ask(ask)) = (id, &mut deed) {
                ask.node = None;
            }
            let (subject, observed, key) = (String::new(), Observed::default(), String::new());
            let intended = Intended { id, at: id, subject, observed, deed, why: String::new(), key, reserved: 9 };
            grades.learn(Entry::Intended(Box::new(intended)));
            let detail = json!({ "label": "owl", "right": true });
            grades.learn(Entry::Ended(Box::new(Ended { id, at: id, outcome: Outcome::Done, captured: 1_000, detail })));
        }
        assert_eq!(of(&grades, 1, RateBy::Agreement), None);
    }

    proptest! {
        /// A score is a share of the latest answers, whatever was answered, and no node's own words decide over it where others' do.
        #[test]
        fn a_score_is_a_share_of_the_latest(answers in proptest::collection::vec((1u8..5, 0u8..6, 0u8..3, any::<bool>()), 0..300)) {
            let names = ["owl", "jay", "tit", "a", "b", "c"];
            let all: Vec<Gave<'_>> = answers
                .iter()
                .map(|(node, text, label, known)| {
                    gave(*node, names[*text as usize], names[*label as usize], known.then_some("owl"))
                })
                .collect();
            let grades = grades(&all);
            for node in 1..5 {
                for by in [RateBy::Known, RateBy::Agreement] {
                    let Some(grade) = grades.of(&NodeKey([node; 32]), by) else { continue };
                    prop_assert!(grade.right <= grade.graded && grade.graded <= LATEST as u64 && grade.bps() <= 10_000);
                }
            }
        }
    }
}
