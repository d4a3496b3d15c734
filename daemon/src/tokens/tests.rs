use std::sync::atomic::AtomicU64;

use datanet_api::tokens::{Period, TokenLimit};
use datanet_types::ChannelId;

use super::*;

const DAY: u64 = 86_400;
/// A test each has a clock of its own: tests run side by side.
macro_rules! clock {
    ($start:expr) => {{
        static NOW: AtomicU64 = AtomicU64::new($start);
        (&NOW, || NOW.load(Ordering::Relaxed))
    }};
}

fn new(name: &str, scopes: &[Scope]) -> NewToken {
    NewToken { name: name.to_owned(), scopes: scopes.iter().copied().collect(), ..NewToken::default() }
}

fn limited(amount: u64, period: Period) -> NewToken {
    NewToken { limit: Some(TokenLimit { amount, period }), ..new("agent", &[Scope::Ask]) }
}

fn store(dir: &tempfile::TempDir) -> LocalStore {
    LocalStore::open(&dir.path().join("local.redb")).unwrap()
}

fn spender(tokens: &Tokens, new: &NewToken) -> Spender {
    let (record, _) = tokens.create(new, Vec::new()).unwrap();
    Spender::new(tokens.clone(), record)
}

const WHO: Address = Address([7; 20]);

#[test]
fn a_secret_is_shown_once_and_kept_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(store(&dir)).unwrap();
    let (record, secret) = tokens.create(&new("agent", &[Scope::Read]), vec![WHO]).unwrap();
    assert!(secret.starts_with(&format!("dnt_{}_", record.id)) && secret.len() == 4 + 16 + 1 + 64);
    assert_eq!(tokens.known(&secret).unwrap(), record);
    drop(tokens);
    let bytes = std::fs::read(dir.path().join("local.redb")).unwrap();
    let random = secret.rsplit('_').next().unwrap().as_bytes();
    assert!(!bytes.windows(random.len()).any(|window| window == random), "the secret is on the disk");
    let again = Tokens::open(store(&dir)).unwrap();
    assert_eq!(again.known(&secret).unwrap().name, "agent");
}

#[test]
fn a_secret_that_differs_anywhere_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(store(&dir)).unwrap();
    let (_, secret) = tokens.create(&new("agent", &[Scope::Read]), Vec::new()).unwrap();
    let changed = |at: usize| {
        let mut bytes = secret.clone().into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        String::from_utf8(bytes).unwrap()
    };
    let mut guesses: Vec<String> = (0..secret.len()).map(changed).collect();
    guesses.extend(
        ["", "dnt_", "dnt__", &secret[..secret.len() - 1], &format!("{secret}0"), "operator"].map(str::to_owned),
    );
    for guess in &guesses {
        assert_eq!(tokens.known(guess).unwrap_err().code, Code::Token, "{guess}");
    }
    // All of them are one line of the log.
    let log = tokens.log(None, 100).unwrap();
    assert_eq!(log.iter().filter(|entry| entry.event == "refused").count(), 1, "{log:?}");
}

#[test]
fn what_would_bind_nobody_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(store(&dir)).unwrap();
    let unlimited = NewToken { limit: None, ..limited(1, Period::Day) };
    let limit = limited(1, Period::Day).limit;
    for (bad, says) in [
        (new("agent", &[]), "without a scope"),
        (new("a b", &[Scope::Read]), "letters, digits"),
        (NewToken { limit, ..new("agent", &[Scope::Admin, Scope::Ask]) }, "bind nobody"),
        (NewToken { accounts: vec!["alice".into()], ..new("agent", &[Scope::Admin]) }, "bind nobody"),
        (limited(0, Period::Day), "leave out the scopes"),
        (NewToken { lasts_seconds: Some(0), ..unlimited.clone() }, "would end as it begins"),
        (new("operator", &[Scope::Read]), "choose another name"),
    ] {
        let told = tokens.create(&bad, Vec::new()).unwrap_err();
        assert!(told.detail.contains(says), "{told}");
    }
    tokens.create(&unlimited, Vec::new()).unwrap();
    assert_eq!(tokens.create(&unlimited, Vec::new()).unwrap_err().code, Code::TokenExists);
    tokens.revoke("agent").unwrap();
    tokens.create(&unlimited, Vec::new()).expect("a name is free again when its token has ended");
    assert!(tokens.revoke("nobody").unwrap_err().detail.contains("datanet token list"));
    assert!(tokens.revoke(OPERATOR).unwrap_err().detail.contains("datanet init"));
}

#[test]
fn a_revoked_token_spends_no_more_also_what_is_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(store(&dir)).unwrap();
    let (record, secret) = tokens.create(&limited(100, Period::Day), Vec::new()).unwrap();
    let spender = Spender::new(tokens.clone(), record);
    spender.spend("an answer", WHO, 10, None).unwrap().settle();
    tokens.revoke("agent").unwrap();
    assert_eq!(tokens.known(&secret).unwrap_err().code, Code::TokenEnded);
    assert_eq!(spender.spend("an answer", WHO, 10, None).unwrap_err().code, Code::TokenEnded);
}

