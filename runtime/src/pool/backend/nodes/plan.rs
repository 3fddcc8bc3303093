//! A pool that has nodes: how its workers are divided, and how it is told to them.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::center::{Center, HELLO_LIMIT, Place, center};
use super::hello::divide;
use super::line::{Body, Outgoing};
use super::message::{Hello, Order, Plan};
use super::node::Node;
use crate::error::Result;
use crate::object::Object;
use crate::pool::chunk::Chunk;
use crate::pool::hooks::{ExitHook, InitHook};
use crate::pool::logs::{Away, Context};
use crate::pool::output::Output;
use crate::pool::seen::Seen;
use crate::pool::setup::Setup;
use crate::pool::shared::Shared;
use crate::pool::state::State;
use crate::sys::now_nanos;

/// What nodes may take to end their part of a pool.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How the workers of a pool are divided.
#[derive(Debug)]
pub(in crate::pool) struct Division {
    center: &'static Center,
    ranks: Vec<Place>,
}

impl Division {
    /// The ranks of this launch, if there are others and the pool is one that uses them.
    pub(in crate::pool) fn new(setup: &Setup) -> Result<Option<Self>> {
        let Some(center) = center() else {
            return Ok(None);
        };
        if setup.one_each || setup.actor.is_some() {
            return Ok(None);
        }
        let ranks = center.nodes(Hello::own()?)?;
        Ok(Some(Self { center, ranks }))
    }

    /// How many workers all ranks have together.
    pub(in crate::pool) fn workers(&self) -> usize {
        self.ranks.iter().map(|place| place.slots).sum()
    }

    /// How many workers this rank has of all that there are.
    pub(in crate::pool) fn share(&self) -> usize {
        self.ranks.first().map_or(0, |place| place.slots)
    }

    /// Divides so many workers: how many this rank has, and the nodes with the others.
    pub(in crate::pool) fn divide(&self, workers: usize) -> (usize, Vec<Node>) {
        let slots: Vec<usize> = self.ranks.iter().map(|place| place.slots).collect();
        let parts = divide(workers, &slots);
        let own_host = self.ranks.first().map(|place| &place.hello.host);
        let mut nodes = Vec::new();
        for (place, slots) in self.ranks.iter().zip(parts.iter().copied()).skip(1) {
            let Place { rank, hello, .. } = place;
            let rank = *rank;
            if slots == 0 || !self.center.is_there(rank) {
                continue;
            }
            nodes.push(Node {
                rank,
                host: Arc::from(hello.host.as_str()),
                share: place.slots,
                slots,
                numbers: Vec::new(),
                center: self.center,
                pool: 0,
                opened: false,
                lost: false,
                proved: false,
                unready: false,
                closed: false,
                sent: Vec::new(),
                heard: Away::default(),
                next: 1,
                moved: 0,
                // Machines count time from when they were started.
                behind: behind(self.center.clock_of(rank), own_host == Some(&hello.host)),
            });
        }
        (parts.first().copied().unwrap_or(0), nodes)
    }

    /// Gives the pool its nodes, beside so many workers of this machine.
    pub(in crate::pool) fn enter(
        &self,
        shared: &Weak<Shared>,
        state: &mut State,
        own: usize,
        mut nodes: Vec<Node>,
    ) {
        let pool = self.center.enter(shared);
        // Those of this machine have the first ones; it has a worker for what cannot go elsewhere, at least.
        state.next_number = own;
        for node in &mut nodes {
            node.pool = pool;
            node.number_up_to(state, node.slots);
            // Who is lost from now on is so for this pool, too.
            node.lost = !self.center.is_there(node.rank);
        }
        state.nodes = nodes;
    }
}

impl Shared {
    /// Tells a node of the pool, before it is given anything.
    pub(super) fn open_on(&self, state: &mut State, place: usize) {
        let timed = state.events.timed;
        let node = &mut state.nodes[place];
        if std::mem::replace(&mut node.opened, true) {
            return;
        }
        let setup = &self.setup;
        let (init, exit) = self.hooks.to_plan();
        let plan = Plan {
            workers: node.slots,
            numbers: node.numbers.clone(),
            rules: setup.rules,
            stderr_lines: setup.stderr_lines,
            outputs: setup.outputs.map(Output::to_byte),
            lifespan: setup.lifespan,
            spares: setup.spares,
            environment: setup.environment.clone(),
            directory: setup.directory.clone(),
            orders: setup.orders,
            pin_cpus: setup.pin_cpus,
            init,
            init_timeout: setup.init_timeout,
            exit,
            timed,
            levels: Context::ambient().levels(),
        };
        let order = Order::Open(node.pool, Box::new(plan));
        let message = Outgoing::new(&order, Body::Inline(0));
        let casts = node.center.cast(&self.hooks.named());
        node.center.post(node.rank, message.after(casts));
        let joined = node.joined(0);
        state.tell_nodes(joined);
    }

    /// Divides so many workers anew among the ranks that are there; gives how many this one has.
    pub(in crate::pool) fn divide_again(&self, state: &mut State, workers: usize) -> usize {
        let there = state.nodes.iter().filter(|node| node.is_there());
        let own = if self.reserved { 0 } else { self.share };
        let slots: Vec<usize> = std::iter::once(own)
            .chain(there.map(|node| node.share))
            .collect();
        let parts = divide(workers, &slots);
        // Behind those of this machine too, whose workers do not get the numbers of others later.
        state.next_number = state.next_number.max(parts[0]);
        let mut nodes = std::mem::take(&mut state.nodes);
        let there = nodes.iter_mut().filter(|node| node.is_there());
        for (node, slots) in there.zip(parts.iter().skip(1)) {
            node.slots = *slots;
            let before = node.numbers.len();
            node.number_up_to(state, *slots);
            if node.opened {
                node.post(&Order::Resize(node.pool, *slots));
                state.tell_nodes(node.joined(before));
            }
        }
        state.nodes = nodes;
        parts[0]
    }

