use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use datanet_inference::graph::adapter::peft;
use datanet_inference::graph::build::ModelFolder;
use datanet_inference::graph::quantise::Precision;

use super::*;
use crate::attribution::halves::PayTable;
use crate::attribution::{Table, Thresholds};
use crate::job::{CurvatureRows, Method, Quantise, Scratch, Task};
use crate::recipe::Recipe;
use crate::testing::{base, prose, runtime, session, topics};
use crate::verify::{Claim, Extent, Tolerance, VerifyError, verify};

/// Names the folder that a child process trains in, to be killed.
const CHILD: &str = "DATANET_TRAINING_TEST_CHILD";

/// What the child waits at for its end.
const AT: &str = "DATANET_TRAINING_TEST_CHILD_AT";

fn job() -> Job {
    let mut job = Job::new("minilm-l6", Task::Classify);
    (job.lora.rank, job.lora.layers, job.max_tokens) = (4, Some(vec![4, 5]), 32);
    job.recipe = Recipe { epochs: 3, batch: 16, warmup: 4, ..Recipe::default() };
    (job.attribution.method, job.attribution.curvature) = (Method::Influence, CurvatureRows::TrueLabel);
    (job.evaluation.checkpoint, job.attribution.halves) = (4, 2);
    job
}

fn data() -> Dataset {
    topics(96, 36, true)
}

fn run(job: &Job, data: &Dataset, base: &Path, folder: &Path) -> RunOutcome {
    train(&setup(job, data, base, folder), &mut |_| Control::Continue).unwrap()
}

fn setup<'a>(job: &'a Job, data: &'a Dataset, base: &'a Path, folder: &'a Path) -> Setup<'a> {
    Setup { job, data, snapshot: "root", memory: None, base, runtime: runtime(), session: session(), folder }
}

/// The run that several tests look at, in a folder of the process's own.
fn reference() -> &'static (tempfile::TempDir, RunOutcome) {
    static RUN: OnceLock<(tempfile::TempDir, RunOutcome)> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let outcome = run(&job(), &data(), &base(), folder.path());
        (folder, outcome)
    })
}

fn same_files(a: &Path, b: &Path) {
    let names = |folder: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(a), names(b));
    for name in names(a) {
        assert_eq!(std::fs::read(a.join(&name)).unwrap(), std::fs::read(b.join(&name)).unwrap(), "{name:?}");
    }
}

#[test]
fn a_classifier_learns_and_its_release_is_whole() {
    let (folder, outcome) = reference();
    let losses = &outcome.transcript.losses;
    assert!(
        losses.len() == 18 && losses[15..].iter().sum::<f32>() < losses[..3].iter().sum::<f32>() * 0.8,
        "{losses:?}"
    );
    let measure = |name: &str| outcome.evaluation.get(name).unwrap();
    assert!(measure("accuracy") > 0.8 && measure("accuracy") > measure("majority"), "{:?}", outcome.evaluation);
    assert!(measure("base_accuracy") > measure("majority"));
    assert!(outcome.first_order.is_some_and(|error| error > 0.0 && error < 10.0), "{:?}", outcome.first_order);
    let names: Vec<&str> = outcome.files.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "adapter_config.json",
        "adapter_model.safetensors",
        "adapter.onnx_adapter",
        "labels.json",
        "influence.safetensors",
        "records.safetensors",
        "halves.safetensors",
        "job.json",
        "transcript.json",
    ];
    assert_eq!(names, expected);
    let adapter = peft::read(&folder.path().join("release")).unwrap();
    assert_eq!(
        (adapter.rank, adapter.modules.len(), adapter.saved["classifier.weight"].shape.clone()),
        (4, 4, vec![3, 384])
    );
    let table =
        Table::from_bytes(&std::fs::read(folder.path().join("release/influence.safetensors")).unwrap()).unwrap();
    assert_eq!(table.names(), ["ann", "bob", "cem", "dua"]);
    let pay = PayTable::from_bytes(&std::fs::read(folder.path().join("release/halves.safetensors")).unwrap()).unwrap();
    assert!(pay.names() == table.names() && pay.halves().iter().all(|half| half.table != table));
    let halves = &outcome.transcript.halves;
    let thetas: Vec<String> = pay.halves().iter().map(|half| transcript::theta_hash(&half.theta)).collect();
    assert_eq!(thetas, halves.iter().map(|half| half.theta.clone()).collect::<Vec<_>>());
    assert!(halves.len() == 2 && halves.iter().map(|half| half.records).sum::<usize>() == 96, "{halves:?}");
    let written = std::fs::read_to_string(folder.path().join("release/transcript.json")).unwrap();
    assert_eq!(&Transcript::from_json(&written).unwrap(), &outcome.transcript);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let again = tempfile::tempdir().unwrap();
    run(&job(), &data(), &base(), again.path());
    same_files(&reference().0.path().join("release"), &again.path().join("release"));
    same_files(&reference().0.path().join("checkpoints"), &again.path().join("checkpoints"));
}

