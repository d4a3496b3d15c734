use super::*;

fn record() -> (AnswerRecord, SigningKey) {
    let key = SigningKey::from_bytes(&[5; 32]);
    let receipt = Receipt {
        chain_id: "c".into(),
        node: key.node_key(),
        fee: 10,
        split: crate::epoch::FeeShares::STANDARD.split(10),
        credits: vec![
            Credit { contribution: ContributionId([1; 32]), weight: Ppm(400_000), ..Credit::default() },
            Credit { contribution: ContributionId([2; 32]), weight: Ppm(600_000), ..Credit::default() },
        ],
        ..Receipt::default()
    };
    let input = AskInput { text: "q".into(), classify: true, neighbours: 10, ..AskInput::default() };
    (AnswerRecord::sign(receipt, input, AskOutput::default(), &key), key)
}

#[test]
fn an_honest_record_verifies() {
    let (record, _) = record();
    assert_eq!(AnswerRecord::verify(&record.to_bytes(), "c").unwrap(), record);
}

#[test]
fn a_tampered_record_is_caught() {
    let (honest, key) = record();
    let mut changed = honest.clone();
    changed.output.answer = "other".into();
    assert_eq!(AnswerRecord::verify(&changed.to_bytes(), "c"), Err(ReceiptError::Hash("output")));
    let mut changed = honest.clone();
    changed.receipt.credits[0].weight = Ppm(399_999);
    assert_eq!(AnswerRecord::verify(&changed.to_bytes(), "c"), Err(ReceiptError::Signature));
    let resigned = AnswerRecord::sign(changed.receipt, changed.input, changed.output, &key);
    assert_eq!(AnswerRecord::verify(&resigned.to_bytes(), "c"), Err(ReceiptError::Weights));
    assert_eq!(AnswerRecord::verify(&honest.to_bytes(), "d"), Err(ReceiptError::Chain));
}

#[test]
fn an_answer_credits_no_more_than_can_be_looked_up() {
    let (honest, key) = record();
    let with = |count: u32| {
        let credit = |n: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&n.to_be_bytes());
            let weight = if n == 0 { Ppm(1_000_000 - u64::from(count - 1)) } else { Ppm(1) };
            Credit { contribution: ContributionId(id), weight, ..Credit::default() }
        };
        let receipt = Receipt { credits: (0..count).map(credit).collect(), ..honest.receipt.clone() };
        AnswerRecord::sign(receipt, honest.input.clone(), honest.output.clone(), &key).to_bytes()
    };
    let too_many = MAX_INFLUENCES as u32 + 1;
    assert_eq!(AnswerRecord::verify(&with(too_many), "c"), Err(ReceiptError::Weights));
    // As many as may be get as far as the next check: this output does not give them.
    assert!(matches!(AnswerRecord::verify(&with(too_many - 1), "c"), Ok(_) | Err(ReceiptError::Basis(_))));
}

#[test]
fn an_answer_by_retrieval_has_the_bytes_it_always_had() {
    let input = AskInput { text: "q".into(), classify: true, neighbours: 10, ..AskInput::default() };
    assert_eq!(hex::encode(input.encode_to_vec()), "0a01711001180a");
    let output = AskOutput { label: Some("a".into()), answer: "a".into(), ..AskOutput::default() };
    assert_eq!(hex::encode(output.encode_to_vec()), "0a0161120161");
    assert_eq!(serde_json::to_value(&output).unwrap().as_object().unwrap().len(), 3);
}

fn influenced(worth: [i64; 3]) -> AskOutput {
    let influence = |(n, worth)| Influence { contribution: ContributionId([n; 32]), value: -7, worth };
    AskOutput { influence: (1..).zip(worth).map(influence).collect(), ..AskOutput::default() }
}

#[test]
fn weights_must_follow_from_the_influences_beside_them() {
    let (honest, key) = record();
    let receipt = Receipt { method: Method::Influence as i32, ..honest.receipt };
    let sign = |output| AnswerRecord::sign(receipt.clone(), AskInput::default(), output, &key).to_bytes();
    assert!(AnswerRecord::verify(&sign(influenced([2, 3, 0])), "c").is_ok());
    let other = AnswerRecord::verify(&sign(influenced([3, 2, 0])), "c");
    assert_eq!(other, Err(ReceiptError::Basis("influences")));
    let nothing = AnswerRecord::verify(&sign(influenced([0, 0, 0])), "c");
    assert_eq!(nothing, Err(ReceiptError::Basis("influences")));
    assert_eq!(influence_weights(&influenced([0, 0, -9]).influence), []);
    assert!(
        AnswerRecord::verify(&sign(influenced([2, 3, -MAX_WORTH])), "c").is_ok(),
        "harm is told, and credits nobody"
    );
    let beyond = AnswerRecord::verify(&sign(influenced([2, 3, -MAX_WORTH - 1])), "c");
    assert_eq!(beyond, Err(ReceiptError::Basis("influences")));
}

