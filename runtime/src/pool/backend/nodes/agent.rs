//! A rank that is a node: it has pools for those of rank 0, and never enters `main`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::os::unix::process::parent_id;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::hosted::Hosted;
use super::line::{Incoming, Line, Outgoing, Room, silence};
use super::message::{Hello, News, Order, Plan, PoolId};
use super::pace::Pace;
use crate::error::Result;
use crate::object::Object;
use crate::pool::Pool;
use crate::sys::now_nanos;
use crate::transport::Transport;

/// When rank 0 was not heard for so long, it is gone, and everything here ends. The launcher sees to that sooner,
/// unless it lets ranks go on without others.
const LOST_NANOS: u64 = 15_000_000_000;
const LOST_SOON_NANOS: u64 = 5_000_000_000;
/// What rank 0 may take to its end once it has said that it comes.
const AFTER_YOU: Duration = Duration::from_millis(500);
/// The end of the pools may take so long when the program ends.
const END_NANOS: u64 = 5_000_000_000;

pub(super) type Post = Outgoing<Infallible>;

struct Agent {
    line: Line<Order, Infallible>,
    pools: HashMap<PoolId, Hosted>,
    /// What rank 0 has, and may name.
    objects: HashMap<u64, Arc<Object>>,
    /// Rank 0 takes this rank for lost: it has nothing to do any more.
    retired: bool,
    /// The launch goes on when this rank ends.
    dispensable: bool,
    /// Pools that end, which takes its time.
    ending: usize,
    /// What they have to tell at their end.
    ended: (Sender<Vec<Post>>, Receiver<Vec<Post>>),
}

/// How it went.
pub(super) struct End {
    /// Rank 0 said so.
    pub(super) told: bool,
    orderly: bool,
    line: Line<Order, Infallible>,
}

impl End {
    /// Leaves the launch.
    pub(super) fn leave(self) {
        if self.told && !self.orderly {
            // The launcher ends all with the first one, and passes on how that ended: it is to be rank 0.
            std::thread::sleep(AFTER_YOU);
        }
        self.line.finish(self.orderly);
    }
}

/// Serves until rank 0 says that the program is over.
///
/// Fails when rank 0 is not heard any more.
pub(super) fn serve(transport: Box<dyn Transport>, dispensable: bool) -> (io::Result<()>, End) {
    let size = transport.size();
    let mut line = Line::new(transport);
    let hello = match Hello::own() {
        Ok(hello) => hello,
        Err(error) => {
            let end = End {
                told: false,
                orderly: false,
                line,
            };
            return (Err(io::Error::other(error.to_string())), end);
        }
    };
    line.post(
        0,
        Outgoing::new(&News::Hello(hello), super::line::Body::Inline(0)),
    );
    let mut agent = Agent {
        line,
        pools: HashMap::new(),
        objects: HashMap::new(),
        retired: false,
        dispensable,
        ending: 0,
        ended: channel(),
    };
    let outcome = agent.work(size);
    let orderly = matches!(outcome, Ok(true));
    agent.close_all();
    let Agent { line, .. } = agent;
    let end = End {
        told: outcome.is_ok(),
        orderly,
        line,
    };
    (outcome.map(drop), end)
}

/// Where the body of a message goes.
fn room(_: usize, head: &Order, len: usize) -> Room {
    match head {
        Order::Object(twin) => Room::object(*twin, len),
        _ => Room::bytes(len),
    }
}

impl Agent {
    /// Gives whether all leave in good order.
    fn work(&mut self, size: usize) -> io::Result<bool> {
        let mut pace = Pace::new(size);
        let mut last = now_nanos();
        let launcher = parent_id();
        let usual = match self.dispensable {
            true => LOST_SOON_NANOS,
            false => LOST_NANOS,
        };
        let silence = silence().map_or(usual, |silence| silence.max(usual));
        loop {
            let mut busy = false;
            while let Some(message) = self.line.receive(room)? {
                busy = true;
                if let Some(orderly) = self.take(message) {
                    return Ok(orderly);
                }
            }
            busy |= self.collect();
            busy |= self.line.send(|never, _, _, _| match *never {});
            busy |= self.begin();
            let now = now_nanos();
            if now - last > silence / 4 {
                self.line.excuse(now);
            }
            last = now;
            self.line.pulse(now);
            let gone = match self.retired {
                // Rank 0 says its last word only.
                true => launcher != parent_id(),
                false => now.saturating_sub(self.line.heard(0)) > silence,
            };
            if gone {
                return Err(io::Error::other("rank 0 is not heard any more"));
            }
            if let Some(pause) = pace.next(busy, self.line.is_moving(), now) {
                self.wait(pause);
            }
        }
    }