#[test]
fn what_eight_bits_cost_is_measured_and_released() {
    let job = Job { serve: Precision::Int8, ..job() };
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(&job, &data(), &base(), folder.path());
    let release = |folder: &Path, name: &str| std::fs::read(folder.join("release").join(name)).unwrap();
    let name = "adapter_model.safetensors";
    assert!(
        release(folder.path(), name) == release(reference().0.path(), name),
        "how it is served changes no training"
    );
    let served: Served = serde_json::from_slice(&release(folder.path(), "serving.json")).unwrap();
    assert_eq!((served.precision, served.records), (Precision::Int8, 36));
    assert!(served.weights.weights.len() == 36 && served.weights.bytes_after * 3 < served.weights.bytes_before * 2);
    assert!(served.weights.weights.iter().all(|weight| (1e-4..0.1).contains(&weight.relative_error)), "{served:?}");
    let (cosine, least) = (served.cosine.unwrap(), served.least_cosine.unwrap());
    assert!(0.97 < least && least < cosine && cosine < 1.0, "{least} {cosine}");
    let measure = |name: &str| outcome.evaluation.get(name).unwrap();
    assert!((measure("served_cosine") - cosine).abs() < 1e-12);
    assert!((measure("served_accuracy") - measure("accuracy")).abs() < 0.06, "{:?}", outcome.evaluation);
    assert!(measure("served_loss") != measure("loss"));
}

#[test]
fn an_audit_is_stopped_before_its_next_step() {
    let mut job = job();
    (job.attribution.audit_subsets, job.recipe.epochs) = (1000, 1);
    let (data, base, folder) = (data(), base(), tempfile::tempdir().unwrap());
    let mut retrained = 0;
    let error = train(&setup(&job, &data, &base, folder.path()), &mut |event| match event {
        Event::Counted { .. } if retrained > 0 => Control::Stop,
        Event::Attribution { done, .. } => {
            retrained = done;
            Control::Continue
        }
        _ => Control::Continue,
    });
    assert!(matches!(error, Err(TrainError::Stopped { step: 6 })), "{error:?}");
    assert_eq!(retrained, 1);
}

#[test]
fn what_takes_more_memory_than_it_may_is_refused_before_it_is_taken() {
    let (job, data, base, folder) = (job(), data(), base(), tempfile::tempdir().unwrap());
    let setup = Setup { memory: Some(1 << 20), ..setup(&job, &data, &base, folder.path()) };
    let error = train(&setup, &mut |_| panic!("it begins")).unwrap_err();
    assert!(matches!(error, TrainError::TooLarge { limit: 0x10_0000, columns: 96, .. }), "{error}");
    assert!(error.to_string().contains("MiB"), "{error}");
}

/// Not a test of its own: the process that [`a_killed_run_goes_on_to_the_same_bytes`] kills.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let (job, data, base) = (job(), data(), base());
    let (mut phase, at) = ("training", std::env::var(AT).unwrap());
    train(&setup(&job, &data, &base, Path::new(&folder)), &mut |event| {
        let said = match event {
            Event::Step { step, .. } => format!("{phase} {step}"),
            Event::Counted { done, .. } => format!("{phase} {done}"),
            Event::Phase { name } => {
                phase = name;
                String::new()
            }
            _ => String::new(),
        };
        if said == at {
            println!("\n{said}");
            loop {
                std::thread::park();
            }
        }
        Control::Continue
    })
    .unwrap();
}

