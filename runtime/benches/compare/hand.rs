//! The work of the peers by hand: forked workers at the end of a ring or a socket, each of which does one
//! thing only.

use std::io::{self, BufRead, Read, Write};
use std::os::unix::net::UnixStream;

use super::measure::Outcome;
use super::peers::farm::{deal_in_turns, pull_each};
use super::peers::work::mix;
use super::raw::Peer;
use super::raw_ring::RingStream;

/// Numbers that go to a worker together.
const BATCH: usize = 4096;
/// Batches that a worker has at a time: fewer than the buffers of a socket hold.
const BATCHES: usize = 2;

/// The bytes of a ring for all that a worker has of small items at a time.
pub(crate) const SMALL: usize = 1 << 18;
/// Those of a ring for large blocks.
pub(crate) const LARGE: usize = 1 << 20;

/// Workers, and how to reach them.
pub(crate) struct Hands<S> {
    workers: Vec<(S, Peer)>,
}

impl Hands<RingStream> {
    /// Rings of so many bytes; `serve` makes, before the fork, what the worker runs: it must not allocate.
    pub(crate) fn rings<F: FnOnce(RingStream)>(
        workers: usize,
        size: usize,
        serve: impl Fn() -> F,
    ) -> io::Result<Self> {
        Self::new(workers, || RingStream::pair(size), serve)
    }
}

impl Hands<UnixStream> {
    pub(crate) fn sockets<F: FnOnce(UnixStream)>(
        workers: usize,
        serve: impl Fn() -> F,
    ) -> io::Result<Self> {
        Self::new(workers, UnixStream::pair, serve)
    }
}

impl<S: Read + Write> Hands<S> {
    fn new<F: FnOnce(S)>(
        workers: usize,
        pair: impl Fn() -> io::Result<(S, S)>,
        serve: impl Fn() -> F,
    ) -> io::Result<Self> {
        let workers = (0..workers).map(|_| {
            let ((ours, theirs), serve) = (pair()?, serve());
            let peer = Peer::fork(|| serve(theirs))?;
            Ok((ours, peer))
        });
        Ok(Self {
            workers: workers.collect::<io::Result<_>>()?,
        })
    }

    /// Each number for itself, from workers that run [`numbers`].
    pub(crate) fn one_by_one(&mut self, window: usize, items: &[u64]) -> Outcome<Vec<u64>> {
        let mut results = Vec::with_capacity(items.len());
        deal_in_turns(
            &mut self.workers,
            window,
            items.len(),
            |(stream, _), index| {
                put(stream, items[index])?;
                Ok(stream.flush()?)
            },
            |(stream, _), _| {
                results.push(get(stream)?);
                Ok(())
            },
        )?;
        Ok(results)
    }

    /// So too, but each worker gets the next one when it is free.
    pub(crate) fn pull(&mut self, items: &[u64]) -> Outcome<Vec<u64>>
    where
        S: Send,
    {
        pull_each(&mut self.workers, items, |(stream, _), item| {
            put(stream, *item)?;
            stream.flush()?;
            get(stream)
        })
    }

    /// From workers that run [`batches`].
    pub(crate) fn map(&mut self, items: &[u64]) -> Outcome<Vec<u64>> {
        let mut results = vec![0; items.len()];
        let mut places = results.chunks_mut(BATCH);
        deal_in_turns(
            &mut self.workers,
            BATCHES,
            items.len().div_ceil(BATCH),
            |(stream, _), index| {
                let batch = &items[index * BATCH..items.len().min((index + 1) * BATCH)];
                put(stream, batch.len() as u64)?;
                stream.write_all(bytemuck::cast_slice(batch))?;
                Ok(stream.flush()?)
            },
            |(stream, _), _| {
                let place = places.next().ok_or("more results than items")?;
                Ok(stream.read_exact(bytemuck::cast_slice_mut(place))?)
            },
        )?;
        Ok(results)
    }

    /// From workers that run [`lengths`].
    pub(crate) fn lengths_of_texts(&mut self, items: &[String]) -> Outcome<Vec<u64>> {
        let mut results = vec![0; items.len()];
        let mut places = results.chunks_mut(BATCH);
        let mut bytes = Vec::new();
        deal_in_turns(
            &mut self.workers,
            BATCHES,
            items.len().div_ceil(BATCH),
            |(stream, _), index| {
                let batch = &items[index * BATCH..items.len().min((index + 1) * BATCH)];
                bytes.clear();
                for text in batch {
                    bytes.push(u8::try_from(text.len())?);
                    bytes.extend_from_slice(text.as_bytes());
                }
                put(stream, batch.len() as u64)?;
                put(stream, bytes.len() as u64)?;
                stream.write_all(&bytes)?;
                Ok(stream.flush()?)
            },
            |(stream, _), _| {
                let place = places.next().ok_or("more results than items")?;
                Ok(stream.read_exact(bytemuck::cast_slice_mut(place))?)
            },
        )?;
        Ok(results)
    }

