//! How fast records are checked while they stream, against hashing their lines alone.
//!
//! `cargo bench --profile dev -p datanet-data --bench checking -- 64`: so many MiB of each kind.

#![expect(clippy::unwrap_used, reason = "a measurement stops at what goes wrong")]

use datanet_data::corpus::{Limits, StreamChecker};
use datanet_types::merkle::{MerkleAccumulator, leaf_hash};
use datanet_types::record::Format;
use datanet_types::schema::Schema;

const WORDS: &str = "the quick brown fox jumps over a lazy dog and reads from the socket until it would block ";
/// Bytes that arrive at a time.
const CHUNK: usize = 256 << 10;

fn main() {
    // Cargo adds `--bench`.
    let mib: usize = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(64);
    // One thread, whose time on a CPU is what counts.
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for bytes in [120, 300, 1_000, 4_000] {
        let text: String = WORDS.chars().cycle().take(bytes).collect();
        let unicode = text.replace("fox", "fo\u{2019}x\\n");
        for (name, format, header, record) in [
            ("jsonl", Format::Jsonl, "", format!("{{\"text\": \"{text}\", \"label\": \"a\"}}\n")),
            ("jsonl canonical", Format::Jsonl, "", format!("{{\"label\":\"a\",\"text\":\"{text}\"}}\n")),
            ("jsonl unicode", Format::Jsonl, "", format!("{{\"text\":\"{unicode}\",\"label\":\"a\"}}\n")),
            ("csv", Format::Csv, "text,label\n", format!("\"{text}\",a\n")),
        ] {
            let input = header.to_owned() + &record.repeat((mib << 20) / record.len());
            let [checked, hashed] =
                one.install(|| [rate(input.len(), || check(format, &input)), rate(input.len(), || hash(&input))]);
            println!(
                "{name:<16} {bytes:>5} B {checked:>6.0} MB/s a core, {:.2} of hashing lines alone ({hashed:.0})",
                checked / hashed
            );
        }
    }
}

fn check(format: Format, input: &str) {
    let schema = Schema::text_and_label(&["a", "b"]);
    let mut checker = StreamChecker::new(format, &schema, Limits::default()).unwrap();
    input.as_bytes().chunks(CHUNK).for_each(|chunk| checker.push(chunk).unwrap());
    std::hint::black_box(checker.finish().unwrap());
}

fn hash(input: &str) {
    let mut tree = MerkleAccumulator::default();
    input.lines().for_each(|line| tree.push(leaf_hash(line.as_bytes())));
    std::hint::black_box(tree.root());
}

/// MB a second on a CPU.
fn rate(bytes: usize, work: impl FnOnce()) -> f64 {
    let start = cpu_nanoseconds();
    work();
    bytes as f64 * 1e3 / (cpu_nanoseconds() - start).max(1) as f64
}

/// Nanoseconds that this thread has been on a CPU: what a busy machine does not distort.
fn cpu_nanoseconds() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().and_then(|number| number.parse().ok()).unwrap()
}
