//! What an attribute says about time, memory and attempts.

/// The limits of a function; `None` where its attribute says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Limits {
    /// How long one call may take, from its start in the worker.
    pub(crate) timeout_nanos: Option<u64>,
    /// How many bytes the worker and its children may use.
    pub(crate) memory: Option<u64>,
    /// Further attempts after a crash, a timeout or too much memory.
    pub(crate) retries: Option<u32>,
    /// What the memory limit is multiplied by before another attempt.
    pub(crate) memory_growth: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::Limits;
    use crate::registry::table;
    use parproc_macros::parallel;

    #[parallel(crate = crate)]
    fn unlimited() {}

    #[parallel(
        crate = crate,
        retries = 3,
        timeout = "1.5s",
        memory_growth = 2,
        memory_limit = "64MiB"
    )]
    fn limited() {}

    struct Block;

    #[parallel(crate = crate, timeout = "1min", retries = 1)]
    impl Block {
        fn as_the_block() {}

        #[parallel(retries = 0, memory_limit = "1kB")]
        fn not_as_the_block() {}
    }

    /// What the table says about a function.
    fn limits<F: 'static>(_function: F) -> Limits {
        let table = table().unwrap();
        table.limits(table.find::<F>().unwrap())
    }

    #[test]
    fn they_are_what_the_attribute_says() {
        let expected = Limits {
            timeout_nanos: Some(1_500_000_000),
            memory: Some(64 << 20),
            retries: Some(3),
            memory_growth: Some(2.0),
        };
        assert_eq!(limits(limited), expected);
        assert_eq!(limits(unlimited), Limits::default());
    }

    #[test]
    fn those_of_a_block_are_defaults() {
        let of_block = Limits {
            timeout_nanos: Some(60_000_000_000),
            retries: Some(1),
            ..Limits::default()
        };
        assert_eq!(limits(Block::as_the_block), of_block);
        let own = Limits {
            retries: Some(0),
            memory: Some(1000),
            ..of_block
        };
        assert_eq!(limits(Block::not_as_the_block), own);
    }
}