#[test]
fn weights_must_follow_from_the_matches_beside_them() {
    let (honest, key) = record();
    let receipt = Receipt { method: Method::Span as i32, ..honest.receipt };
    let span = |start, end, n, weight| SpanMatch {
        start,
        end,
        contribution: ContributionId([n; 32]),
        record: 0,
        weight: Ppm(weight),
    };
    let sign = |spans: Vec<SpanMatch>| {
        let output = AskOutput { answer: "aé b".into(), spans, ..AskOutput::default() };
        AnswerRecord::verify(&AnswerRecord::sign(receipt.clone(), AskInput::default(), output, &key).to_bytes(), "c")
    };
    assert!(sign(vec![span(0, 3, 1, 400_000), span(3, 5, 2, 350_000), span(0, 1, 2, 250_000)]).is_ok());
    let bad = Err(ReceiptError::Basis("matches"));
    assert_eq!(sign(vec![span(0, 3, 1, 1_000_000)]), bad);
    assert_eq!(sign(vec![span(0, 9, 1, 400_000), span(3, 5, 2, 600_000)]), bad);
    assert_eq!(sign(vec![span(0, 2, 1, 400_000), span(3, 5, 2, 600_000)]), bad);
}

#[test]
fn what_is_left_out_is_ordered_bounded_and_of_a_retrieval() {
    let (honest, key) = record();
    let sign = |missing: Vec<ContributionId>, method| {
        let receipt = Receipt { missing, method: method as i32, ..honest.receipt.clone() };
        let record = AnswerRecord::sign(receipt, honest.input.clone(), honest.output.clone(), &key);
        AnswerRecord::verify(&record.to_bytes(), "c").map(|_| ())
    };
    let id = |n: usize| ContributionId([u8::try_from(n % 256).unwrap(); 32]);
    assert_eq!(sign(vec![id(1), id(2)], Method::Retrieval), Ok(()));
    assert_eq!(sign(vec![id(2), id(1)], Method::Retrieval), Err(ReceiptError::Missing));
    assert_eq!(sign(vec![id(1), id(1)], Method::Retrieval), Err(ReceiptError::Missing));
    assert_eq!(sign(vec![id(1)], Method::Span), Err(ReceiptError::Missing));
    let many = (0..=MAX_MISSING).map(|n| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        ContributionId(id)
    });
    assert_eq!(sign(many.collect(), Method::Retrieval), Err(ReceiptError::Missing));
}

#[test]
fn an_unknown_method_is_refused() {
    let (honest, key) = record();
    let receipt = Receipt { method: 9, ..honest.receipt };
    let record = AnswerRecord::sign(receipt, honest.input, honest.output, &key);
    assert_eq!(AnswerRecord::verify(&record.to_bytes(), "c"), Err(ReceiptError::Method(9)));
}

/// A paid text of three tokens at 100 an answer and 1,500 a thousand tokens, and what a node that changes it signs.
fn written(change: impl FnOnce(&mut Receipt, &mut Completion)) -> Result<(), ReceiptError> {
    use crate::rate::Rate;
    let (honest, key) = record();
    let mut completion = Completion { completion_tokens: 3, tokens: vec![5, 6, 7], ..Completion::default() };
    let mut receipt = Receipt {
        method: Method::Span as i32,
        credits: Vec::new(),
        fee: 105,
        usage: Some(Usage { rate: Rate { answer: 100, thousand: 1_500, step: 0 }, tokens: 3, steps: 0 }),
        ..honest.receipt
    };
    change(&mut receipt, &mut completion);
    receipt.split = crate::epoch::FeeShares::STANDARD.split(receipt.fee);
    let input = AskInput { sampling: Some(Sampling::default()), ..AskInput::default() };
    let output = AskOutput { answer: "abc".into(), completion: Some(completion), ..AskOutput::default() };
    AnswerRecord::verify(&AnswerRecord::sign(receipt, input, output, &key).to_bytes(), "c").map(drop)
}

#[test]
fn the_fee_of_a_text_follows_from_its_tokens_and_the_prices_on_the_receipt() {
    assert_eq!(written(|_, _| {}), Ok(()));
    let bad = Err(ReceiptError::Usage);
    assert_eq!(written(|receipt, _| receipt.fee = 106), bad, "a fee that is rounded once more");
    assert_eq!(written(|receipt, _| receipt.fee = 0), bad);
    let claim = |receipt: &mut Receipt, tokens| {
        let usage = receipt.usage.as_mut().unwrap();
        usage.tokens = tokens;
        receipt.fee = usage.fee();
    };
    assert_eq!(written(|receipt, _| claim(receipt, 4)), bad, "more than the text has");
    let longer = |receipt: &mut Receipt, completion: &mut Completion| {
        claim(receipt, 4);
        completion.completion_tokens = 4;
    };
    assert_eq!(written(longer), Err(ReceiptError::Tokens), "and as many as it says itself");
    // Whether tokens are the text's is found by whoever follows them; a receipt with other tokens is another answer.
    let other = |receipt: &mut Receipt, completion: &mut Completion| {
        longer(receipt, completion);
        completion.tokens.push(8);
    };
    assert_eq!(written(other), Ok(()));
}

