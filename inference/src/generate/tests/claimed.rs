//! Answers from elsewhere, followed token by token: what other kernels give passes, and what another model gives does not.

use super::*;

fn drawn(number: usize, tokens: usize) -> GenerateRequest {
    let top_p = if number.is_multiple_of(2) { 1.0 } else { 0.9 };
    let seed = Some(number as u64);
    let sampling = SamplingParams { temperature: 1.0, top_p, seed, ..SamplingParams::greedy(tokens) };
    request(Prompt::Tokens(prompt(number)), sampling)
}

/// All tokens that were drawn.
fn tokens(answer: &Completion) -> Vec<u32> {
    answer.ids.iter().copied().chain(answer.end).collect()
}

async fn followed(service: &GenerateHandle, request: GenerateRequest, claimed: Vec<u32>) -> Apart {
    service.complete(GenerateRequest { claimed: Some(claimed), ..request }).await.unwrap().apart.unwrap()
}

/// Answers that `service` gives, side by side.
async fn answers(service: &GenerateHandle, request: impl Fn(usize) -> GenerateRequest) -> Vec<Completion> {
    let asked = (0..ANSWERS).map(|number| service.complete(request(number)));
    join_all(asked.collect()).await.into_iter().map(Result::unwrap).collect()
}

const ANSWERS: usize = 24;
const LENGTH: usize = 100;

/// How many of the answers do not pass with `service`, and the sum of what was found.
async fn checked(
    service: &GenerateHandle,
    given: &[Completion],
    request: impl Fn(usize) -> GenerateRequest,
) -> (usize, Apart) {
    let (mut failed, mut sum) = (0, Apart::default());
    for (number, answer) in given.iter().enumerate() {
        let apart = followed(service, request(number), tokens(answer)).await;
        failed += usize::from(!apart.passes());
        sum.tokens += apart.tokens;
        sum.others += apart.others;
        sum.sum += apart.sum;
        sum.most = sum.most.max(apart.most);
    }
    (failed, sum)
}

#[tokio::test]
async fn other_kernels_pass_and_another_precision_adapter_or_seed_does_not() {
    let folder = small();
    let crowded = GenerateConfig { max_sequences: 12, prefill_tokens: 16, threads: 2, ..config(&folder) };
    let service = start(&crowded);
    let base = |number| drawn(number, LENGTH);
    let given = answers(&service, base).await;

    // Alone, with another number of threads, prompts read at once.
    let elsewhere = start(&GenerateConfig { threads: 1, prefill_tokens: 512, ..config(&folder) });
    let (failed, same) = checked(&elsewhere, &given, base).await;
    println!("other kernels: {failed} of {ANSWERS} fail, {same:?}");
    assert_eq!((failed, same.tokens), (0, ANSWERS * LENGTH));
    assert!(same.most < DRAW_TOLERANCE / 100.0, "{same:?}");

    let quantised = start(&GenerateConfig { precision: Precision::Int8, ..config(&folder) });
    let (failed, int8) = checked(&quantised, &given, base).await;
    println!("8 bits: {failed} of {ANSWERS} fail, {int8:?}");
    assert!(failed * 10 >= ANSWERS * 9, "{failed}: {int8:?}");
    // Served in 8 bits by everybody, it passes as well.
    let crowded = start(&GenerateConfig { precision: Precision::Int8, ..crowded });
    let (failed, same) = checked(&quantised, &answers(&crowded, base).await, base).await;
    println!("8 bits, other kernels: {failed} of {ANSWERS} fail, {same:?}");
    assert_eq!(failed, 0, "{same:?}");

    let key = AdapterKey([7; 32]);
    elsewhere.load_adapter(key, Arc::new(strong(4, 3))).await.unwrap();
    let (failed, adapted) =
        checked(&elsewhere, &given, |number| GenerateRequest { adapter: Some(key), ..base(number) }).await;
    println!("an adapter: {failed} of {ANSWERS} fail, {adapted:?}");
    assert_eq!(failed, ANSWERS, "{adapted:?}");

    let reseeded = |number| {
        let mut other = base(number);
        other.sampling.seed = Some(1_000 + number as u64);
        other
    };
    let (failed, reseeded) = checked(&elsewhere, &given, reseeded).await;
    println!("another seed: {failed} of {ANSWERS} fail, {reseeded:?}");
    assert_eq!(failed, ANSWERS, "{reseeded:?}");

    // One word that is not what was drawn.
    for (number, answer) in given.iter().enumerate() {
        let mut forged = tokens(answer);
        forged[LENGTH / 2] = (forged[LENGTH / 2] + 100) % SMALL.vocabulary as u32;
        let apart = followed(&elsewhere, base(number), forged).await;
        assert!(!apart.passes(), "answer {number}: {apart:?}");
    }
}

#[tokio::test]
async fn the_likeliest_tokens_are_checked_by_how_much_likelier_they_are() {
    let folder = small();
    let service = start(&config(&folder));
    let answer = service.complete(greedy(3, 40)).await.unwrap();
    let apart = followed(&service, greedy(3, 40), tokens(&answer)).await;
    assert_eq!((apart.tokens, apart.others), (40, 0));
    let mut forged = tokens(&answer);
    forged[0] = (forged[0] + 1) % SMALL.vocabulary as u32;
    assert!(!followed(&service, greedy(3, 40), forged).await.passes());
}

#[tokio::test]
async fn an_answer_that_ends_early_or_late_or_has_words_that_nobody_knows_cannot_have_been_given() {
    let folder = decoder_folder(Some(7));
    let service = start(&config(&folder));
    // An end that the model draws itself.
    let mut ended = None;
    for number in 0..200 {
        let answer = service.complete(drawn(number, 200)).await.unwrap();
        if answer.end == Some(7) && answer.ids.len() > 2 {
            ended = Some((number, answer));
            break;
        }
    }
    let (number, answer) = ended.expect("a model of 320 tokens ends soon");
    let whole = tokens(&answer);
    let ask = |claimed: Vec<u32>| service.complete(GenerateRequest { claimed: Some(claimed), ..drawn(number, 200) });
    let same = ask(whole.clone()).await.unwrap();
    assert_eq!(
        (&same.text, same.reason, same.end, same.apart.unwrap().others),
        (&answer.text, answer.reason, Some(7), 0)
    );
    let refused = async |claimed: Vec<u32>, says: &str| {
        let error = ask(claimed).await.unwrap_err();
        assert!(matches!(&error, GenerateError::Claimed(_)) && error.to_string().contains(says), "{error}");
    };
    refused(answer.ids.clone(), "nothing ends it").await;
    refused(whole[..1].to_vec(), "nothing ends it").await;
    refused(Vec::new(), "nothing ends it").await;
    refused([whole.as_slice(), &[1]].concat(), "goes on after its end").await;
    refused(vec![SMALL.vocabulary as u32], "the model knows").await;
    // And the service goes on.
    assert!(ask(whole).await.is_ok());
}
