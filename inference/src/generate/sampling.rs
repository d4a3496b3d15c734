//! From logits to the next token.

use super::GenerateError;
use super::nucleus::Nucleus;

/// Keeps the numbers drawn here apart from every other use of BLAKE3.
const DRAW_CONTEXT: &str = "datanet sampling v1: seed, index";

/// Most numbers that are drawn for a token.
const MOST_DRAWS: usize = 1_024;

/// Most alternatives that are listed beside a token.
pub const MAX_TOP_LOGPROBS: usize = 20;
/// Most stop strings of a request, those of its model's form included.
pub const MAX_STOPS: usize = 16 + MAX_FORM_STOPS;
/// Most stop strings that the form of a model's chats adds.
pub const MAX_FORM_STOPS: usize = 8;
/// Most bytes of a stop string.
pub const MAX_STOP_BYTES: usize = 256;

/// How tokens are chosen, and when to stop.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingParams {
    /// Most tokens to generate; what the context has left, up to the service's own limit, where there is none.
    pub max_tokens: Option<usize>,
    /// 0 takes the most probable token always; 1 samples from the model's own distribution; at most 2.
    pub temperature: f32,
    /// Samples among the most probable tokens that together reach this share, above 0 and at most 1.
    pub top_p: f32,
    /// The same seed gives the same text. Without one, every answer has another.
    pub seed: Option<u64>,
    /// Strings at which to stop; they are not part of the answer.
    pub stop: Vec<String>,
    /// Log probabilities of the chosen tokens, and of this many of the most probable ones.
    pub logprobs: Option<usize>,
    /// A JSON Schema, as JSON: the answer is an instance of it, unless its tokens are used up before its end.
    pub json_schema: Option<String>,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self {
            max_tokens: None,
            temperature: 1.0,
            top_p: 1.0,
            seed: None,
            stop: Vec::new(),
            logprobs: None,
            json_schema: None,
        }
    }
}

impl SamplingParams {
    /// The most probable token always, `max_tokens` times.
    pub fn greedy(max_tokens: usize) -> Self {
        Self { max_tokens: Some(max_tokens), temperature: 0.0, ..Self::default() }
    }

    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// [`GenerateError::Sampling`], which names the value and its bounds.
    pub fn check(&self) -> Result<(), GenerateError> {
        let bad = |what: String| Err(GenerateError::Sampling(what));
        if !(0.0..=2.0).contains(&self.temperature) {
            return bad(format!("temperature is {}; set it between 0 and 2", self.temperature));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return bad(format!("top_p is {}; set it above 0, and to 1 at most", self.top_p));
        }
        if self.max_tokens == Some(0) {
            return bad("max_tokens is 0; ask for at least one".to_owned());
        }
        if self.logprobs.is_some_and(|top| top > MAX_TOP_LOGPROBS) {
            return bad(format!("top_logprobs is over {MAX_TOP_LOGPROBS}"));
        }
        if self.stop.len() > MAX_STOPS {
            return bad(format!("stop has {} strings; at most {MAX_STOPS} are allowed", self.stop.len()));
        }
        if let Some(stop) = self.stop.iter().find(|stop| stop.is_empty() || stop.len() > MAX_STOP_BYTES) {
            return bad(format!("a stop string has {} bytes; use 1 to {MAX_STOP_BYTES}", stop.len()));
        }
        Ok(())
    }
}

/// Draws tokens for one sequence.
///
/// The random numbers are a pure function of the seed and of the token's place: BLAKE3 in its key derivation mode over both, which is the same
/// on every machine.
#[derive(Debug)]
pub(super) struct Sampler {
    temperature: f64,
    top_p: f64,
    seed: u64,
    drawn: u64,
}

impl Sampler {
    pub(super) fn new(params: &SamplingParams, seed: u64) -> Self {
        Self { temperature: f64::from(params.temperature), top_p: f64::from(params.top_p), seed, drawn: 0 }
    }

    /// The next token; none if the logits are not numbers. Of equally probable tokens the first.
    pub(super) fn pick(&mut self, logits: &[f32]) -> Option<u32> {
        let (best, highest) = argmax(logits)?;
        if self.temperature == 0.0 {
            return Some(best);
        }
        let picked = self.nucleus(logits, highest).pick(self.draws());
        // A share that is hardly ever hit is one of the likeliest token.
        Some(picked.and_then(|id| u32::try_from(id).ok()).unwrap_or(best))
    }

