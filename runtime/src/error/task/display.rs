//! What an item's error says: one paragraph, or everything.

use std::fmt;
use std::time::Duration;

use super::{Circumstances, Failure, Fault, Inner, MemoryExceeded, Step, TaskError, TaskErrorKind};

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.step {
            Step::EncodeArgument => "its argument could not be encoded",
            Step::DecodeArgument => "its argument could not be decoded in the worker",
            Step::EncodeResult => "its result could not be encoded in the worker",
            Step::DecodeResult => "its result could not be decoded",
        };
        if self.type_name.is_empty() {
            // Told by a node, which knows no types.
            return write!(f, "{what}: {}", self.reason);
        }
        write!(f, "{what}: `{}`: {}", self.type_name, self.reason)
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            function,
            index,
            only,
            process,
            ..
        } = &*self.inner;
        match process {
            None if *only => write!(f, "`{function}`: ")?,
            None => write!(f, "`{function}`, item {index}: ")?,
            Some(process) => write!(f, "`{function}` in {process}: ")?,
        }
        self.fmt_reason(f)
    }
}

impl TaskError {
    /// What happened, without the function and the item.
    pub(crate) fn reason(&self) -> String {
        fmt::from_fn(|f| self.fmt_reason(f)).to_string()
    }

    fn fmt_reason(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.kind {
            TaskErrorKind::Panicked { report, aborted } => {
                write!(f, "panicked at {}: {}", report.location, report.message)?;
                if *aborted {
                    f.write_str(" (and aborted its worker)")?;
                }
            }
            TaskErrorKind::Crashed { exit, fault } => {
                write!(f, "its worker {exit}")?;
                match fault {
                    Some(Fault {
                        stack_overflow: true,
                        address,
                    }) => {
                        write!(f, ", a stack overflow at address {address:#x}")?;
                    }
                    Some(Fault { address, .. }) => write!(f, " at address {address:#x}")?,
                    None => {}
                }
            }
            TaskErrorKind::NodeLost { rank, host, times } => write!(
                f,
                "{times} nodes that had it were lost, the last one rank {rank} on {host}; it is not tried again"
            )?,
            TaskErrorKind::Corrupted => f.write_str(
                "its worker overwrote the memory that it shares with its parent, and was killed",
            )?,
            TaskErrorKind::Failed(failure) => write!(f, "{failure}")?,
            TaskErrorKind::TimedOut { limit } => {
                write!(
                    f,
                    "ran longer than its limit of {limit:?}, and its worker was killed"
                )?;
            }
            TaskErrorKind::CallTimedOut { limit } => {
                write!(f, "not done when the time of its call, {limit:?}, was over")?;
            }
            TaskErrorKind::MemoryExceeded(exceeded) => write!(f, "{exceeded}")?,
            TaskErrorKind::Cancelled { reason } => write!(f, "cancelled: {reason}")?,
        }
        self.fmt_circumstances(f)
    }

    /// What is in brackets behind the message, and the last lines of standard error.
    fn fmt_circumstances(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            pid,
            attempt,
            quarantined,
            kind,
            circumstances,
            saved,
            ..
        } = &*self.inner;
        let mut facts = Vec::new();
        facts.extend(pid.map(|pid| format!("worker {pid}")));
        if *attempt > 1 {
            facts.push(format!("attempt {attempt}"));
        }
        if *quarantined {
            facts.push("not tried again: it has ended too many workers".to_owned());
        }
        let died = !matches!(
            kind,
            TaskErrorKind::Failed(_) | TaskErrorKind::Panicked { .. }
        );
        if died {
            let Circumstances {
                wall, cpu, peak, ..
            } = circumstances;
            facts.extend(wall.map(|wall| format!("after {}", Seconds(wall))));
            facts.extend(cpu.map(|cpu| format!("{} of processor time", Seconds(cpu))));
            let told = matches!(kind, TaskErrorKind::MemoryExceeded(_));
            facts.extend(
                peak.filter(|_| !told)
                    .map(|peak| format!("at most {} of memory", Bytes(peak))),
            );
        }
        if !facts.is_empty() {
            write!(f, " ({})", facts.join(", "))?;
        }
        let lines = circumstances.stderr.trim_end();
        if !lines.is_empty() {
            write!(f, "; its standard error ended with: {}", Lines(lines))?;
        }
        match saved {
            Some(saved) => write!(f, "; {saved}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for MemoryExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peak = Bytes(self.peak);
        match self {
            Self {
                by_kernel: true,
                limit: None,
                ..
            } => write!(
                f,
                "used {peak} of memory when the kernel killed its worker: there was none left"
            ),
            Self {
                by_kernel: true,
                limit: Some(limit),
                ..
            } => write!(
                f,
                "used {peak} of memory when the kernel killed its worker: there was none left, though its limit \
                 is {}",
                Bytes(*limit)
            ),
            Self {
                limit: Some(limit), ..
            } => write!(
                f,
                "used {peak} of memory, more than its limit of {}, and its worker was ended",
                Bytes(*limit)
            ),
            Self { limit: None, .. } => {
                write!(f, "asked for {peak} of memory, which there was not")
            }
        }
    }
}

/// A time for people: three digits and a unit.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds >= 1.0 {
            write!(f, "{seconds:.2} s")
        } else if seconds >= 1e-3 {
            write!(f, "{:.1} ms", seconds * 1e3)
        } else {
            write!(f, "{:.0} µs", seconds * 1e6)
        }
    }
}

/// A number of bytes for people.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
        if self.0 < 1024 {
            return write!(f, "{} bytes", self.0);
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        write!(f, "{value:.1} {}", UNITS[unit])
    }
}

/// Lines in one paragraph.
struct Lines<'a>(&'a str);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.lines();
        write!(f, "{:?}", lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| write!(f, ", {line:?}"))
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskError({self})")?;
        let Circumstances {
            wall, cpu, peak, ..
        } = &self.inner.circumstances;
        if let (Some(wall), Some(cpu), Some(peak)) = (wall, cpu, peak) {
            write!(
                f,
                "\nattempt {}, {}, {} of processor time, at most {} of memory",
                self.attempt(),
                Seconds(*wall),
                Seconds(*cpu),
                Bytes(*peak)
            )?;
        }
        match self.backtrace() {
            Some(backtrace) => write!(f, "\nbacktrace of the worker:\n{backtrace}"),
            None => Ok(()),
        }
    }
}