/// Trains in a process of its own until it says `line`, and kills it there.
fn killed(folder: &Path, line: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "run::tests::child", "--nocapture"])
        .env(CHILD, folder)
        .env(AT, line)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen = lines.map_while(Result::ok).any(|said| said == line);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(seen && !folder.join("release").exists(), "it never said {line}");
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    // Two steps after the checkpoint of step 4: they are lost, and done again.
    killed(folder.path(), "training 6");
    // In the first half and in the second, each of 18 steps: what is whole stays, and what was begun goes on from its
    // checkpoint.
    killed(folder.path(), "halves 7");
    killed(folder.path(), "halves 31");
    let (mut done, mut first) = (None, None);
    let (job, data, base) = (job(), data(), base());
    let mut phase = "training";
    let outcome = train(&setup(&job, &data, &base, folder.path()), &mut |event| {
        match event {
            Event::Started { done: steps, .. } => done = Some(steps),
            Event::Phase { name } => phase = name,
            Event::Counted { done, .. } if phase == "halves" && done != 18 => _ = first.get_or_insert(done),
            _ => {}
        }
        Control::Continue
    });
    // The first half is done; of the second, 12 steps are on the disk.
    let outcome = outcome.unwrap();
    assert_eq!((done, first, outcome.steps), (Some(18), Some(31), 0));
    let bits = |outcome: &RunOutcome| outcome.first_order.map(f32::to_bits);
    assert_eq!(bits(&outcome), bits(&reference().1));
    same_files(&reference().0.path().join("release"), &folder.path().join("release"));
    same_files(&reference().0.path().join("halves/01"), &folder.path().join("halves/01"));
}

#[test]
fn halves_are_stopped_and_go_on_to_the_same_bytes() {
    let (folder, job, data, base) = (tempfile::tempdir().unwrap(), job(), data(), base());
    let mut phase = "training";
    let stopped = train(&setup(&job, &data, &base, folder.path()), &mut |event| match event {
        Event::Counted { done: 21, .. } if phase == "halves" => Control::Stop,
        Event::Phase { name } => {
            phase = name;
            Control::Continue
        }
        _ => Control::Continue,
    });
    assert!(matches!(stopped, Err(TrainError::Stopped { step: 3 })), "{stopped:?}");
    run(&job, &data, &base, folder.path());
    same_files(&reference().0.path().join("release"), &folder.path().join("release"));
}

