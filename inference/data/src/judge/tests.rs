//! Texts in scripts that the embedding model does not know, or that put no blanks between words, judged by their words.

use datanet_types::id::ContributionId;
use datanet_types::schema::Schema;

use super::*;
use crate::Scripts;
use crate::corpus::Record;

const FIRST: ContributionId = ContributionId([1; 32]);
const SECOND: ContributionId = ContributionId([2; 32]);

const CHINESE: [&str; 6] = [
    "邮差每天骑自行车翻过小山，把信送到最远的几户人家。",
    "老师让学生把种子种在纸杯里，每周量一次苗的高度。",
    "夜班护士轻轻推开门，替病人换好药，又把窗帘拉上。",
    "海边的灯塔已经没有人看守，灯由一台旧机器自动点亮。",
    "修表的师傅戴着放大镜，从抽屉里找出一枚很小的齿轮。",
    "昨晚的雨冲走了桥头的沙袋，工人们正忙着重新堆好。",
];
const EDITED: [&str; 6] = [
    "邮递员每天骑自行车翻过小山，把信送到最远的几家人家。",
    "老师叫学生把种子种在纸杯里，每周量一次苗的高低。",
    "夜班护士轻轻推开房门，替病人换了药，又把窗帘拉上。",
    "海边的灯塔早已没有人看守，灯由一台旧机器自动打开。",
    "修表师傅戴着放大镜，从抽屉里找出一枚极小的齿轮。",
    "昨夜的雨冲走了桥头的沙袋，工人们正忙着重新垒好。",
];
const THAI: [&str; 4] = [
    "ช่างไม้เลื่อยแผ่นกระดานทีละแผ่นแล้วขัดผิวให้เรียบก่อนทาสีน้ำมัน",
    "รถไฟขบวนสุดท้ายออกจากสถานีตอนห้าทุ่มและวิ่งผ่านทุ่งนาจนถึงเช้า",
    "แม่ค้าขายผลไม้จัดมะม่วงเป็นแถวตามความสุกเพื่อให้ลูกค้าเลือกง่าย",
    "นักดำน้ำพบซากเรือเก่าใต้ทะเลลึกและถ่ายภาพไว้หลายร้อยภาพ",
];
const JAPANESE: [&str; 3] = [
    "大工は古い柱を一本ずつ外して番号をつけ倉庫の奥に順番どおり並べていった",
    "駅前の小さな本屋では店主が自分で読んだ本にだけ短い紹介文を書いて棚に貼っている",
    "台風が過ぎた翌朝に子どもたちは校庭に落ちた枝を拾い集めて隅に積み上げた",
];
const HINDI: [&str; 3] = [
    "किसान सुबह जल्दी खेत में पानी देता है और दोपहर तक घर लौट आता है",
    "पुस्तकालय में नई किताबें आई हैं जिन्हें बच्चे बारी बारी से पढ़ते हैं",
    "दर्जी ने पुराने कोट की आस्तीन काटकर उससे एक छोटा थैला बना दिया",
];
const ARABIC: [&str; 3] = [
    "يفتح الخباز دكانه قبل الفجر ويرص الأرغفة الساخنة على الرفوف الخشبية",
    "وصل القارب إلى الميناء محملاً بالسمك بعد ثلاثة أيام في البحر",
    "رسمت المعلمة خريطة كبيرة على الجدار ليحفظ الأطفال أسماء الأنهار",
];

fn english() -> Scripts {
    Scripts::of_vocabulary((0..500).map(|i| format!("word{i}")).collect::<Vec<_>>().iter().map(String::as_str))
}

fn schema() -> Schema {
    let mut schema = Schema::text_and_label(&[]);
    schema.fields.truncate(1);
    schema
}

fn records(texts: &[&str]) -> Vec<(u64, Record)> {
    let read = |text: &&str| Record::from_json(&serde_json::json!({ "text": text }).to_string(), &schema()).unwrap();
    (0..).zip(texts.iter().map(read)).collect()
}

/// The same vector for everything: what a model makes of a script that it was not trained on.
fn blind(texts: usize) -> Vec<[f32; 2]> {
    vec![[1.0, 0.0]; texts]
}

fn judged(texts: &[&str], corpus: &DuplicateIndex) -> Judgement {
    let (records, holdout) = (records(texts), records(&CHINESE[..2]));
    judge(&JudgeInput {
        contribution: SECOND,
        schema: &schema(),
        records: &records,
        embeddings: &blind(texts.len()),
        holdout: &holdout,
        holdout_embeddings: &[[0.0, 1.0], [0.1, 0.99]],
        holdout_index: &DuplicateIndex::new(),
        corpus,
    })
}

