mod exported;

use super::*;
use crate::attribution::{Curvature, Model, Rows};
use crate::job::Scratch;
use crate::random::Stream;
use crate::testing::{base, pairs, prose, runtime, session, topics};

fn classifier(layers: Vec<usize>) -> (Job, Dataset) {
    let mut job = Job::new("minilm-l6", Task::Classify);
    (job.lora.rank, job.lora.layers, job.max_tokens) = (4, Some(layers), 32);
    (job, topics(9, 6, false))
}

fn network(job: &Job, data: &Dataset) -> Network {
    let (runtime, session) = (runtime(), session());
    let classes = if job.task == Task::Classify { data.labels.len() } else { 0 };
    let base = base();
    let cache = std::env::temp_dir();
    let config = NetworkConfig { job, base: &base, classes, cache: &cache, runtime: &runtime, session: &session };
    let mut network = Network::new(config).unwrap();
    network.load_data(data).unwrap();
    network
}

/// A theta away from the start, where B is no longer zero and every gradient is.
fn moved(network: &Network) -> Vec<f32> {
    let mut stream = Stream::new("test", 5, 0);
    network.layout().initial(1).iter().map(|x| x + 0.02 * stream.normal()).collect()
}

/// Compares the gradient along a random direction with the difference of losses.
fn check_direction(network: &mut Network, theta: &[f32], samples: &[usize], sum: &[f32]) {
    let mut stream = Stream::new("direction", 9, 0);
    let direction: Vec<f32> = (0..theta.len()).map(|_| stream.normal()).collect();
    let step = 2e-3;
    let at = |network: &mut Network, sign: f32| -> f64 {
        let theta: Vec<f32> = theta.iter().zip(&direction).map(|(x, d)| x + sign * step * d).collect();
        network.forward(&theta, samples).unwrap().losses.iter().map(|&loss| f64::from(loss)).sum()
    };
    let numeric = (at(network, 1.0) - at(network, -1.0)) / (2.0 * f64::from(step));
    let analytic: f64 = sum.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
    let scale = numeric.abs().max(analytic.abs()).max(0.05);
    assert!((numeric - analytic).abs() / scale < 0.03, "numeric {numeric}, analytic {analytic}");
}

fn close(a: &[f32], b: &[f32]) {
    let largest = b.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    let apart = a.iter().zip(b).fold(0.0f32, |apart, (a, b)| apart.max((a - b).abs()));
    assert!(a.len() == b.len() && apart <= 2e-4 * largest.max(1e-3), "{apart} of {largest}");
}

#[test]
fn a_classifiers_gradients_are_those_of_its_losses() {
    let (job, data) = classifier(vec![4, 5]);
    let mut network = network(&job, &data);
    assert_eq!(network.layout().parameters(), 4 * 2 * 4 * 384 + 384 * 3 + 3);
    let theta = moved(&network);
    let samples = [0, 3, 4, 8, 11];
    let (losses, sum) = network.weighted_gradient(&theta, &samples, &[1.0; 5]).unwrap();
    check_direction(&mut network, &theta, &samples, &sum);
    let (each, rows) = network.gradients_of(&theta, &samples).unwrap();
    close(&each, &losses);
    close(&network.forward(&theta, &samples).unwrap().losses, &losses);
    close(&rows.sum(), &sum);
}

#[test]
fn the_cached_prefix_changes_nothing() {
    let (mut job, data) = classifier(vec![5]);
    let mut cached = network(&job, &data);
    let theta = moved(&cached);
    let expected = cached.forward(&theta, &[1, 2, 9]).unwrap();
    // Adapters in all layers whose B is zero below the last one.
    job.lora.layers = None;
    let mut whole = network(&job, &data);
    let mut wide = whole.layout().initial(1);
    let offset = wide.len() - theta.len();
    wide[offset..].copy_from_slice(&theta);
    let found = whole.forward(&wide, &[1, 2, 9]).unwrap();
    close(&found.losses, &expected.losses);
    close(&found.pooled.data, &expected.pooled.data);
}

#[test]
fn all_rows_and_many_sign_combinations_give_one_curvature() {
    let (job, data) = classifier(vec![5]);
    let mut network = network(&job, &data);
    let theta = moved(&network);
    let samples = [0, 1];
    let all = Model::curvature_rows(&mut network, &theta, &samples, Curvature::All, 1).unwrap();
    let signs = Model::curvature_rows(&mut network, &theta, &samples, Curvature::Signs(192), 1).unwrap();
    assert_eq!((all.rows, signs.rows), (6, 384));
    // u' M'M u for a random u.
    let mut stream = Stream::new("test", 6, 0);
    let u: Vec<f32> = (0..theta.len()).map(|_| stream.normal()).collect();
    let along = |rows: &Rows| -> f32 {
        rows.iter().map(|row| row.iter().zip(&u).map(|(a, b)| a * b).sum::<f32>().powi(2)).sum()
    };
    let (exact, drawn) = (along(&all), along(&signs));
    assert!((drawn / exact - 1.0).abs() < 0.3, "{drawn} {exact}");
    // sum_k p_k grad log p_k = 0: rows weighted by sqrt(p) vanish.
    let logs = network.forward(&theta, &samples).unwrap().log_probabilities;
    let mut sum = vec![0.0; theta.len()];
    for class in 0..3 {
        let root = (logs.row(0)[class] / 2.0).exp();
        sum.iter_mut().zip(all.row(class)).for_each(|(sum, x)| *sum += root * x);
    }
    assert!(sum.iter().all(|x| x.abs() < 1e-4));
}

