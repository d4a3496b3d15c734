//! `testnet bench …`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use crate::bench::{
    self, AdaptersBench, AnswersBench, AttributionBench, AttributionTask, ContributeBench, EmbedBench, FollowBench,
    GenerateBench, LanguageBench, LearningBench, LedgerBench, Measure, QuantBench, ServeBench, StateBench,
    StatementsBench, TrainBench, Tuned,
};

/// What can be measured.
#[derive(Subcommand, Debug)]
pub(super) enum Bench {
    /// Embeddings a second through the API, against bare ONNX Runtime
    Embed {
        /// Texts a round
        #[arg(long, default_value_t = 512)]
        texts: usize,
        /// Rounds of each side
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Requests in flight
        #[arg(long, default_value_t = 4)]
        clients: usize,
        /// Threads of the model on both sides
        #[arg(long, default_value_t = 2)]
        threads: u32,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// Paid answers a second, against the same answers unpaid
    Answers {
        /// Answers a round
        #[arg(long, default_value_t = 512)]
        answers: usize,
        /// Payers at once, each on a channel of its own
        #[arg(long, default_value_t = 32)]
        payers: usize,
        /// Rounds of each side
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Threads of the model
        #[arg(long, default_value_t = 2)]
        threads: u32,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// A large contribution through the API, against writing the file into the blob store
    Contribute {
        /// Size: bytes, or with KiB, MiB, GiB
        #[arg(long, default_value = "1GiB", value_parser = size)]
        size: u64,
        /// Uploads
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// Steps of LoRA training, against PyTorch with PEFT
    Train {
        /// Steps of each side, the first of which warm up
        #[arg(long, default_value_t = 23)]
        steps: usize,
        /// Threads of both sides
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// Accuracy and memory over a base in 4 bits instead, against LoRA over a float base
        #[arg(long)]
        qlora: bool,
        /// Data in the demo's form: one folder a contributor, and holdout.jsonl
        #[arg(long, value_parser = super::path())]
        data: Option<PathBuf>,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// What the demo's data teaches, against the base's vote and against learning from bad data as well
    Learning {
        /// Seeds, each with a deal of the data and a training of its own
        #[arg(long, default_value_t = 3)]
        seeds: u64,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// What one claim fetches of an epoch's statement, against all of it in one blob
    Statements {
        /// Accounts that earn, of each epoch
        #[arg(long, value_delimiter = ',', default_values_t = [10, 1_000, 100_000])]
        accounts: Vec<u64>,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// The ledger alone: transfers executed and committed, against a bare tree in the same database
    State {
        /// Transfers a block
        #[arg(long, default_value_t = 1000)]
        transfers: usize,
        /// Blocks that are measured, of each size
        #[arg(long, default_value_t = 10)]
        blocks: usize,
        /// Accounts there are, smallest first
        #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000])]
        accounts: Vec<usize>,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// Signed transfers to four validators with real CometBFT, against CometBFT's own kvstore in the ledger's place
    Ledger {
        /// Transactions a round
        #[arg(long, default_value_t = 10_000)]
        transfers: usize,
        /// Rounds of each side
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Connections, each with one transaction on its way
        #[arg(long, default_value_t = 32)]
        connections: usize,
        /// Where the chains are made [default: /dev/shm, a file system in memory]
        #[arg(long, value_parser = super::path())]
        dir: Option<PathBuf>,
        /// What a contribution, a round, an epoch and a claim take on the ledger instead, in bytes, without a network
        #[arg(long)]
        costs: bool,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// Embeddings and classes from the serving worker, against bare ONNX Runtime; waits of 1, 8 and 64 clients
    Serve {
        /// Texts a round
        #[arg(long, default_value_t = 512)]
        texts: usize,
        /// Rounds of each side
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Threads of the model on both sides
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// Many adapters in one batch, against one in the batch and against one by one
    Adapters {
        /// Rounds of each
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Threads of the model
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// 8-bit serving and 4-bit memory, against float
    Quant {
        /// Texts a round, and passages that are compared
        #[arg(long, default_value_t = 256)]
        texts: usize,
        /// Rounds of each side
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Threads of the model on both sides
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// Tokens a second from the generation service, against a bare loop over the same graph
    Generate {
        /// Tokens of an answer
        #[arg(long, default_value_t = 96)]
        tokens: usize,
        /// Streams at once
        #[arg(long, default_value_t = 16)]
        streams: usize,
        /// Rounds of each
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// Threads of the model on both sides
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// Texts that one service drew, followed by another as receipts are checked: the same model on other kernels, and what
    /// it is not
    Follow {
        /// Answers of each service
        #[arg(long, default_value_t = 300)]
        answers: usize,
        /// Most tokens of an answer
        #[arg(long, default_value_t = 64)]
        tokens: usize,
        /// Width of the decoder; a multiple of 16
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(32..=2048))]
        hidden: u16,
        /// The number of a GPU whose answers the processor follows as well
        #[arg(long)]
        cuda: Option<u32>,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
    /// Forward replay and every other method of attribution, against real retraining
    Attribution {
        /// Data in the demo's form: one folder a contributor, and holdout.jsonl
        #[arg(long, value_parser = super::path())]
        data: Option<PathBuf>,
        /// Attempts to be paid more for the same data instead
        #[arg(long)]
        attacks: bool,
        /// What pays, against Shapley values by retraining, over so many seeds, and on the digits what more names bring; of
        /// the digits if `--only` names none, instead
        #[arg(long, value_name = "SEEDS", conflicts_with = "attacks", value_parser = clap::value_parser!(u8).range(1..))]
        pay: Option<u8>,
        /// Whether runs foretell by themselves how far their values are from retraining, over so many seeds and some
        /// rates; on the digits, instead
        #[arg(long, value_name = "SEEDS", conflicts_with_all = ["attacks", "pay", "only", "data", "peers"], value_parser = clap::value_parser!(u8).range(1..))]
        first_order: Option<u8>,
        /// Attackers on the texts, spread over the contributors
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=20))]
        attackers: u8,
        /// A record's gradient is at most so many times its batch's median, 0 for no bound; what a job ships with if
        /// not given
        #[arg(long)]
        clip: Option<f32>,
        /// The task to measure on, of all
        #[arg(long, value_enum)]
        only: Option<AttributionTask>,
        /// Retrainings with a tenth of the records removed, each task
        #[arg(long, default_value_t = 20)]
        subsets: usize,
        /// dattri's methods on the same adapters, records and queries of digits and texts as well (installs PyTorch: some
        /// gigabytes)
        #[arg(long, conflicts_with_all = ["attacks", "pay", "first_order"])]
        peers: bool,
        /// Records of each contributor, of the task of language
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(2..))]
        records: u16,
        /// Width of the decoder that is made for the task of language; a multiple of 8
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(16..=2048))]
        hidden: u16,
        /// Random combinations of signs of forward replay, of the task of language
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=64))]
        rows: u8,
        #[command(flatten)]
        tuned: Tuned,
        /// A decoder's folder, as Hugging Face has it, for the task of language instead of one that is made
        #[arg(long, value_parser = super::path())]
        base: Option<PathBuf>,
        /// One JSON object a measure
        #[arg(long)]
        json: bool,
    },
}

impl Bench {
    /// Measures and prints.
    pub(super) async fn run(self) -> Result<()> {
        if let Self::Ledger { costs: true, json, .. } = self {
            bench::print_costs(&bench::costs()?, json);
            return Ok(());
        }
        let (measures, json) = self.measure().await?;
        bench::print(&measures, json);
        Ok(())
    }