    /// Does what rank 0 says; at the end, says whether all leave in good order.
    fn take(&mut self, message: Incoming<Order>) -> Option<bool> {
        let Incoming { head, body, .. } = message;
        match head {
            Order::Open(id, plan) => match self.open(*plan) {
                Ok(pool) => {
                    self.pools.insert(id, Hosted::new(id, pool));
                }
                Err(error) => self.line.post(0, Hosted::refused(id, &error)),
            },
            Order::Run(id, run) => {
                let objects = self.named(&run.objects);
                match (self.pools.get_mut(&id), body) {
                    (Some(hosted), Room::Bytes(bytes, _)) => hosted.run(run, bytes, objects),
                    (Some(hosted), Room::Void(_)) => hosted.give_up(&run),
                    (Some(hosted), _) => {
                        for message in hosted.refuse(&run) {
                            self.line.post(0, message);
                        }
                    }
                    (None, _) => {}
                }
            }
            Order::Object(twin) => {
                if let Some(object) = body.into_object(twin) {
                    self.objects.insert(object.id(), object);
                }
            }
            Order::Forget(id) => drop(self.objects.remove(&id)),
            Order::Cut(id, number, end) => self.with(id, |hosted| hosted.cut(number, end)),
            Order::End {
                pool,
                number,
                item,
                soon,
            } => self.with(pool, |hosted| hosted.end(number, item, soon)),
            Order::TakeBack { pool, number, all } => {
                self.with(pool, |hosted| hosted.take_back(number, all));
            }
            Order::Resize(id, workers) => self.with(id, |hosted| hosted.resize(workers)),
            Order::Heard { pool, jobs, bytes } => {
                self.with(pool, |hosted| hosted.heard(jobs, bytes));
            }
            Order::Time(id, timed) => self.with(id, |hosted| hosted.time(timed)),
            Order::Close(id, killed) => self.close(id, killed),
            Order::Retire => {
                if self.dispensable {
                    return Some(false);
                }
                // Many launchers end all ranks with the first one that does not leave with the others.
                self.retired = true;
                for id in self.pools.keys().copied().collect::<Vec<_>>() {
                    self.close(id, true);
                }
            }
            Order::Leave { orderly } => return Some(orderly && !self.retired),
        }
        None
    }

    fn with(&mut self, id: PoolId, body: impl FnOnce(&mut Hosted)) {
        if let Some(hosted) = self.pools.get_mut(&id) {
            body(hosted);
        }
    }

    fn open(&self, plan: Plan) -> Result<Arc<Pool>> {
        let (workers, timed) = (plan.workers, plan.timed);
        let named = plan.init.as_ref().map(|init| self.named(&init.objects));
        let setup = plan.into_setup(named.unwrap_or_default());
        let pool = Pool::hosted(workers, setup, timed)?;
        Ok(Arc::new(pool))
    }

    /// Those of the objects that are here. Who needs one that could not be made will say so.
    fn named(&self, ids: &[u64]) -> Vec<Arc<Object>> {
        let objects = ids.iter().filter_map(|id| self.objects.get(id));
        objects.cloned().collect()
    }

    /// Ends a pool; rank 0 is told when nothing is left of it.
    fn close(&mut self, id: PoolId, killed: bool) {
        let Some(hosted) = self.pools.remove(&id) else {
            // It could not be opened.
            self.line.post(0, Hosted::closed(id));
            return;
        };
        self.ending += 1;
        let ended = self.ended.0.clone();
        let end = move || {
            if killed {
                hosted.kill();
            }
            let _ = ended.send(hosted.close());
        };
        // Where there is no thread to be had, the signs of life pause.
        let thread = std::thread::Builder::new().name("parproc-close".to_owned());
        if thread.spawn(end).is_err() {
            self.ending -= 1;
            self.line.post(0, Hosted::closed(id));
        }
    }

    /// Sends what there is to tell; says whether there was anything.
    fn collect(&mut self) -> bool {
        let mut told = false;
        for hosted in self.pools.values_mut() {
            for message in hosted.collect() {
                told = true;
                self.line.post(0, message);
            }
        }
        while let Ok(last) = self.ended.1.try_recv() {
            self.ending -= 1;
            told = true;
            for message in last {
                self.line.post(0, message);
            }
        }
        told
    }

    /// Begins what waits, unless what was done could not be told yet; says whether there was anything.
    fn begin(&mut self) -> bool {
        let mut begun = false;
        if self.line.has_said_all(0) {
            for hosted in self.pools.values_mut() {
                begun |= hosted.begin();
            }
        }
        begun
    }

    /// Waits for news of the workers, for so long at most.
    fn wait(&self, pause: Duration) {
        let mut busy = self.pools.values().filter(|hosted| hosted.is_busy());
        match (busy.next(), busy.next()) {
            (Some(hosted), None) => hosted.wait(pause),
            // News of one of several are looked for soon enough.
            (Some(_), Some(_)) => std::thread::sleep(pause.min(Duration::from_micros(100))),
            (None, _) => std::thread::sleep(pause),
        }
    }

    /// Ends all pools, for a limited time, and says what there is to say.
    fn close_all(&mut self) {
        for id in self.pools.keys().copied().collect::<Vec<_>>() {
            self.close(id, false);
        }
        let begin = now_nanos();
        while now_nanos() - begin < END_NANOS && (self.ending > 0 || !self.line.is_drained()) {
            self.collect();
            self.line.send(|never, _, _, _| match *never {});
            self.line.pulse(now_nanos());
            // What is still said does not matter any more; taking it in keeps the others from waiting.
            let heard = self.line.receive(room);
            if heard.is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
