//! Workers of a peer, and how work is dealt out to them by hand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::process::Pid;

use super::super::contest::Who;
use super::super::measure::Outcome;
use super::work::{Reply, Request};

/// One worker, to which requests go in order and from which replies come in the same order.
pub(crate) trait Line {
    fn send(&mut self, request: Request) -> Outcome<()>;
    fn receive(&mut self) -> Outcome<Reply>;
}

/// Some workers of one peer.
pub(crate) trait Farm {
    fn who(&self) -> Who;

    /// One call of one worker.
    fn call(&mut self, request: Request) -> Outcome<Reply>;

    /// Deals out requests of equal cost, of which a worker has no more than `window` at a time.
    fn deal(
        &mut self,
        window: usize,
        requests: &mut dyn ExactSizeIterator<Item = Request>,
        reply: &mut dyn FnMut(Reply) -> Outcome<()>,
    ) -> Outcome<()>;

    /// Lets each worker take the next request when it is free; replies in order.
    fn pull(&mut self, requests: Vec<Request>) -> Outcome<Vec<Reply>>;

    fn pid(&mut self) -> Outcome<Pid> {
        let id = self.call(Request::ProcessId)?.number()?;
        Ok(Pid::from_raw(i32::try_from(id)?).ok_or("no process id")?)
    }
}

/// Workers that are lines.
pub(crate) struct Lines<L> {
    who: Who,
    lines: Vec<L>,
}

impl<L> Lines<L> {
    pub(crate) fn new(who: Who, workers: usize, line: impl Fn() -> Outcome<L>) -> Outcome<Self> {
        let lines = (0..workers).map(|_| line()).collect::<Outcome<_>>()?;
        Ok(Self { who, lines })
    }
}

impl<L: Line + Send> Farm for Lines<L> {
    fn who(&self) -> Who {
        self.who
    }

    fn call(&mut self, request: Request) -> Outcome<Reply> {
        self.lines[0].send(request)?;
        self.lines[0].receive()
    }

    fn deal(
        &mut self,
        window: usize,
        requests: &mut dyn ExactSizeIterator<Item = Request>,
        reply: &mut dyn FnMut(Reply) -> Outcome<()>,
    ) -> Outcome<()> {
        deal_in_turns(
            &mut self.lines,
            window,
            requests.len(),
            |line, _| line.send(requests.next().ok_or("too few requests")?),
            |line, _| reply(line.receive()?),
        )
    }

    fn pull(&mut self, requests: Vec<Request>) -> Outcome<Vec<Reply>> {
        pull_each(&mut self.lines, &requests, |line, request| {
            line.send(request.clone()).and_then(|()| line.receive())
        })
    }
}

/// Has a thread for each worker, which gives it the next item when the reply to the last one is there.
pub(crate) fn pull_each<L: Send, A: Sync, R: Send, E: ToString>(
    lines: &mut [L],
    items: &[A],
    call: impl Fn(&mut L, &A) -> Result<R, E> + Sync,
) -> Outcome<Vec<R>> {
    let next = AtomicUsize::new(0);
    let (next, call) = (&next, &call);
    let serve = |line: &mut L| -> Result<Vec<(usize, R)>, String> {
        let mut replies = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return Ok(replies);
            };
            let reply = call(line, item).map_err(|error| error.to_string())?;
            replies.push((index, reply));
        }
    };
    let parts: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = lines
            .iter_mut()
            .map(|line| scope.spawn(move || serve(line)))
            .collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut replies = Vec::new();
    for part in parts {
        replies.extend(part.map_err(|_| "a thread panicked")??);
    }
    replies.sort_unstable_by_key(|(index, _)| *index);
    Ok(replies.into_iter().map(|(_, reply)| reply).collect())
}

/// Sends `count` messages to workers in turns, and takes their replies in the same order. No worker has
/// more than `window` messages that were not replied to.
pub(crate) fn deal_in_turns<L>(
    lines: &mut [L],
    window: usize,
    count: usize,
    mut send: impl FnMut(&mut L, usize) -> Outcome<()>,
    mut receive: impl FnMut(&mut L, usize) -> Outcome<()>,
) -> Outcome<()> {
    let (workers, ahead) = (lines.len(), window * lines.len());
    for index in 0..count + ahead {
        if let Some(old) = index.checked_sub(ahead).filter(|old| *old < count) {
            receive(&mut lines[old % workers], old)?;
        }
        if index < count {
            send(&mut lines[index % workers], index)?;
        }
    }
    Ok(())
}