#[test]
fn fifty_callers_at_once_and_a_restart_spend_no_more_than_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (_, clock) = clock!(10 * DAY + 5);
    let tokens = Tokens::with_clock(store(&dir), clock).unwrap();
    let (record, _) = tokens.create(&limited(100, Period::Day), Vec::new()).unwrap();
    let round = |tokens: &Tokens| -> u64 {
        let spender = Spender::new(tokens.clone(), tokens.get(&record.id).unwrap());
        std::thread::scope(|scope| {
            let one = |_| {
                scope.spawn(|| match spender.spend("an answer", WHO, 7, None) {
                    Ok(hold) => {
                        hold.settle();
                        7
                    }
                    Err(error) => {
                        assert_eq!(error.code, Code::TokenLimit);
                        0
                    }
                })
            };
            let threads: Vec<_> = (0..50).map(one).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        })
    };
    assert_eq!(round(&tokens), 98);
    drop(tokens);
    let again = Tokens::with_clock(store(&dir), clock).unwrap();
    assert_eq!(round(&again), 0);
    let info = again.info(&record).unwrap();
    assert_eq!((info.left, info.renews_at), (Some(2), Some(11 * DAY)));
}

#[test]
fn what_fails_is_given_back_and_what_is_not_known_stays_taken() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(store(&dir)).unwrap();
    let spender = spender(&tokens, &limited(100, Period::Total));
    let left = || tokens.info(spender.token()).unwrap().left;
    drop(spender.spend("an answer", WHO, 60, None).unwrap());
    assert_eq!(left(), Some(100));
    drop(spender.spend("a transfer", WHO, 60, None).unwrap().kept());
    assert_eq!(left(), Some(40));
    spender.spend("a transfer", WHO, 40, None).unwrap().kept().settle_at(15);
    assert_eq!(left(), Some(25));
    let events: Vec<String> = tokens.log(None, 10).unwrap().into_iter().map(|entry| entry.event).collect();
    assert_eq!(events, ["given-back", "spent", "spent", "given-back", "spent", "created"]);
}

#[test]
fn a_clock_that_is_put_back_begins_no_day_anew_and_makes_no_token_live_again() {
    let dir = tempfile::tempdir().unwrap();
    let (time, clock) = clock!(10 * DAY);
    let tokens = Tokens::with_clock(store(&dir), clock).unwrap();
    let new = NewToken { lasts_seconds: Some(2 * DAY), ..limited(100, Period::Day) };
    let (record, secret) = tokens.create(&new, Vec::new()).unwrap();
    let spend = |tokens: &Tokens| {
        Spender::new(tokens.clone(), record.clone()).spend("an answer", WHO, 100, None).map(Hold::settle)
    };
    spend(&tokens).unwrap();
    time.store(11 * DAY, Ordering::Relaxed);
    spend(&tokens).expect("a new day");
    for back in [10 * DAY, 9 * DAY, 0] {
        time.store(back, Ordering::Relaxed);
        assert_eq!(spend(&tokens).unwrap_err().code, Code::TokenLimit, "{back}");
    }
    time.store(12 * DAY, Ordering::Relaxed);
    assert_eq!(tokens.known(&secret).unwrap_err().code, Code::TokenEnded);
    time.store(10 * DAY, Ordering::Relaxed);
    assert_eq!(tokens.known(&secret).unwrap_err().code, Code::TokenEnded);
    drop(tokens);
    let again = Tokens::with_clock(store(&dir), clock).unwrap();
    assert_eq!(again.known(&secret).unwrap_err().code, Code::TokenEnded);
    assert_eq!(again.info(&again.get(&record.id).unwrap()).unwrap().state, "expired");
}

#[test]
fn what_a_token_has_paid_into_a_channel_is_not_counted_again() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(store(&dir)).unwrap();
    let spender = spender(&tokens, &limited(100, Period::Total));
    let (own, others) = (ChannelId([1; 32]), ChannelId([2; 32]));
    spender.spend("open_channel", WHO, 61, None).unwrap().kept().settle_into(&own, 60);
    for _ in 0..6 {
        spender.spend("an answer", WHO, 10, Some(own)).unwrap().settle();
    }
    let left = || tokens.info(spender.token()).unwrap().left;
    assert_eq!(left(), Some(39));
    spender.spend("an answer", WHO, 30, Some(own)).unwrap().settle();
    assert_eq!(spender.spend("an answer", WHO, 10, Some(others)).unwrap_err().code, Code::TokenLimit);
    assert_eq!(left(), Some(9));
    drop(spender.spend("an answer", WHO, 9, Some(own)).unwrap());
    assert_eq!(left(), Some(9));
}

#[test]
fn the_log_is_read_from_its_end_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(store(&dir)).unwrap();
    for n in 0..5 {
        tokens.create(&new(&format!("t{n}"), &[Scope::Read]), Vec::new()).unwrap();
    }
    let first = tokens.log(None, 2).unwrap();
    assert_eq!(first.iter().map(|entry| entry.number).collect::<Vec<_>>(), [5, 4]);
    let next = tokens.log(Some(4), 10).unwrap();
    assert_eq!(next.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["t2", "t1", "t0"]);
    assert!(tokens.log(Some(0), 10).unwrap().is_empty());
}
