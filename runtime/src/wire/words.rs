//! Vectors of plain numbers by the size of a number, whatever its type: memory that can be used again.

use bytemuck::Pod;
use bytemuck::allocation::cast_vec;

/// The numbers of a vector. Types of one size have one alignment too, so that the memory of the one
/// serves for the other.
#[derive(Debug)]
pub(crate) enum Words {
    One(Vec<u8>),
    Two(Vec<u16>),
    Four(Vec<u32>),
    Eight(Vec<u64>),
    Sixteen(Vec<u128>),
}

/// Runs `$body` with `$vector` standing for the vector in `$words`.
macro_rules! with_vector {
    ($words:expr, $vector:ident => $body:expr) => {
        match $words {
            Words::One($vector) => $body,
            Words::Two($vector) => $body,
            Words::Four($vector) => $body,
            Words::Eight($vector) => $body,
            Words::Sixteen($vector) => $body,
        }
    };
}

impl Words {
    /// # Panics
    /// When `P` is no plain number.
    pub(super) fn new<P: Pod>(vector: Vec<P>) -> Self {
        match size_of::<P>() {
            1 => Words::One(cast_vec(vector)),
            2 => Words::Two(cast_vec(vector)),
            4 => Words::Four(cast_vec(vector)),
            8 => Words::Eight(cast_vec(vector)),
            _ => Words::Sixteen(cast_vec(vector)),
        }
    }

    /// The vector, as one of numbers of the same size.
    fn into_vector<P: Pod>(self) -> Result<Vec<P>, Self> {
        if self.size() != size_of::<P>() {
            return Err(self);
        }
        Ok(with_vector!(self, vector => cast_vec(vector)))
    }

    /// Bytes of a number.
    fn size(&self) -> usize {
        match self {
            Words::One(_) => 1,
            Words::Two(_) => 2,
            Words::Four(_) => 4,
            Words::Eight(_) => 8,
            Words::Sixteen(_) => 16,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        with_vector!(self, vector => bytemuck::cast_slice(vector))
    }

    /// Bytes that there is room for.
    fn capacity(&self) -> usize {
        self.size() * with_vector!(self, vector => vector.capacity())
    }
}

/// Memory of large arguments that were sent, for large results: a fault on each fresh page costs far more
/// than the copy.
#[derive(Debug, Default)]
pub(crate) struct Recycled {
    words: Vec<Words>,
    /// Bytes of all of them.
    bytes: usize,
}

/// So much is kept at most.
const MOST: usize = 32 << 20;

impl Recycled {
    pub(super) fn put(&mut self, words: Words) {
        let capacity = words.capacity();
        if self.bytes + capacity <= MOST {
            self.bytes += capacity;
            self.words.push(words);
        }
    }

    /// A vector of `count` numbers, of what values whatever, whose memory is hardly larger.
    pub(super) fn take<P: Pod>(&mut self, count: usize) -> Option<Vec<P>> {
        let len = count.checked_mul(size_of::<P>())?;
        let fitting = len..=len.saturating_add(len / 8);
        let index = self.words.iter().rposition(|words| {
            words.size() == size_of::<P>() && fitting.contains(&words.capacity())
        })?;
        let words = self.words.swap_remove(index);
        self.bytes -= words.capacity();
        let mut vector = words.into_vector::<P>().ok()?;
        vector.resize(count, P::zeroed());
        Some(vector)
    }

    /// Takes all of it out, to be freed.
    pub(crate) fn take_all(&mut self) -> Self {
        std::mem::take(self)
    }
}
