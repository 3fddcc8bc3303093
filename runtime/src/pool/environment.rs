//! The environment of new processes: that of the program, with changes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
#[cfg(feature = "mpi")]
use crate::transport::launch::is_of_launcher;

/// Variables of a launcher are for the rank that it started, and would make workers others.
#[cfg(not(feature = "mpi"))]
fn is_of_launcher(_: &OsStr) -> bool {
    false
}

/// Changes to the environment, in the order in which they were asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Environment(Vec<Change>);

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Change {
    Set(OsString, OsString),
    Remove(OsString),
    Clear,
}

impl Environment {
    pub(super) fn set(&mut self, key: OsString, value: OsString) {
        self.0.push(Change::Set(key, value));
    }

    pub(super) fn remove(&mut self, key: OsString) {
        self.0.push(Change::Remove(key));
    }

    pub(super) fn clear(&mut self) {
        // What was asked for before has no effect any more.
        self.0 = vec![Change::Clear];
    }

    /// Fails when a name or a value is none.
    pub(super) fn check(&self) -> Result<()> {
        for change in &self.0 {
            let (key, value) = match change {
                Change::Set(key, value) => (key.as_os_str(), value.as_os_str()),
                Change::Remove(key) => (key.as_os_str(), OsStr::new("")),
                Change::Clear => continue,
            };
            let has = |text: &OsStr, byte| text.as_bytes().contains(&byte);
            if key.is_empty() || has(key, b'=') || has(key, 0) {
                return Err(Error::invalid(format!(
                    "an environment variable {key:?}: a name has at least one byte, and neither `=` nor NUL"
                )));
            }
            if has(value, 0) {
                return Err(Error::invalid(format!(
                    "the environment variable {key:?} has a NUL byte in its value"
                )));
            }
        }
        Ok(())
    }

    /// The program's environment with the changes made; none if there are no changes.
    pub(super) fn apply(&self) -> Option<Vec<(OsString, OsString)>> {
        let ours = |name: &OsStr| !is_of_launcher(name);
        let launched =
            || cfg!(feature = "mpi") && std::env::vars_os().any(|(name, _)| !ours(&name));
        if self.0.is_empty() && !launched() {
            return None;
        }
        let variables = std::env::vars_os();
        let mut variables: Vec<_> = variables.filter(|(name, _)| ours(name)).collect();
        for change in &self.0 {
            match change {
                Change::Set(key, value) => {
                    variables.retain(|(name, _)| name != key);
                    variables.push((key.clone(), value.clone()));
                }
                Change::Remove(key) => variables.retain(|(name, _)| name != key),
                Change::Clear => variables.clear(),
            }
        }
        Some(variables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_made_in_their_order() {
        let mut environment = Environment::default();
        assert_eq!(environment.apply(), None);
        environment.set("A".into(), "1".into());
        environment.clear();
        environment.set("B".into(), "2".into());
        environment.set("C".into(), "3".into());
        environment.remove("B".into());
        environment.set("C".into(), "4".into());
        environment.check().unwrap();
        assert_eq!(environment.apply(), Some(vec![("C".into(), "4".into())]));
    }

    #[test]
    fn what_cannot_stand_in_an_environment_is_refused() {
        for (key, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")] {
            let mut environment = Environment::default();
            environment.set(key.into(), value.into());
            assert!(environment.check().unwrap_err().is_invalid(), "{key:?}");
        }
        let mut environment = Environment::default();
        environment.remove("=".into());
        assert!(environment.check().unwrap_err().is_invalid());
    }
}
