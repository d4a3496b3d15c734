//! The worst and the best of given texts, as judges score their quality.
//!
//! `DATANET_TEXTS=/path/of/texts cargo bench --profile dev -p datanet-data --bench quality`: one text a line.

#![expect(clippy::unwrap_used, reason = "a measurement stops at what goes wrong")]

use datanet_data::judge::{Quality, assess};

/// Texts that are judged together, as a contribution's are: what many of them repeat is boilerplate.
const BATCH: usize = 60;
/// Texts shown of either end.
const SHOWN: usize = 25;

fn main() {
    let Some(path) = std::env::var_os("DATANET_TEXTS") else {
        return println!("DATANET_TEXTS names no file; give one that has a text on each line");
    };
    let texts = std::fs::read_to_string(path).unwrap();
    let texts: Vec<&str> = texts.lines().collect();
    let mut all: Vec<(Quality, &str)> =
        texts.chunks(BATCH).flat_map(|batch| assess(batch).into_iter().zip(batch.iter().copied())).collect();
    all.sort_by(|a, b| a.0.score.total_cmp(&b.0.score));
    let mean = all.iter().map(|(quality, _)| quality.score).sum::<f64>() / all.len().max(1) as f64;
    let low = all.iter().filter(|(quality, _)| quality.score < 0.5).count();
    println!("{} texts, mean {mean:.3}, {low} below .5", all.len());
    // Of few texts, none is both.
    let best = all.len().saturating_sub(SHOWN).max(SHOWN.min(all.len()));
    for (title, part) in [("worst", &all[..SHOWN.min(all.len())]), ("best", &all[best..])] {
        println!("{title}:");
        for (quality, text) in part {
            println!("{:.2} {:?} {}", quality.score, quality.flaws, text.chars().take(150).collect::<String>());
        }
    }
}