    /// By how much the probabilities must be others for `claimed` to be the next token with this very draw: 0 if it is. 1 if it cannot be;
    /// none if the logits are not numbers.
    ///
    /// Whatever is drawn from two distributions that differ by so much (in total variation) lies no further apart.
    pub(super) fn distance(&mut self, logits: &[f32], claimed: u32) -> Option<f64> {
        let (best, highest) = argmax(logits)?;
        let draws = self.draws();
        let Some(&logit) = logits.get(claimed as usize).filter(|logit| logit.is_finite()) else { return Some(1.0) };
        if self.temperature == 0.0 {
            let weight = |logit: f32| (f64::from(logit) - f64::from(highest)).exp();
            let total: f64 = logits.iter().map(|&logit| weight(logit)).sum();
            return Some(if claimed == best { 0.0 } else { (1.0 - weight(logit)) / total });
        }
        Some(self.nucleus(logits, highest).distance(draws, claimed as usize))
    }

    fn nucleus(&self, logits: &[f32], highest: f32) -> Nucleus {
        let weight = |logit: f32| ((f64::from(logit) - f64::from(highest)) / self.temperature).exp();
        Nucleus::new(logits.iter().map(|&logit| weight(logit)).collect(), self.top_p)
    }

    /// Numbers in [0, 1) for the next token.
    fn draws(&mut self) -> impl Iterator<Item = f64> + use<> {
        let mut hasher = blake3::Hasher::new_derive_key(DRAW_CONTEXT);
        hasher.update(&self.seed.to_le_bytes()).update(&self.drawn.to_le_bytes());
        self.drawn += 1;
        let mut numbers = hasher.finalize_xof();
        std::iter::repeat_with(move || {
            let mut bytes = [0u8; 8];
            numbers.fill(&mut bytes);
            (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
        })
        .take(MOST_DRAWS)
    }
}

/// The first of the highest logits, with its value; none if one is not a number or all are infinite.
fn argmax(logits: &[f32]) -> Option<(u32, f32)> {
    let mut best = None;
    for (&logit, id) in logits.iter().zip(0u32..) {
        if logit.is_nan() {
            return None;
        }
        if best.is_none_or(|(_, highest)| logit > highest) {
            best = Some((id, logit));
        }
    }
    best.filter(|(_, highest)| highest.is_finite())
}

/// The log probability of `chosen` and of the `top` most probable tokens, most probable first, under the model's own
/// distribution (temperature 1).
pub(super) fn logprobs(logits: &[f32], chosen: u32, top: usize) -> (f32, Vec<(u32, f32)>) {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - f64::from(highest)).exp()).sum();
    let normaliser = f64::from(highest) + sum.ln();
    let of = |logit: f32| (f64::from(logit) - normaliser) as f32;
    let chosen = logits.get(chosen as usize).map_or(f32::NEG_INFINITY, |&logit| of(logit));
    let mut all: Vec<(u32, f32)> = logits.iter().zip(0..).map(|(&logit, id)| (id, logit)).collect();
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    let top = top.min(all.len());
    if top > 0 && top < all.len() {
        all.select_nth_unstable_by(top - 1, order);
    }
    all.truncate(top);
    all.sort_unstable_by(order);
    (chosen, all.into_iter().map(|(id, logit)| (id, of(logit))).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sampler(temperature: f32, top_p: f32, seed: u64) -> Sampler {
        Sampler::new(&SamplingParams { temperature, top_p, ..SamplingParams::default() }, seed)
    }

    #[test]
    fn at_temperature_zero_the_first_of_the_most_probable_is_taken() {
        assert_eq!(sampler(0.0, 1.0, 1).pick(&[0.0, 2.0, 2.0, -1.0]), Some(1));
    }

    #[test]
    fn tokens_come_as_often_as_their_probability_says() {
        let (mut sampler, mut counts) = (sampler(1.0, 1.0, 7), [0usize; 3]);
        let logits = [0.5f32.ln(), 0.3f32.ln(), 0.2f32.ln()];
        for _ in 0..20_000 {
            counts[sampler.pick(&logits).unwrap() as usize] += 1;
        }
        for (count, share) in counts.into_iter().zip([0.5, 0.3, 0.2]) {
            assert!((count as f64 / 20_000.0 - share).abs() < 0.015, "{counts:?}");
        }
    }

    #[test]
    fn the_nucleus_leaves_the_tail_out() {
        let mut sampler = sampler(1.0, 0.7, 3);
        let logits = [0.2f32.ln(), 0.5f32.ln(), 0.3f32.ln()];
        assert!((0..1_000).all(|_| sampler.pick(&logits) != Some(0)));
    }

    #[test]
    fn at_temperature_zero_the_distance_is_by_how_much_another_is_likelier() {
        let logits = [0.5f32.ln(), 0.3f32.ln(), 0.2f32.ln(), f32::NEG_INFINITY];
        let distance = |claimed| sampler(0.0, 1.0, 1).distance(&logits, claimed).unwrap();
        assert!(distance(0) == 0.0 && (distance(1) - 0.2).abs() < 1e-6 && (distance(2) - 0.3).abs() < 1e-6);
        assert_eq!((distance(3), distance(4)), (1.0, 1.0), "what cannot come");
        assert_eq!(sampler(0.0, 1.0, 1).distance(&[f32::NAN], 0), None);
    }

    #[test]
    fn the_draws_of_a_seed_are_frozen() {
        let mut sampler = sampler(1.0, 1.0, 42);
        let logits = [0.0f32; 1_000];
        let picks: Vec<u32> = (0..5).map(|_| sampler.pick(&logits).unwrap()).collect();
        let mut again = super::Sampler::new(&SamplingParams::default(), 42);
        assert_eq!(picks, (0..5).map(|_| again.pick(&logits).unwrap()).collect::<Vec<_>>());
        assert_eq!(picks, FROZEN, "a seed's text must not change between versions");
    }

    const FROZEN: [u32; 5] = [680, 901, 222, 327, 448];

    #[test]
    fn logits_that_are_no_numbers_pick_nothing() {
        for bad in [&[0.0, f32::NAN][..], &[f32::NEG_INFINITY; 2], &[f32::INFINITY, 0.0], &[]] {
            assert_eq!(sampler(1.0, 0.9, 0).pick(bad), None);
        }
    }

    #[test]
    fn log_probabilities_are_those_of_the_softmax() {
        let (chosen, top) = logprobs(&[1.0, 3.0, 2.0], 0, 2);
        let sum: f32 = [1.0f32, 3.0, 2.0].iter().map(|logit| logit.exp()).sum();
        assert!((chosen - (1.0f32.exp() / sum).ln()).abs() < 1e-6);
        assert_eq!(top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2]);
        assert!((top[0].1 - (3.0f32.exp() / sum).ln()).abs() < 1e-6);
    }

    #[test]
    fn absurd_values_are_refused() {
        let good = SamplingParams::default();
        good.check().unwrap();
        let bad = [
            SamplingParams { temperature: -0.1, ..good.clone() },
            SamplingParams { temperature: f32::NAN, ..good.clone() },
            SamplingParams { temperature: 2.5, ..good.clone() },
            SamplingParams { top_p: 0.0, ..good.clone() },
            SamplingParams { top_p: f32::INFINITY, ..good.clone() },
            SamplingParams { max_tokens: Some(0), ..good.clone() },
            SamplingParams { logprobs: Some(21), ..good.clone() },
            SamplingParams { stop: vec![String::new()], ..good.clone() },
            SamplingParams { stop: vec!["x".to_owned(); MAX_STOPS + 1], ..good.clone() },
        ];
        for params in bad {
            assert!(matches!(params.check(), Err(GenerateError::Sampling(_))), "{params:?}");
        }
    }

    proptest! {
        #[test]
        fn a_pick_is_a_token_of_the_vocabulary(
            logits in proptest::collection::vec(-1e30f32..1e30, 1..50), temperature in 0.0f32..2.0, top_p in 0.01f32..1.0,
            seed in any::<u64>()
        ) {
            let id = sampler(temperature, top_p, seed).pick(&logits).unwrap();
            prop_assert!((id as usize) < logits.len());
        }

        #[test]
        fn what_is_picked_lies_at_no_distance_and_what_others_pick_no_further_than_they_are(
            logits in proptest::collection::vec(-8f32..8.0, 2..60), temperature in prop_oneof![Just(0.0f32), 0.5f32..2.0],
            top_p in prop_oneof![Just(1.0f32), 0.05f32..1.0], noise in proptest::collection::vec(-1f32..1.0, 60), size in 0f32..0.002,
            seed in any::<u64>()
        ) {
            let here = || sampler(temperature, top_p, seed);
            let elsewhere: Vec<f32> = logits.iter().zip(&noise).map(|(logit, noise)| logit + noise * size).collect();
            let picked = here().pick(&logits).unwrap();
            prop_assert_eq!(here().distance(&logits, picked), Some(0.0));
            let other = here().pick(&elsewhere).unwrap();
            let distance = here().distance(&logits, other).unwrap();
            // Logits that lie at most so far apart make probabilities that do by a factor of e^(2 size / temperature): once for where a draw
            // falls, once for where the share ends.
            let scale = if temperature == 0.0 { 1.0 } else { f64::from(temperature) };
            let bound = 2.0 * ((2.0 * f64::from(size) / scale).exp() - 1.0);
            prop_assert!(distance <= bound + 1e-9, "{} > {}", distance, bound);
        }
    }
}