#[test]
fn a_true_transcript_is_verified_and_a_false_one_is_not() {
    let (folder, outcome) = reference();
    let (job, data, base, own) = (job(), data(), base(), tempfile::tempdir().unwrap());
    let setup = setup(&job, &data, &base, own.path());
    let (release, checkpoints) = (folder.path().join("release"), folder.path().join("checkpoints"));
    let claim = Claim { transcript: &outcome.transcript, release: &release, checkpoints: Some(&checkpoints) };
    let some = Extent::Intervals { count: 2, seed: 3 };
    let verdict = verify(&setup, claim, some, Tolerance::default(), &mut |_| Control::Continue).unwrap();
    assert!(verdict.passed() && verdict.checks.len() == 3, "{verdict}");
    let verdict = verify(&setup, claim, Extent::Whole, Tolerance::default(), &mut |_| Control::Continue).unwrap();
    assert!(verdict.passed() && verdict.checks.iter().all(|check| check.distance == 0.0), "{verdict}");
    // Halves that no training leads to, whatever their table says.
    let bent = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&release).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, bent.path().join(path.file_name().unwrap())).unwrap();
    }
    let pay = PayTable::from_bytes(&std::fs::read(release.join("halves.safetensors")).unwrap()).unwrap();
    let mut halves = pay.halves().to_vec();
    halves[1].theta.iter_mut().for_each(|x| *x *= 1.05);
    std::fs::write(bent.path().join("halves.safetensors"), PayTable::new(halves).unwrap().to_bytes().unwrap()).unwrap();
    let claim = Claim { release: bent.path(), ..claim };
    let verdict = verify(&setup, claim, Extent::Whole, Tolerance::default(), &mut |_| Control::Continue).unwrap();
    let failed: Vec<&str> =
        verdict.checks.iter().filter(|one| one.distance > one.allowed).map(|one| one.name.as_str()).collect();
    assert_eq!(failed, ["parameters of the halves", "halves"]);
    // A checkpoint that no training leads to, with a transcript that fits it.
    let forged = tempfile::tempdir().unwrap();
    for (step, _) in outcome.transcript.checkpoints.iter().map(|known| (known.step, ())) {
        let name = format!("{step:06}.safetensors");
        std::fs::copy(checkpoints.join(&name), forged.path().join(&name)).unwrap();
    }
    let fingerprint = Prepared::new(&setup).unwrap().fingerprint(&setup);
    let files = Checkpoints::open(forged.path(), fingerprint).unwrap();
    let mut transcript = outcome.transcript.clone();
    for known in &mut transcript.checkpoints[1..] {
        let mut state = files.read(known.step, false).unwrap().state;
        state.theta.iter_mut().for_each(|x| *x *= 1.05);
        known.hash = hex::encode(files.write(&state, None, None).unwrap());
    }
    let claim = Claim { transcript: &transcript, release: &release, checkpoints: Some(forged.path()) };
    let first = Extent::Intervals { count: 99, seed: 0 };
    let verdict = verify(&setup, claim, first, Tolerance::default(), &mut |_| Control::Continue).unwrap();
    assert!(!verdict.passed(), "{verdict}");
    let other = Transcript { data: "other".to_owned(), ..transcript.clone() };
    let claim = Claim { transcript: &other, ..claim };
    let refused = verify(&setup, claim, first, Tolerance::default(), &mut |_| Control::Continue);
    assert!(matches!(refused, Err(VerifyError::Other("records"))));
}

#[test]
fn an_audit_publishes_a_gate() {
    let (mut job, folder) = (job(), tempfile::tempdir().unwrap());
    job.lora.layers = Some(vec![5]);
    (job.attribution.audit_subsets, job.attribution.audit_contributors) = (2, 2);
    job.recipe.epochs = 1;
    let outcome = run(&job, &data(), &base(), folder.path());
    let gate = outcome.gate.unwrap();
    assert!((gate.subsets, gate.contributors) == (2, 2) && gate.lds.is_some() && !gate.passed, "{gate:?}");
    // Too little to judge by: replay stays, and the gate says so.
    assert_eq!(outcome.attribution, Some(Choice::Replay));
    assert_eq!(outcome.compared, [Compared { method: Choice::Replay, gate }]);
    assert_eq!((gate.lds_interval, gate.leave_one_out_interval), (None, None), "two say nothing of others: {gate:?}");
    assert!(gate.finding(&Thresholds::default()).reason.contains("there were 2 and 2"));
}

#[test]
fn retrainings_are_the_same_however_many_work_at_once() {
    let (mut job, folder) = (job(), tempfile::tempdir().unwrap());
    (job.lora.layers, job.recipe.epochs) = (Some(vec![5]), 1);
    let (data, base) = (data(), base());
    let removed: Vec<Vec<bool>> = (0..5).map(|out| (0..96).map(|record| record % 5 == out).collect()).collect();
    let losses = |threads: usize| {
        let setup = setup(&job, &data, &base, folder.path());
        let setup = Setup { session: SessionConfig { threads, ..setup.session.clone() }, ..setup };
        let prepared = Prepared::new(&setup).unwrap();
        let answers = prepared.network.held_out();
        let losses = retrain::losses(&setup, &prepared, &answers, &removed, &mut |_| Control::Continue);
        losses.unwrap().unwrap()
    };
    let alone = losses(1);
    assert!(alone.len() == 5 && alone.iter().all(|losses| losses.len() == 36) && alone[0] != alone[1]);
    for beside in [losses(2), losses(4)] {
        let bits = |all: &[Vec<f32>]| all.iter().flatten().map(|loss| loss.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&beside), bits(&alone));
    }
}

