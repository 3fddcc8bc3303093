//! The table for the user's eyes.

use super::{Registration, table};
use crate::error::Result;

/// A function that carries `#[parallel]`, or a listed instance of a generic one.
#[derive(Debug, Clone, Copy)]
pub struct FunctionInfo(&'static Registration);

impl FunctionInfo {
    /// The name that workers find it by.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Its signature as it is written.
    #[must_use]
    pub fn signature(&self) -> &'static str {
        self.0.signature
    }

    /// The file that it is written in, as the compiler names it.
    #[must_use]
    pub fn file(&self) -> &'static str {
        self.0.file
    }

    /// The line of the file.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.0.line
    }
}

/// All functions of this program that can be called in workers, sorted by name.
///
/// ```
/// use parproc::parallel;
///
/// #[parallel(name = "double")]
/// fn double(x: u64) -> u64 {
///     2 * x
/// }
///
/// let functions = parproc::functions()?;
/// assert!(functions.iter().any(|f| f.name() == "double" && f.signature() == "fn double(x: u64) -> u64"));
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// # Errors
/// When two functions have the same name.
pub fn functions() -> Result<Vec<FunctionInfo>> {
    let shown = table()?.iter().filter(|entry| !entry.hidden);
    Ok(shown.map(FunctionInfo).collect())
}