    /// Blocks there and back into others, from workers that run [`echoes`].
    pub(crate) fn echo<T: bytemuck::Pod>(
        &mut self,
        blocks: &[Vec<T>],
        into: &mut [Vec<T>],
    ) -> Outcome<()> {
        deal_in_turns(
            &mut self.workers,
            1,
            blocks.len(),
            |(stream, _), index| {
                let bytes: &[u8] = bytemuck::cast_slice(&blocks[index]);
                put(stream, bytes.len() as u64)?;
                stream.write_all(bytes)?;
                Ok(stream.flush()?)
            },
            |(stream, _), index| Ok(stream.read_exact(bytemuck::cast_slice_mut(&mut into[index]))?),
        )
    }

    /// The length of each block, which the worker sees, from workers that run [`sizes`].
    pub(crate) fn lengths_of_blocks(&mut self, blocks: &[Vec<u8>]) -> Outcome<Vec<u64>> {
        let mut results = Vec::new();
        deal_in_turns(
            &mut self.workers,
            1,
            blocks.len(),
            |(stream, _), index| {
                put(stream, blocks[index].len() as u64)?;
                stream.write_all(&blocks[index])?;
                Ok(stream.flush()?)
            },
            |(stream, _), _| {
                results.push(get(stream)?);
                Ok(())
            },
        )?;
        Ok(results)
    }
}

fn put(stream: &mut impl Write, number: u64) -> io::Result<()> {
    stream.write_all(&number.to_ne_bytes())
}

fn get(stream: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// A worker that answers each number.
pub(crate) fn numbers<S: Read + Write>(answer: fn(u64) -> u64) -> impl FnOnce(S) {
    move |mut stream| {
        while get(&mut stream)
            .and_then(|x| put(&mut stream, answer(x)))
            .is_ok()
        {}
    }
}

/// A worker that answers batches of numbers with [`mix`] of each.
pub(crate) fn batches<S: Read + Write>() -> impl FnOnce(S) {
    let mut buffer = vec![0_u64; BATCH];
    move |mut stream| {
        let mut serve = || -> io::Result<()> {
            let batch = &mut buffer[..get(&mut stream)? as usize];
            stream.read_exact(bytemuck::cast_slice_mut(batch))?;
            for x in batch.iter_mut() {
                *x = mix(*x);
            }
            stream.write_all(bytemuck::cast_slice(batch))?;
            stream.flush()
        };
        while serve().is_ok() {}
    }
}

/// A worker that answers batches of texts with the length of each.
pub(crate) fn lengths<S: Read + Write>() -> impl FnOnce(S) {
    let mut bytes = vec![0_u8; BATCH * 256];
    let mut results = vec![0_u64; BATCH];
    move |mut stream| {
        let mut serve = || -> io::Result<()> {
            let results = &mut results[..get(&mut stream)? as usize];
            let len = get(&mut stream)? as usize;
            stream.read_exact(&mut bytes[..len])?;
            let mut rest = &bytes[..len];
            for result in results.iter_mut() {
                let (text, next) = rest[1..].split_at(usize::from(rest[0]));
                *result = std::hint::black_box(text).len() as u64;
                rest = next;
            }
            stream.write_all(bytemuck::cast_slice(results))?;
            stream.flush()
        };
        while serve().is_ok() {}
    }
}

/// A worker that keeps a block and then sends it back.
pub(crate) fn echoes<S: Read + Write>(most: usize) -> impl FnOnce(S) {
    let mut buffer = vec![0_u8; most];
    move |mut stream| {
        let mut serve = || -> io::Result<()> {
            let block = &mut buffer[..get(&mut stream)? as usize];
            stream.read_exact(block)?;
            stream.write_all(block)?;
            stream.flush()
        };
        while serve().is_ok() {}
    }
}

/// A worker that looks at blocks where they are, and tells their lengths.
pub(crate) fn sizes<S: BufRead + Write>() -> impl FnOnce(S) {
    move |mut stream| {
        let mut serve = || -> io::Result<()> {
            let len = get(&mut stream)? as usize;
            let mut seen = 0;
            while seen < len {
                let there = stream.fill_buf()?.len().min(len - seen);
                stream.consume(there);
                seen += there;
            }
            put(&mut stream, seen as u64)?;
            stream.flush()
        };
        while serve().is_ok() {}
    }
}
