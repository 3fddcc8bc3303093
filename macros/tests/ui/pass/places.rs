// Functions in modules, in functions, from declarative macros, behind `cfg`.

use parproc::parallel;

mod inner {
    use parproc::parallel;

    #[parallel]
    fn private(x: u8) -> u8 {
        x
    }

    #[parallel]
    pub(super) fn restricted(x: u8) -> u8 {
        private(x)
    }

    #[parproc::parallel(crate = ::parproc)]
    pub fn public(x: u8) -> u8 {
        x
    }
}

fn generic<T>(item: T) -> T {
    #[parallel]
    fn nested(x: u8) -> u8 {
        x + 1
    }
    {
        #[parallel]
        fn nested(x: u8) -> u8 {
            x + 2
        }
        assert_eq!(nested(1), 3);
    }
    assert_eq!(nested(1), 2);
    item
}

macro_rules! task {
    ($name:ident, $argument:ty, $borrowed:ty, $item:item) => {
        #[parallel]
        fn $name(owned: $argument, lent: &$borrowed) -> ($argument, $crate::Alias) {
            (owned, lent.len())
        }

        #[parallel(crate = $crate::shared::process)]
        $item
    };
}

type Alias = usize;

mod shared {
    pub use parproc as process;
}

task!(
    with_text,
    u8,
    str,
    fn whole(x: u8) -> u8 {
        x
    }
);
task!(
    with_list,
    Vec<u8>,
    [u8],
    fn another(x: u8) -> u8 {
        x
    }
);

#[cfg(any())]
#[parallel]
fn cfg_before(missing: Missing) {}

#[parallel]
#[cfg(any())]
fn cfg_after(missing: Missing) {}

#[parallel]
#[cfg(not(any()))]
fn cfg_true(x: u8) -> u8 {
    x
}

fn main() {
    generic(());
    inner::restricted(1);
    inner::public(1);
}