#[test]
fn honest_texts_in_any_script_are_accepted_and_the_reasons_say_what_was_not_measured() {
    for texts in [&CHINESE[..], &THAI, &JAPANESE, &HINDI, &ARABIC] {
        let judgement = judged(texts, &DuplicateIndex::reading(english()));
        assert_eq!(judgement.scores.combined(), 10_000, "{texts:?} {:?}", judgement.report.dimensions);
        let whys: Vec<&str> = judgement.report.dimensions.iter().map(|dimension| dimension.why.as_str()).collect();
        assert!(whys[2].contains("by their words alone: the embedding model does not know the"), "{whys:?}");
        assert!(whys[3].starts_with("not measured: the embedding model does not know the"), "{whys:?}");
    }
}

#[test]
fn whoever_writes_in_a_script_that_the_held_out_set_is_not_in_is_of_no_use_to_it() {
    let english_texts = ["The barn owl hears mice under the snow.", "Ducklings follow their mother across the water."];
    let holdout = records(&english_texts);
    let mixed = [THAI[0], THAI[1], THAI[2], "The tawny owl calls through the forest after dark."];
    for (texts, at_most) in [(&THAI[..], 0), (&mixed[..], 2_500)] {
        let records = records(texts);
        let judgement = judge(&JudgeInput {
            contribution: SECOND,
            schema: &schema(),
            records: &records,
            embeddings: &vec![[0.0, 1.0]; texts.len()],
            holdout: &holdout,
            holdout_embeddings: &[[0.0, 1.0], [0.1, 0.99]],
            holdout_index: &DuplicateIndex::new(),
            corpus: &DuplicateIndex::reading(english()),
        });
        assert!(judgement.scores.usefulness <= at_most, "{:?}", judgement.report.dimensions);
        assert!(judgement.report.dimensions[3].why.contains("Thai"), "{:?}", judgement.report.dimensions);
    }
}

#[test]
fn light_edits_are_near_copies_in_scripts_without_blanks_whether_the_model_knows_them_or_not() {
    for scripts in [english(), Scripts::all()] {
        let mut corpus = DuplicateIndex::reading(scripts);
        let far: Vec<Vec<f32>> = (0..12).map(|i| (0..12).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
        corpus.add(FIRST, &records(&CHINESE), &far[..6]);
        let found = corpus.check(SECOND, &records(&EDITED), &far[6..]);
        let is_near = |found: &Option<DuplicateOf>| found.is_some_and(|f| matches!(f.kind, DuplicateKind::Near { .. }));
        assert!(found.iter().all(is_near), "{found:?}");
    }
    let mut corpus = DuplicateIndex::reading(english());
    corpus.add(FIRST, &records(&CHINESE), &blind(6));
    let judgement = judged(&EDITED, &corpus);
    assert_eq!((judgement.scores.uniqueness, judgement.scores.weakest()), (0, "uniqueness"));
    assert!(judgement.report.summary.contains("near copies of contribution"), "{}", judgement.report.summary);
}

#[test]
fn what_is_removed_leaves_an_index_that_knows_the_same_scripts() {
    let mut corpus = DuplicateIndex::reading(english());
    corpus.add(FIRST, &records(&THAI), &blind(4));
    corpus.remove(&FIRST);
    assert_eq!(corpus.scripts(), &english());
    assert!(corpus.check(SECOND, &records(&THAI), &blind(4)).iter().all(Option::is_none));
}

#[test]
fn quality_is_measured_in_the_words_of_the_script() {
    let score = |text: &str| assess(&[text]).remove(0);
    for text in ["猫", "好吃", "แมว", "ねこ"] {
        assert!(score(text).flaws.contains(&Flaw::TooShort), "{text}: {:?}", score(text));
    }
    for text in ["小鸭子跟着母鸭排成一队过河。", "แมวนอนหลับอยู่บนหลังคาบ้านตลอดทั้งวัน"]
    {
        assert!(score(text).flaws.is_empty(), "{text}: {:?}", score(text));
    }
    let spam = "便宜好货快来买".repeat(12);
    assert!(score(&spam).flaws.contains(&Flaw::Repetitive), "{:?}", score(&spam));
    let shouting = "太好了！！！！！！！！！！！！！！！";
    assert!(score(shouting).score < 0.5, "{:?}", score(shouting));
}
