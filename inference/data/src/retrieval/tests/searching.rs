use std::collections::BTreeSet;

use tantivy::tokenizer::TokenStream;

use super::*;

#[tokio::test]
async fn an_empty_index_finds_nothing_in_any_mode() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for mode in [Mode::Text, Mode::Semantic, Mode::Hybrid] {
        let request = SearchRequest { mode, embedding: Some(Draw(1).unit(DIMENSIONS)), ..by_text("anything") };
        assert_eq!(index.search(request).await.unwrap(), []);
    }
    assert_eq!(index.stats(), IndexStats::default());
}

#[tokio::test]
async fn no_text_is_a_malformed_query() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    index.add(id(1), documents(1, 30)).await.unwrap();
    let hostile = [
        "",
        " ",
        "\"",
        "tree AND",
        "+(",
        "text:*",
        "a:b:c^2~",
        "[x TO",
        "\\",
        "\0\u{7}",
        "*",
        "NOT",
        "🦀🦀",
        "\u{202e}tree",
        "' OR 1=1 --",
        "\u{0301}\u{0301}",
        "-",
        "tree^999999999999999999999",
    ];
    for text in
        hostile.map(str::to_owned).into_iter().chain(["(".repeat(100_000), "tree ".repeat(50_000), "x".repeat(1 << 20)])
    {
        let request = SearchRequest { mode: Mode::Hybrid, embedding: Some(Draw(1).unit(DIMENSIONS)), ..by_text(&text) };
        assert_eq!(index.search(request).await.unwrap().len(), 10);
        index.search(by_text(&text)).await.unwrap();
    }
}

#[tokio::test]
async fn words_of_any_script_are_found_whatever_their_case_and_accents() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let mut all = documents(1, 3);
    for (document, text) in all.iter_mut().zip(["Das Überfluß-Prinzip", "быстрый ПОИСК по тексту", "東京 タワー"])
    {
        document.text = text.to_owned();
    }
    index.add(id(1), all).await.unwrap();
    for (query, record) in [("uberfluss", 0), ("ÜBERFLUSS", 0), ("поиск", 2), ("東京", 4)] {
        let hits = index.search(by_text(query)).await.unwrap();
        assert_eq!(hits.iter().map(|hit| hit.record).collect::<Vec<_>>(), [record], "{query}");
        let snippet = hits[0].snippet.clone().unwrap();
        assert!(snippet.highlights.iter().all(|range| snippet.text.get(range.clone()).is_some()), "{snippet:?}");
    }
}

#[tokio::test]
async fn words_are_found_where_no_blanks_part_them_and_pictures_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let texts = [
        "海边的灯塔已经没有人看守，灯由一台旧机器自动点亮。",
        "駅前の小さな本屋では店主が自分で読んだ本にだけ短い紹介文を書いて棚に貼っている",
        "รถไฟขบวนสุดท้ายออกจากสถานีตอนห้าทุ่มและวิ่งผ่านทุ่งนาจนถึงเช้า",
        "نُشِرَ الكتاب في القاهرة",
        "हिन्दी में लिखी पुस्तक",
    ];
    let mut all = documents(1, 5);
    for (document, text) in all.iter_mut().zip(texts) {
        document.text = text.to_owned();
    }
    let long = format!("sha {}", "0123456789abcdef".repeat(40));
    all[4].text = format!("{} {long}", texts[4]);
    index.add(id(1), all).await.unwrap();
    let queries = [
        ("灯塔", 0),
        ("机器", 0),
        ("海", 0),
        ("本屋", 2),
        ("ﾐ小さな", 2),
        ("紹介文", 2),
        ("สถานี", 4),
        ("ทุ่งนา", 4),
        ("نشر", 6),
        ("हिन्दी", 8),
        (&long[4..], 8),
    ];
    for (query, record) in queries {
        let hits = index.search(by_text(query)).await.unwrap();
        assert_eq!(hits.first().map(|hit| hit.record), Some(record), "{query}");
        let snippet = hits[0].snippet.clone().unwrap();
        let highlights = &snippet.highlights;
        assert!(highlights.iter().all(|range| snippet.text.get(range.clone()).is_some()), "{snippet:?}");
        assert!(highlights.windows(2).all(|pair| pair[0].end <= pair[1].start), "{snippet:?}");
    }
    for query in ["🦉", "👩‍🚀🇩🇪", "猫头鹰"] {
        assert_eq!(index.search(by_text(query)).await.unwrap(), [], "{query}");
    }
}

