//! Reasons for pay in words.

use datanet_types::Asset;

use crate::db::accruals::{EarnedBy, Earning, EarningKey, EarningRole};

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The beginning of an id, as people tell them apart.
fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// A reason for pay in words; `asset` is the datanet, model or agent that earned it for its owner.
pub(super) fn words(key: &EarningKey, earning: &Earning, asset: Option<&Asset>) -> String {
    match (key.role, asset) {
        (EarningRole::Owner, Some(Asset::Datanet(_))) => {
            format!("your datanet was asked {}", counted(earning.answers, "question", "questions"))
        }
        (EarningRole::Lineage, Some(Asset::Datanet(_))) => {
            format!("models trained on your datanet gave {}", counted(earning.answers, "answer", "answers"))
        }
        (EarningRole::Owner, Some(Asset::Agent(_))) => {
            format!("your agent sold {}", counted(earning.answers, "answer", "answers"))
        }
        _ => by_role(key, earning),
    }
}

fn by_role(key: &EarningKey, earning: &Earning) -> String {
    let answers = counted(earning.answers, "answer", "answers");
    let (carried, of) = match key.by {
        EarnedBy::Answers => ("carried", String::new()),
        EarnedBy::Netted(Some(model)) => ("moved", format!(" of model {}", short(&model.to_hex()))),
        EarnedBy::Netted(None) => ("moved", " of several models".to_owned()),
    };
    // An epoch with more reasons than a statement lists has those of all contributions in one.
    let what =
        key.contribution.map_or("contributions".to_owned(), |id| format!("contribution {}", short(&id.to_hex())));
    let used = format!("{what}, which {carried} {answers}{of}");
    match key.role {
        EarningRole::Contributor => format!("{what} {carried} {answers}{of}{}", by_how_much(key.by, earning)),
        EarningRole::Owner => format!("your model gave {answers}"),
        EarningRole::Lineage => format!("a model made from yours gave {answers}"),
        EarningRole::Validator => format!("you judged {used}"),
        EarningRole::Storage => format!("you keep {used}"),
        EarningRole::Treasury => format!("no taker for a share of {answers}{of}"),
    }
}

/// Of an answer by passages there is a share each; of netted ones, one share of all.
fn by_how_much(by: EarnedBy, earning: &Earning) -> String {
    let left = earning.left as f64 / 1e6;
    let left = format!("harm taken from help, {left:.3} base units of worth were left of it");
    match by {
        EarnedBy::Answers => {
            let percent = earning.weights.0.checked_div(earning.answers).unwrap_or(0) / 10_000;
            format!(", {percent} % of each on average")
        }
        EarnedBy::Netted(Some(_)) => {
            format!("; {left}, {:.2} % of all that was left", earning.share.0 as f64 / 10_000.0)
        }
        EarnedBy::Netted(None) => format!("; {left}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_types::{Account, Address, ContributionId, DatanetId, ModelId, Ppm};

    fn key(role: EarningRole, by: EarnedBy) -> EarningKey {
        let account = Account::from(Address([5; 20]));
        EarningKey { account, role, datanet: DatanetId::ZERO, contribution: Some(ContributionId([0xab; 32])), by }
    }

    #[test]
    fn words_name_a_share_of_each_answer_or_one_of_all_that_were_netted() {
        let answers = Earning { answers: 4, weights: Ppm(1_000_000), ..Earning::default() };
        let netted = Earning { answers: 3, share: Ppm(681_818), left: 450_000_000, ..Earning::default() };
        let model = EarnedBy::Netted(Some(ModelId([0xcd; 32])));
        for (role, by, earning, words) in [
            (
                EarningRole::Contributor,
                EarnedBy::Answers,
                answers,
                "contribution abababab carried 4 answers, 25 % of each on average",
            ),
            (
                EarningRole::Contributor,
                model,
                netted,
                "contribution abababab moved 3 answers of model cdcdcdcd; harm taken from help, 450.000 base units of worth were left of it, 68.18 % of all that was left",
            ),
            (
                EarningRole::Contributor,
                EarnedBy::Netted(None),
                netted,
                "contribution abababab moved 3 answers of several models; harm taken from help, 450.000 base units of worth were left of it",
            ),
            (
                EarningRole::Validator,
                EarnedBy::Answers,
                answers,
                "you judged contribution abababab, which carried 4 answers",
            ),
            (
                EarningRole::Storage,
                model,
                netted,
                "you keep contribution abababab, which moved 3 answers of model cdcdcdcd",
            ),
        ] {
            assert_eq!(super::words(&key(role, by), &earning, None), words);
        }
    }
}