    async fn measure(self) -> Result<(Vec<Measure>, bool)> {
        Ok(match self {
            Self::Embed { texts, rounds, clients, threads, json } => {
                (bench::embed(&EmbedBench { texts, rounds, clients, threads }, json).await?, json)
            }
            Self::Answers { answers, payers, rounds, threads, json } => {
                (bench::answers(&AnswersBench { answers, payers, rounds, threads }, json).await?, json)
            }
            Self::Contribute { size, rounds, json } => {
                (bench::contribute(&ContributeBench { bytes: size, rounds }, json).await?, json)
            }
            Self::Train { steps, threads, qlora, data, json } => {
                (bench::train(&TrainBench { steps, threads, qlora, data }, json).await?, json)
            }
            Self::Learning { seeds, json } => (bench::learning(&LearningBench { seeds }, json).await?, json),
            Self::State { transfers, blocks, accounts, json } => {
                (bench::state(&StateBench { transfers, blocks, accounts }, json).await?, json)
            }
            Self::Statements { accounts, json } => {
                (bench::statements(&StatementsBench { accounts }, json).await?, json)
            }
            Self::Ledger { transfers, rounds, connections, dir, json, .. } => {
                (bench::ledger(&LedgerBench { transfers, rounds, connections, dir }, json).await?, json)
            }
            Self::Serve { texts, rounds, threads, json } => {
                (bench::serve(&ServeBench { texts, rounds, threads }, json).await?, json)
            }
            Self::Adapters { rounds, threads, json } => {
                (bench::adapters(&AdaptersBench { rounds, threads }, json).await?, json)
            }
            Self::Quant { texts, rounds, threads, json } => {
                (bench::quant(&QuantBench { texts, rounds, threads }, json).await?, json)
            }
            Self::Generate { tokens, streams, rounds, threads, json } => {
                (bench::generate(&GenerateBench { tokens, streams, rounds, threads }, json).await?, json)
            }
            Self::Follow { answers, tokens, hidden, cuda, json } => {
                let hidden = hidden.into();
                (bench::follow(&FollowBench { answers, tokens, hidden, cuda }, json).await?, json)
            }
            Self::Attribution {
                data,
                attacks,
                pay,
                first_order,
                attackers,
                clip,
                only,
                subsets,
                peers,
                records,
                hidden,
                rows,
                tuned,
                base,
                json,
            } => {
                let (attackers, pay) = (usize::from(attackers), pay.map(u64::from));
                let first_order = first_order.map(u64::from);
                let digits_first = pay.is_some() || first_order.is_some();
                let only = only.or_else(|| digits_first.then_some(AttributionTask::Digits));
                let (records, hidden, rows) = (records.into(), hidden.into(), rows.into());
                let language = LanguageBench { records, hidden, base, rows, tuned };
                let bench = AttributionBench {
                    data,
                    attacks,
                    pay,
                    first_order,
                    attackers,
                    clip,
                    only,
                    subsets,
                    peers,
                    tuned,
                    language,
                };
                (bench::attribution(&bench, json).await?, json)
            }
        })
    }
}

/// A size with its unit.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match text[digits.len()..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        unit => return Err(format!("unknown unit {unit:?}: write KiB, MiB or GiB")),
    };
    let number: u64 = digits.trim().parse().map_err(|_| format!("{text:?} is no size: write 1GiB, say"))?;
    number.checked_mul(factor).filter(|bytes| *bytes > 0).ok_or_else(|| format!("{text:?} is no size"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("20 MiB"), Ok(20 << 20));
        assert_eq!(size("7"), Ok(7));
        assert!(size("1GB").is_err() && size("GiB").is_err() && size("0").is_err());
    }
}