#[test]
fn a_base_in_four_bits_learns_as_well() {
    let (mut job, folder) = (job(), tempfile::tempdir().unwrap());
    (job.quantise, job.attribution.method) = (Quantise::Nf4, Method::None);
    let outcome = run(&job, &data(), &base(), folder.path());
    assert!(outcome.evaluation.get("accuracy").unwrap() > 0.8, "{:?}", outcome.evaluation);
}

#[test]
fn a_decoder_from_nothing_speaks_and_takes_adapters() {
    let (folder, tuned) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = prose(96, 12);
    let mut job = Job::new("", Task::Generate);
    job.scratch = Some(Scratch {
        vocabulary: 400,
        hidden: 32,
        layers: 2,
        heads: 2,
        kv_heads: 1,
        intermediate: 64,
        max_positions: 64,
    });
    job.max_tokens = 32;
    job.recipe = Recipe { learning_rate: 1e-2, epochs: 8, batch: 16, ..Recipe::default() };
    let outcome = run(&job, &data, Path::new("/nowhere"), folder.path());
    let losses = &outcome.transcript.losses;
    assert!(losses[losses.len() - 1] < losses[0] * 0.7, "{losses:?}");
    let names: Vec<&str> = outcome.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["model.safetensors", "config.json", "tokenizer.json", "job.json", "transcript.json"]);
    let release = folder.path().join("release");
    assert_eq!(ModelFolder::open(&release).unwrap().layers(), 2);

    let mut job = Job::new("mine", Task::Generate);
    (job.lora.rank, job.max_tokens) = (2, 32);
    job.recipe = Recipe { epochs: 1, batch: 16, warmup: 2, ..Recipe::default() };
    (job.attribution.method, job.attribution.curvature) = (Method::Influence, CurvatureRows::Signs(2));
    let adapted = run(&job, &data, &release, tuned.path());
    let measure = |name: &str| adapted.evaluation.get(name).unwrap();
    assert!(measure("perplexity") < measure("base_perplexity"), "{:?}", adapted.evaluation);
    assert!((measure("base_loss") - outcome.evaluation.get("loss").unwrap()).abs() < 1e-3);
    assert!(tuned.path().join("release/influence.safetensors").exists());
}

#[test]
fn a_stopped_run_says_so_and_another_job_does_not_take_it_up() {
    let folder = tempfile::tempdir().unwrap();
    let (mut job, data, base) = (job(), data(), base());
    job.attribution.method = Method::None;
    let stop = &mut |event| match event {
        Event::Step { step: 2, .. } => Control::Stop,
        _ => Control::Continue,
    };
    assert!(matches!(train(&setup(&job, &data, &base, folder.path()), stop), Err(TrainError::Stopped { step: 2 })));
    job.recipe.seed = 9;
    let other = train(&setup(&job, &data, &base, folder.path()), &mut |_| Control::Continue);
    assert!(matches!(other, Err(TrainError::OtherRun { .. })), "{other:?}");
}

/// The audit holds the model that a release ships against retrainings: what it retrains must be that model.
#[test]
fn the_audit_of_nothing_left_out_retrains_what_was_trained() {
    let (mut job, folder) = (job(), tempfile::tempdir().unwrap());
    (job.recipe.clip, job.recipe.learning_rate, job.recipe.epochs) = (Some(0.05), 5e-2, 6);
    (job.evaluation.every, job.evaluation.early_stop) = (2, 2);
    let (data, base) = (data(), base());
    let outcome = run(&job, &data, &base, folder.path());
    let transcript = &outcome.transcript;
    assert!(transcript.released_step < transcript.losses.len(), "it ends early: {transcript:?}");
    let setup = setup(&job, &data, &base, folder.path());
    let mut prepared = Prepared::new(&setup).unwrap();
    let course = prepared.course(&setup);
    let theta = course.train(&mut prepared.network, &vec![false; data.train.len()]).unwrap();
    assert_eq!(transcript::theta_hash(&theta), transcript.theta);
}
