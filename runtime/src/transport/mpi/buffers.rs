//! Memory of long messages, to be used again: a fault on each fresh page costs more than the copy.

/// What is kept is as long as the pieces that large values go in, so that it serves for each of them.
const LEAST: usize = 1 << 20;
/// For what is shorter the allocator has memory at hand.
const SHORT: usize = 64 << 10;
/// So many bytes are kept at most.
const MOST: usize = 16 << 20;

#[derive(Debug, Default)]
pub(super) struct Buffers {
    kept: Vec<Vec<u8>>,
    /// Bytes of all of them.
    bytes: usize,
}

impl Buffers {
    /// An empty one with room for so many bytes.
    pub(super) fn take(&mut self, bytes: usize) -> Vec<u8> {
        let fits = |kept: &Vec<u8>| kept.capacity() >= bytes;
        match self.kept.iter().rposition(fits) {
            Some(place) if bytes > SHORT => {
                let buffer = self.kept.swap_remove(place);
                self.bytes -= buffer.capacity();
                buffer
            }
            _ => Vec::with_capacity(bytes),
        }
    }

    pub(super) fn put(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if (LEAST..=2 * LEAST).contains(&capacity) && self.bytes + capacity <= MOST {
            buffer.clear();
            self.bytes += capacity;
            self.kept.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ones_are_kept_up_to_a_bound() {
        let mut buffers = Buffers::default();
        for odd in [0, SHORT, LEAST - 1, 2 * LEAST + 1] {
            buffers.put(vec![1; odd]);
        }
        assert_eq!(buffers.kept.len(), 0);
        for _ in 0..20 {
            buffers.put(vec![1; LEAST]);
        }
        assert_eq!((buffers.kept.len(), buffers.bytes), (16, MOST));
        assert!(buffers.take(SHORT).capacity() < LEAST);
        assert!(buffers.take(2 * LEAST).capacity() >= 2 * LEAST);
        assert_eq!(buffers.kept.len(), 16);
        let again = buffers.take(SHORT + 1);
        assert!(again.is_empty() && again.capacity() >= LEAST);
        assert_eq!((buffers.kept.len(), buffers.bytes), (15, MOST - LEAST));
    }
}
