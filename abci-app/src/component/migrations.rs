//! Making over what is stored when the version of the rules rises.
//!
//! The version stands among the parameters ([`super::Params::app_version`]), so that it holds from a height that everybody was told before, and is
//! announced, taken back and proven as they are. In the block in which a version begins to hold, before everything else, what is stored is made over
//! from the version before: one function a version, in the table here. A program that does not know the version stops at that block
//! and says so; a newer one goes on from there.

use crate::state::{StateError, StateRead, StateWrite};

/// The latest version of the rules that this program knows.
pub const LATEST: u64 = 1;

/// Makes over what is stored for a version, from the one before.
type Migration<S> = fn(&mut S) -> Result<(), StateError>;

/// What makes each version out of the one before. Version 1 is the first.
fn table<S: StateWrite>() -> Vec<(u64, Migration<S>)> {
    Vec::new()
}

/// What a program knows of the rules.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The latest version.
    pub latest: u64,
    /// Makes over what is stored for versions beyond [`LATEST`], in a program that is built around this code and knows more. Without, such a version is
    /// rehearsed.
    pub beyond: Option<Beyond>,
}

/// Makes over what is stored for a version that is not in the table here.
pub type Beyond = fn(&mut Stored<'_>, u64) -> Result<(), StateError>;

impl Default for Rules {
    fn default() -> Self {
        LATEST.into()
    }
}

impl From<u64> for Rules {
    fn from(latest: u64) -> Self {
        Self { latest, beyond: None }
    }
}

/// Programs are told apart by the versions that they know.
impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.latest == other.latest
    }
}

impl Eq for Rules {}

/// What is stored, for a [`Beyond`], which cannot be of one kind of state.
pub struct Stored<'a>(&'a mut dyn Kept);

/// State, without what makes it generic.
trait Kept {
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, StateError>;
    fn range(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError>;
    fn write(&mut self, key: String, value: Option<Vec<u8>>);
}

impl<S: StateWrite> Kept for S {
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.get_raw(key)
    }

    fn range(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.scan(prefix, after, limit)
    }

    fn write(&mut self, key: String, value: Option<Vec<u8>>) {
        self.set_raw(key, value);
    }
}

impl StateRead for Stored<'_> {
    fn get_raw(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.0.read(key)
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.0.range(prefix, after, limit)
    }
}

impl StateWrite for Stored<'_> {
    fn set_raw(&mut self, key: String, value: Option<Vec<u8>>) {
        self.0.write(key, value);
    }
}

/// Where a rehearsal leaves its mark. Example: `params/rehearsed`
pub const REHEARSED: &str = "params/rehearsed";

/// A version of the rules that was rehearsed: a program that was told to know one version more than its code does has nothing else to make over.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Rehearsed {
    /// Which.
    #[prost(uint64, tag = "1")]
    pub version: u64,
}

/// Refuses to go on with a version that a program does not know which knows up to `knows`.
///
/// # Errors
/// When it is later than that.
pub fn check_known(knows: u64, version: u64) -> Result<(), StateError> {
    if version <= knows { Ok(()) } else { Err(StateError::Newer { theirs: version, ours: knows }) }
}

/// The version of the rules that `state` is of; 0 where there is no chain yet.
///
/// # Errors
/// When the store cannot be read.
pub fn version<S: StateRead>(state: &S) -> Result<u64, StateError> {
    match state.get_raw(&super::params::state_key::params())? {
        Some(_) => Ok(super::params::get(state)?.app_version),
        None => Ok(0),
    }
}

/// Makes over what is stored, from version `from` to version `to`, by a program that knows `rules`.
pub(super) fn run<S: StateWrite>(state: &mut S, rules: Rules, from: u64, to: u64) -> Result<(), StateError> {
    check_known(rules.latest, to)?;
    run_of(state, &table(), from, to)?;
    if to <= from || to <= LATEST {
        return Ok(());
    }
    match rules.beyond {
        Some(beyond) => beyond(&mut Stored(state), to),
        None => {
            state.put(REHEARSED.to_owned(), &Rehearsed { version: to });
            Ok(())
        }
    }
}

fn run_of<S: StateWrite>(state: &mut S, table: &[(u64, Migration<S>)], from: u64, to: u64) -> Result<(), StateError> {
    table.iter().filter(|(version, _)| from < *version && *version <= to).try_for_each(|(_, migrate)| migrate(state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::MemoryState;

    fn add(state: &mut MemoryState, text: &str) -> Result<(), StateError> {
        let mut value = state.get_raw("made_over")?.unwrap_or_default();
        value.extend(text.bytes());
        state.set_raw("made_over".to_owned(), Some(value));
        Ok(())
    }

    #[test]
    fn what_is_stored_is_made_over_version_by_version_and_never_twice() {
        let table: [(u64, Migration<MemoryState>); 3] =
            [(2, |state| add(state, "two ")), (3, |state| add(state, "three ")), (4, |state| add(state, "four "))];
        let made = |from, to| {
            let mut state = MemoryState::default();
            run_of(&mut state, &table, from, to).unwrap();
            String::from_utf8(state.get_raw("made_over").unwrap().unwrap_or_default()).unwrap()
        };
        assert_eq!([(1, 4), (2, 3), (3, 3)].map(|(from, to)| made(from, to)), ["two three four ", "three ", ""]);
    }

    #[test]
    fn a_program_built_around_this_one_makes_over_what_it_alone_knows_how_to() {
        fn beyond(stored: &mut Stored<'_>, version: u64) -> Result<(), StateError> {
            let before = stored.scan("", None, 10)?.len();
            stored.put("beyond".to_owned(), &Rehearsed { version: version + before as u64 });
            Ok(())
        }
        let rules = Rules { latest: LATEST + 1, beyond: Some(beyond) };
        let mut state = MemoryState::default();
        add(&mut state, "something").unwrap();
        run(&mut state, rules, LATEST, LATEST).unwrap();
        assert_eq!(state.get_raw("beyond").unwrap(), None);
        run(&mut state, rules, LATEST, LATEST + 1).unwrap();
        assert_eq!(state.get::<Rehearsed>("beyond").unwrap(), Some(Rehearsed { version: LATEST + 2 }));
        assert_eq!(state.get_raw(REHEARSED).unwrap(), None, "it is no rehearsal");
        assert!(run(&mut state, rules, LATEST + 1, LATEST + 2).is_err());
    }

    #[test]
    fn every_version_after_the_first_is_made_from_the_one_before() {
        let versions: Vec<u64> = table::<MemoryState>().iter().map(|(version, _)| *version).collect();
        assert_eq!(versions, (1..=LATEST).skip(1).collect::<Vec<_>>());
        let error = check_known(LATEST, LATEST + 1).unwrap_err().to_string();
        assert!(error.contains("install a newer"), "{error}");
        check_known(LATEST + 1, LATEST + 1).unwrap();
    }
}