    /// Has the nodes tell when each item runs, or no more.
    pub(in crate::pool) fn time_on_nodes(&self, state: &State, timed: bool) {
        for node in state.nodes.iter().filter(|node| node.opened) {
            node.post(&Order::Time(node.pool, timed));
        }
    }

    /// Ends the pool's part on all nodes, without waiting.
    pub(in crate::pool) fn close_on_nodes(&self) {
        let state = self.lock();
        for node in state
            .nodes
            .iter()
            .filter(|node| node.opened && node.is_there())
        {
            node.post(&Order::Close(node.pool, state.killed));
        }
    }

    /// Waits until nothing of the pool is left on the nodes, for a limited time.
    pub(in crate::pool) fn wait_for_nodes(&self) {
        let limit = Instant::now() + CLOSE_LIMIT;
        loop {
            let state = self.lock();
            let left = |node: &&Node| node.opened && node.is_there();
            let Some(node) = state.nodes.iter().find(left) else {
                let known = state.nodes.first().map(|node| (node.center, node.pool));
                drop(state);
                if let Some((center, pool)) = known {
                    center.forget_pool(pool);
                }
                return;
            };
            let center = node.center;
            drop(state);
            let rest = limit.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return;
            }
            // It may have been told since it was looked.
            center.wait_for_change(rest.min(Duration::from_millis(20)));
        }
    }

    /// True while this machine's workers are for what cannot travel only.
    pub(in crate::pool) fn is_reserved(&self, state: &State) -> bool {
        self.reserved && state.has_nodes()
    }

    /// Takes note of a chunk that cannot go to a node.
    pub(in crate::pool) fn note_bound(&self, state: &mut State, chunk: &Chunk) {
        if !state.bound && !state.nodes.is_empty() && !self.travels(chunk) {
            state.bound = true;
        }
    }

    /// How many workers of this machine work at once, at most: as many as all together once there is something
    /// that cannot go elsewhere, since its items may wait for each other.
    pub(in crate::pool) fn limit(&self, state: &State) -> usize {
        if state.bound {
            self.workers().max(self.all_workers(state))
        } else {
            self.workers()
        }
    }

    /// How many workers work at once, at most, here and on the nodes.
    pub(in crate::pool) fn all_workers(&self, state: &State) -> usize {
        let nodes = state.nodes.iter().filter(|node| node.is_there());
        let away: usize = nodes.map(|node| node.slots).sum();
        let here = if self.is_reserved(state) {
            0
        } else {
            self.workers()
        };
        here + away
    }
}

impl Plan {
    /// The settings of the node's part, with what the arguments of the init function name.
    pub(super) fn into_setup(self, named: Vec<Arc<Object>>) -> Setup {
        let Self {
            workers: _,
            numbers,
            rules,
            stderr_lines,
            outputs,
            lifespan,
            spares,
            environment,
            directory,
            orders,
            pin_cpus,
            init,
            init_timeout,
            exit,
            timed: _,
            levels,
        } = self;
        Setup {
            numbers,
            rules,
            stderr_lines,
            outputs: outputs.map(Output::from_byte),
            lifespan,
            spares,
            environment,
            directory,
            orders,
            pin_cpus,
            init: init.map(|init| InitHook::of_node(init.function, init.arguments, named)),
            init_timeout,
            exit: exit.map(ExitHook::of_node),
            levels: Some(levels),
            seen: Seen {
                elsewhere: true,
                ..Seen::default()
            },
            ..Setup::default()
        }
    }
}

/// By how many nanoseconds a node's clock is behind ours: machines count time from when they were started. As much
/// was `measured` when its first words came, and how long these took. On one machine there is one clock; but two
/// machines may have the same name.
fn behind(measured: i64, same_name: bool) -> i64 {
    let on_the_way = 0..=HELLO_LIMIT.as_nanos() as i64;
    match same_name && on_the_way.contains(&measured) {
        true => 0,
        false => measured,
    }
}

impl Node {
    /// Words of the node, said at this time of its clock or before, came now: so its clock is not further behind
    /// than that. The shortest way of all tells it best (F. Cristian, "Probabilistic clock synchronization",
    /// Distributed Computing 3, 1989).
    pub(super) fn hear_clock(&mut self, at: u64) {
        if self.behind != 0 {
            let behind = now_nanos() as i64 - at as i64;
            self.behind = self.behind.min(behind);
        }
    }

    /// A time of the node's clock as one of ours.
    pub(super) fn time(&self, at: u64) -> u64 {
        at.saturating_add_signed(self.behind).min(now_nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_has_one_clock() {
        assert_eq!(behind(40_000_000, true), 0);
        assert_eq!(behind(40_000_000, false), 40_000_000);
        // Another machine of the same name was started an hour before, or after.
        let hour = 3_600_000_000_000;
        assert_eq!(behind(-hour, true), -hour);
        assert_eq!(behind(hour, true), hour);
    }
}