#[test]
fn embeddings_have_gradients_of_their_contrast() {
    let mut job = Job::new("minilm-l6", Task::Embed);
    (job.lora.rank, job.lora.layers, job.max_tokens) = (2, Some(vec![5]), 32);
    job.temperature = 0.2;
    let mut network = network(&job, &pairs(8, 4));
    let theta = moved(&network);
    let samples = [0, 2, 5, 7];
    let (_, sum) = network.weighted_gradient(&theta, &samples, &[1.0; 4]).unwrap();
    check_direction(&mut network, &theta, &samples, &sum);
    let (_, rows) = network.gradients_of(&theta, &samples).unwrap();
    assert_eq!(rows.rows, 4);
    close(&rows.sum(), &sum);
}

/// A decoder all of whose parameters are trained, with records.
fn decoder(folder: &Path) -> Network {
    let data = prose(16, 4);
    let plan =
        Scratch { vocabulary: 320, hidden: 16, layers: 1, heads: 2, kv_heads: 1, intermediate: 24, max_positions: 64 };
    let mut job = Job::new("", Task::Generate);
    (job.max_tokens, job.scratch) = (32, Some(plan));
    let config = crate::run::begin_decoder(job.scratch.as_ref().unwrap(), &data, folder).unwrap();
    let mut network = Network::scratch(&job, &config, folder, &runtime(), &session()).unwrap();
    network.load_data(&data).unwrap();
    network
}

#[test]
fn what_was_written_after_a_texts_first_token_has_the_texts_loss_and_gradient() {
    let folder = tempfile::tempdir().unwrap();
    let mut network = decoder(folder.path());
    let theta = moved(&network);
    let (losses, sum) = network.weighted_gradient(&theta, &[3], &[1.0]).unwrap();
    let examples = network.examples().unwrap();
    let (first, written) = (examples.input(3)[..1].to_vec(), examples.targets(3).to_vec());
    let (loss, gradient) = network.continuation(&theta, &first, &written).unwrap();
    close(&[loss], &losses);
    close(&gradient, &sum);
    // More than the model has positions for is read in parts.
    let (loss, gradient) = network.continuation(&theta, &first, &written.repeat(20)).unwrap();
    assert!((1.0..12.0).contains(&loss) && gradient.iter().all(|x| x.is_finite()), "{loss}");
    let bad: [(&[u32], &[u32]); 3] = [(&[], &written), (&first, &[]), (&first, &[320])];
    for (prompt, written) in bad {
        assert!(matches!(network.continuation(&theta, prompt, written), Err(NetworkError::Written(_))));
    }
}

#[test]
fn a_decoders_parameters_all_have_gradients() {
    let folder = tempfile::tempdir().unwrap();
    let mut network = decoder(folder.path());
    let theta = moved(&network);
    let samples = [0, 5, 9];
    let (losses, sum) = network.weighted_gradient(&theta, &samples, &[1.0; 3]).unwrap();
    assert!(losses.iter().all(|loss| (3.0..9.0).contains(loss)), "{losses:?}");
    check_direction(&mut network, &theta, &samples, &sum);
}

#[test]
fn mixed_thetas_answer_as_each_would_alone() {
    let (job, data) = classifier(vec![5]);
    let mut network = network(&job, &data);
    let (first, second) = (network.layout().initial(0), moved(&network));
    let (losses, rows) = network.mixed(&[&first, &second], 4).unwrap();
    for (at, theta) in [first, second].iter().enumerate() {
        let alone = network.forward(theta, &[4]).unwrap();
        close(rows.row(at), alone.log_probabilities.row(0));
        close(&losses[at..=at], &alone.losses);
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let (job, data) = classifier(vec![5]);
    let mut network = network(&job, &data);
    let theta = network.layout().initial(0);
    assert!(matches!(network.forward(&theta, &[99]), Err(NetworkError::Sample { sample: 99, samples: 15 })));
    assert!(matches!(network.forward(&theta[1..], &[0]), Err(NetworkError::Theta { .. })));
    let mut wrong = job.clone();
    wrong.lora.targets = vec!["nothing".to_owned()];
    let (runtime, session, folder) = (runtime(), session(), base());
    let cache = std::env::temp_dir();
    let config =
        |job| NetworkConfig { job, base: &folder, classes: 3, cache: &cache, runtime: &runtime, session: &session };
    assert!(Network::new(config(&wrong)).is_err());
    let generate = Job::new("minilm-l6", Task::Generate);
    assert!(matches!(Network::new(config(&generate)), Err(NetworkError::Task { .. })));
}

#[test]
fn adapters_that_the_base_has_no_place_for_are_told_what_there_is() {
    let mut job = Job::new("base", Task::Classify);
    assert!(check_adapters(&job, &base()).is_ok());
    job.lora.layers = Some(vec![5, 17]);
    let error = check_adapters(&job, &base()).unwrap_err().to_string();
    assert!(error.contains("in layer 17; those are in layers 0, 1, 2, 3, 4, 5"), "{error}");
    (job.lora.layers, job.lora.targets) = (None, vec!["q_proj".to_owned()]);
    let error = check_adapters(&job, &base()).unwrap_err().to_string();
    assert!(error.contains("\"q_proj\"") && error.contains("encoder.layer.*.attention.self.query"), "{error}");
}

#[test]
fn a_network_that_has_rested_says_the_same() {
    let (job, data) = classifier(vec![5]);
    let mut network = network(&job, &data);
    let theta = moved(&network);
    let before = network.forward(&theta, &[0, 3]).unwrap().losses;
    // A layer at least, and not the 90 MB of all of them.
    assert!((4 << 20..40 << 20).contains(&network.weight_bytes()), "{}", network.weight_bytes());
    network.rest();
    assert!(network.sessions.is_empty());
    assert_eq!(network.forward(&theta, &[0, 3]).unwrap().losses, before);
}