#[tokio::test]
async fn meaning_finds_the_nearest_and_a_text_search_needs_no_vector() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let all = documents(1, 200);
    index.add(id(1), all.clone()).await.unwrap();
    let request = SearchRequest { mode: Mode::Semantic, embedding: Some(all[77].embedding.clone()), ..by_text("") };
    let hits = index.search(request.clone()).await.unwrap();
    assert_eq!((hits[0].record, hits[0].score), (154, 1.0));
    assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
    let blind = SearchRequest { embedding: None, ..request.clone() };
    assert!(matches!(index.search(blind).await, Err(RetrievalError::NoVector)));
    let narrow = SearchRequest { embedding: Some(Draw(1).unit(3)), ..request };
    assert!(matches!(index.search(narrow).await, Err(RetrievalError::Dimensions { expected: DIMENSIONS, actual: 3 })));
}

#[tokio::test]
async fn a_snapshot_limits_what_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for n in 1..=4 {
        index.add(id(n), documents(n, 40)).await.unwrap();
    }
    let snapshot = Snapshot { height: 3, contributions: vec![id(4), id(2), id(99)] };
    for mode in [Mode::Text, Mode::Semantic, Mode::Hybrid] {
        let embedding = Some(Draw(1).unit(DIMENSIONS));
        let request =
            SearchRequest { mode, embedding, limit: 500, snapshot: Some(snapshot.clone()), ..by_text("the tree") };
        let found: BTreeSet<_> = index.search(request).await.unwrap().iter().map(|hit| hit.contribution).collect();
        assert_eq!(found, BTreeSet::from([id(2), id(4)]));
    }
}

/// Scores by the definition, in floating point, over texts alone.
fn reference(texts: &[&str], query: &[&str]) -> Vec<f64> {
    let words: Vec<Vec<String>> = texts.iter().map(|text| terms_of(text)).collect();
    let average = words.iter().map(Vec::len).sum::<usize>() as f64 / words.len() as f64;
    let count = |document: &[String], term: &str| document.iter().filter(|word| *word == term).count() as f64;
    let term_score = |document: &Vec<String>, term: &str| {
        let with = words.iter().filter(|other| count(other, term) > 0.0).count() as f64;
        let idf = (1.0 + (words.len() as f64 - with + 0.5) / (with + 0.5)).log2();
        let tf = count(document, term);
        idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * document.len() as f64 / average))
    };
    words.iter().map(|document| query.iter().map(|term| term_score(document, term)).sum()).collect()
}

#[tokio::test]
async fn scores_are_those_of_the_snapshot_alone() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for n in [3, 9, 1, 5] {
        index.add(id(n), documents(n, 60)).await.unwrap();
    }
    index.remove(id(5)).await.unwrap();
    let snapshot = Snapshot { height: 1, contributions: vec![id(9), id(3)] };
    let request = SearchRequest { limit: 200, snapshot: Some(snapshot), ..by_text("River uberfluss 東京") };
    let hits = index.search(request).await.unwrap();
    let inside: Vec<Document> = [documents(3, 60), documents(9, 60)].concat();
    let texts: Vec<&str> = inside.iter().map(|document| document.text.as_str()).collect();
    let expected = reference(&texts, &["river", "uberfluss", "東京"]);
    assert_eq!(hits.len(), expected.iter().filter(|score| **score > 0.0).count());
    for hit in hits {
        let at = inside
            .iter()
            .position(|document| (document.contribution, document.record) == (hit.contribution, hit.record));
        assert!((hit.score - expected[at.unwrap()]).abs() < 1e-3);
    }
}

fn terms_of(text: &str) -> Vec<String> {
    let mut analyzer = schema::tokenizer();
    let mut terms = Vec::new();
    analyzer.token_stream(text).process(&mut |token| terms.push(token.text.clone()));
    terms
}
