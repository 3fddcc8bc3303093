//! Tasks and processes in a [`Select`], beside channels.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::select::Selection;
use super::{Process, Task};
use crate::channel::{Select, Selectable};
use crate::sys::{Wait, is_readable};
use crate::wire::Output;

impl<'a> Select<'a> {
    /// Adds the end of a task, and gives its index. It is ready when joining the task does not wait.
    ///
    /// ```
    /// use parproc::channel::{Select, Sender, channel};
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn work(news: Sender<u32>) -> u32 {
    ///     news.send(1).expect("somebody waits for it");
    ///     2
    /// }
    ///
    /// let (sender, news) = channel()?;
    /// let task = Pool::global()?.spawn(work, sender)?;
    /// let mut select = Select::new();
    /// let end = select.task(&task);
    /// let message = select.recv(&news);
    /// let mut heard = 0;
    /// while select.ready() != Some(end) {
    ///     match news.try_recv() {
    ///         Ok(number) => heard += number,
    ///         Err(_) => select.remove(message), // the sender went with the call
    ///     }
    /// }
    /// drop(select);
    /// heard += news.try_iter().sum::<u32>();
    /// assert_eq!((heard, task.join()?), (1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn task<R: Output>(&mut self, task: &'a Task<R>) -> usize {
        self.add(Box::new(TaskEnd::new(task)))
    }

    /// Adds the end of a process, and gives its index.
    ///
    /// ```
    /// use parproc::channel::Select;
    /// use parproc::{Process, parallel};
    ///
    /// #[parallel]
    /// fn wait(millis: u64) -> u64 {
    ///     std::thread::sleep(std::time::Duration::from_millis(millis));
    ///     millis
    /// }
    ///
    /// let (slow, fast) = (Process::spawn(wait, 3_600_000)?, Process::spawn(wait, 1)?);
    /// let mut select = Select::new();
    /// let _slow = select.process(&slow);
    /// let fast_end = select.process(&fast);
    /// assert_eq!(select.ready(), Some(fast_end));
    /// drop(select);
    /// assert_eq!(fast.join()?, 1);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn process<R>(&mut self, process: &'a Process<R>) -> usize {
        self.add(Box::new(process))
    }
}

/// A task that is to tell of its end.
struct TaskEnd<'a, R: Output> {
    task: &'a Task<R>,
    selection: Arc<Selection>,
}

impl<'a, R: Output> TaskEnd<'a, R> {
    fn new(task: &'a Task<R>) -> Self {
        let selection = Arc::new(Selection::with_descriptor());
        task.select(&selection, 0);
        Self { task, selection }
    }
}

impl<R: Output> Drop for TaskEnd<'_, R> {
    fn drop(&mut self) {
        self.task.unselect(&self.selection);
    }
}

impl<R: Output> Selectable for TaskEnd<'_, R> {
    fn is_ready(&self) -> bool {
        self.task.is_finished()
    }

    fn ask(&self, _woken: bool) -> io::Result<bool> {
        Ok(!self.task.is_finished())
    }

    fn waits(&self) -> Vec<Wait<'_>> {
        let descriptor = self.selection.descriptor();
        descriptor.map(Wait::to_read).into_iter().collect()
    }
}

impl<R> Selectable for &Process<R> {
    fn is_ready(&self) -> bool {
        is_readable(self)
    }

    fn ask(&self, _woken: bool) -> io::Result<bool> {
        Ok(true)
    }

    fn waits(&self) -> Vec<Wait<'_>> {
        vec![Wait::to_read(self.as_fd())]
    }
}
