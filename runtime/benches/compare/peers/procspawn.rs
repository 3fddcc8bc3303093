//! procspawn's pool.

use std::collections::VecDeque;

use procspawn::{JoinHandle, Pool, ProcConfig};

use super::super::contest::Who;
use super::super::measure::Outcome;
use super::farm::Farm;
use super::work::{Reply, Request, answer, step};

pub(crate) struct Procspawn {
    pool: Pool,
    workers: usize,
}

/// Its children get no arguments, so that they come here whatever this program was called with.
pub(crate) fn init() {
    ProcConfig::new().pass_args(false).init();
}

pub(crate) fn farm(workers: usize) -> Outcome<Procspawn> {
    let pool = Pool::new(workers)?;
    Ok(Procspawn { pool, workers })
}

/// One call in a process of its own.
pub(crate) fn fresh(x: u64) -> Outcome<u64> {
    Ok(procspawn::spawn(x, step).join()?)
}

impl Procspawn {
    pub(crate) fn spawn(&self, request: Request) -> JoinHandle<Reply> {
        self.pool.spawn(request, answer)
    }

    pub(crate) fn kill(&self) {
        self.pool.kill();
    }

    fn window(
        &self,
        ahead: usize,
        requests: &mut dyn Iterator<Item = Request>,
        reply: &mut dyn FnMut(Reply) -> Outcome<()>,
    ) -> Outcome<()> {
        let mut handles = VecDeque::new();
        for request in requests {
            if handles.len() == ahead {
                let handle: Option<JoinHandle<Reply>> = handles.pop_front();
                reply(handle.ok_or("no task")?.join()?)?;
            }
            handles.push_back(self.spawn(request));
        }
        // In the order of submission: it deadlocks when a later task is joined first.
        for handle in handles {
            reply(handle.join()?)?;
        }
        Ok(())
    }
}

impl Farm for Procspawn {
    fn who(&self) -> Who {
        Who::Procspawn
    }

    fn call(&mut self, request: Request) -> Outcome<Reply> {
        Ok(self.spawn(request).join()?)
    }

    /// As many tasks as workers, for it blocks when large arguments meet busy workers.
    fn deal(
        &mut self,
        _window: usize,
        requests: &mut dyn ExactSizeIterator<Item = Request>,
        reply: &mut dyn FnMut(Reply) -> Outcome<()>,
    ) -> Outcome<()> {
        self.window(self.workers, requests, reply)
    }

    /// All together: three descriptors each, so no more than a few hundred.
    fn pull(&mut self, requests: Vec<Request>) -> Outcome<Vec<Reply>> {
        let mut replies = Vec::new();
        let ahead = requests.len().max(1);
        self.window(ahead, &mut requests.into_iter(), &mut |reply| {
            replies.push(reply);
            Ok(())
        })?;
        Ok(replies)
    }
}