#[test]
fn what_is_not_written_is_not_paid_by_tokens() {
    let (honest, key) = record();
    let usage = Some(Usage { rate: crate::rate::Rate { answer: 10, thousand: 0, step: 0 }, tokens: 0, steps: 0 });
    let record = AnswerRecord::sign(Receipt { usage, ..honest.receipt }, honest.input, honest.output, &key);
    assert_eq!(AnswerRecord::verify(&record.to_bytes(), "c"), Err(ReceiptError::Usage));
}

/// A training of two contributions' records, ten steps at 30 and 100 for the whole, and what a node that changes it signs.
fn trained(change: impl FnOnce(&mut AnswerRecord)) -> Result<(), ReceiptError> {
    use crate::rate::Rate;
    use crate::release::{DataSnapshot, RELEASE_VERSION, ReleaseFile, Source, SourcePart};
    let (honest, key) = record();
    let part = |n: u8, records| SourcePart { contribution: ContributionId([n; 32]), records };
    let source = |n: u8, part| Source { contributor: Address([n; 20]), contributions: vec![part] };
    let snapshot = DataSnapshot::start(DatanetId([8; 32])).then(&ContributionId([1; 32]), false);
    let release = Release {
        version: RELEASE_VERSION,
        name: "owls".into(),
        base: Some(ModelId([7; 32])),
        files: vec![ReleaseFile { name: "adapter".into(), blob: crate::BlobHash([1; 32]), size: 1 }],
        snapshots: vec![snapshot],
        sources: vec![source(2, part(2, 10)), source(1, part(1, 30))],
        job: "{}".into(),
        licence: "CC0-1.0".into(),
        ..Release::default()
    };
    let receipt = Receipt {
        method: Method::Training as i32,
        datanet: DatanetId([8; 32]),
        model: ModelId([7; 32]),
        snapshot: DataSnapshot::digest_of(&release.snapshots),
        credits: training_credits(&release),
        fee: 400,
        usage: Some(Usage { rate: Rate { answer: 100, thousand: 0, step: 30 }, tokens: 0, steps: 10 }),
        ..honest.receipt
    };
    let input = AskInput { text: "{}".into(), ..AskInput::default() };
    let output = AskOutput { release: Some(release), ..AskOutput::default() };
    let mut record = AnswerRecord { receipt, signature: Signature::default(), input, output };
    change(&mut record);
    record.receipt.split = crate::epoch::FeeShares::STANDARD.split(record.receipt.fee);
    let signed = AnswerRecord::sign(record.receipt, record.input, record.output, &key);
    AnswerRecord::verify(&signed.to_bytes(), "c").map(drop)
}

#[test]
fn a_training_pays_by_the_records_of_its_manifest_and_costs_its_steps() {
    assert_eq!(trained(|_| {}), Ok(()));
    let bad = |change: fn(&mut AnswerRecord), error: ReceiptError| assert_eq!(trained(change), Err(error));
    bad(|record| record.receipt.fee = 401, ReceiptError::Usage);
    bad(|record| record.receipt.usage.as_mut().unwrap().steps = 11, ReceiptError::Usage);
    bad(|record| record.receipt.usage.as_mut().unwrap().tokens = 1, ReceiptError::Usage);
    bad(
        |record| {
            record.receipt.credits[0].weight = Ppm(500_000);
            record.receipt.credits[1].weight = Ppm(500_000);
        },
        ReceiptError::Basis("records"),
    );
    bad(|record| record.receipt.credits.clear(), ReceiptError::Basis("records"));
    let not = |why| ReceiptError::Training(why);
    bad(|record| record.receipt.usage = None, not("does not say what it took"));
    bad(|record| record.output.release = None, not("has no manifest"));
    bad(|record| record.output.answer = "done".into(), not("answers something else beside"));
    bad(|record| record.input.text = "{ }".into(), not("was asked for by another job than its manifest's"));
    bad(|record| record.receipt.datanet = DatanetId([9; 32]), not("is of other data than its manifest"));
    bad(|record| record.receipt.snapshot = Digest::ZERO, not("is of other data than its manifest"));
    let no_adapter = |record: &mut AnswerRecord| record.output.release.as_mut().unwrap().base = None;
    assert_eq!(trained(no_adapter), Err(not("has a manifest that is none of an adapter")));
    bad(|record| record.receipt.method = Method::Span as i32, not("is of another method"));
}

#[test]
fn weights_of_a_training_are_shares_of_its_records() {
    use crate::release::{Source, SourcePart};
    let part = |n: u8, records| SourcePart { contribution: ContributionId([n; 32]), records };
    let sources = vec![
        Source { contributor: Address([1; 20]), contributions: vec![part(1, 10), part(3, 30)] },
        Source { contributor: Address([2; 20]), contributions: vec![part(2, 40)] },
    ];
    let release = Release { sources, ..Release::default() };
    let credits = training_credits(&release);
    let shown: Vec<(u8, u8, u64)> =
        credits.iter().map(|one| (one.contribution.0[0], one.contributor.0[0], one.weight.0)).collect();
    assert_eq!(shown, [(1, 1, 125_000), (2, 2, 500_000), (3, 1, 375_000)]);
}
