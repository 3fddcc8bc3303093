//! What `#[parallel]` registers, and that what it registers can be called.

use parproc::{FunctionInfo, functions, par_map, parallel};
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Image {
    pixels: Vec<u8>,
}

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel(name = "given::name")]
fn named(#[expect(unused_variables)] x: u8) {}

#[parallel(name = "repeat", for(T = [u8, String], N = [1, { 1 + 1 }]))]
fn repeat<T: Clone, const N: usize>(item: T) -> Vec<T> {
    vec![item; N]
}

#[parallel(for(I = [Vec<u32>]))]
fn first_or<I: IntoIterator>(items: I, or: I::Item) -> I::Item {
    items.into_iter().next().unwrap_or(or)
}

#[parallel]
fn lent(text: &str, list: &[u16], image: &Image, path: &Path, number: u8) -> usize {
    let path = path.as_os_str().len();
    text.len() + list.len() + image.pixels.len() + path + usize::from(number)
}

#[parallel]
fn parse(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}

#[parallel]
impl Image {
    const DEPTH: usize = 4;

    fn new(size: usize) -> Self {
        Self {
            pixels: vec![0; size * Self::DEPTH],
        }
    }

    #[parallel(name = "image::join")]
    fn join(first: &Self, second: Self) -> Self {
        Self {
            pixels: [first.pixels.clone(), second.pixels].concat(),
        }
    }

    fn size(&self) -> usize {
        self.pixels.len()
    }
}

struct Stack<T>(T);

#[parallel(for(T = [u8, String]))]
impl<T> Stack<T> {
    fn depth(items: Vec<T>) -> usize {
        items.into_iter().map(Stack).map(|Stack(_)| 1).sum()
    }
}

#[cfg(any())]
#[parallel(name = "absent::before")]
fn absent_before() {}

#[parallel(name = "absent::after")]
#[cfg(any())]
fn absent_after() {}

#[parallel]
impl Stack<()> {
    #[cfg(any())]
    #[parallel(name = "absent::in_block")]
    fn absent_in_block() {}
}

/// The registered function of this name.
#[track_caller]
fn registered(name: &str) -> FunctionInfo {
    let functions = functions().expect("names should be unique");
    let mut found = functions.into_iter().filter(|info| info.name() == name);
    found.next().expect("the function should be registered")
}

fn names() -> Vec<&'static str> {
    let functions = functions().expect("names should be unique");
    functions.iter().map(FunctionInfo::name).collect()
}

#[test]
fn without_a_name_the_path_is_the_name() {
    let info = registered("annotation::square");
    assert_eq!(info.signature(), "fn square(x: u64) -> u64");
    assert!(info.file().ends_with("annotation.rs"));
}

#[test]
fn the_place_is_that_of_the_name() {
    let before = line!();
    #[parallel(name = "placed")]
    #[inline]
    fn placed() {}

    assert_eq!(registered("placed").line(), before + 3);
    placed();
}

#[test]
fn attributes_of_arguments_are_not_in_the_signature() {
    assert_eq!(registered("given::name").signature(), "fn named(x: u8)");
}

#[test]
fn each_instance_has_a_name() {
    let mut found = names();
    found.retain(|name| name.starts_with("repeat"));
    assert_eq!(
        found,
        [
            "repeat<String, 1>",
            "repeat<String, { 1 + 1 }>",
            "repeat<u8, 1>",
            "repeat<u8, { 1 + 1 }>",
        ]
    );
}

#[test]
fn functions_and_methods_of_a_block_are_registered() {
    let mut found = names();
    found.retain(|name| name.starts_with("annotation::Image") || name.starts_with("image"));
    assert_eq!(
        found,
        [
            "annotation::Image::new",
            "annotation::Image::size",
            "image::join"
        ]
    );
    assert_eq!(
        registered("image::join").signature(),
        "fn join(first: &Self, second: Self) -> Self"
    );
}

#[test]
fn what_cfg_removes_is_not_registered() {
    assert!(!names().iter().any(|name| name.starts_with("absent")));
}

#[test]
fn one_argument() -> parproc::Result<()> {
    let squares: Vec<u64> = par_map(square, 0..4)?;
    assert_eq!(squares, [0, 1, 4, 9]);
    Ok(())
}

#[test]
fn borrowed_arguments() -> parproc::Result<()> {
    let image = Image::new(1);
    assert_eq!(image.size(), 4);
    let items = [("ab", &[1_u16, 2, 3][..], &image, Path::new("/tmp"), 10_u8)];
    let sums: Vec<usize> = par_map(lent, items)?;
    assert_eq!(sums, [23]);
    Ok(())
}

#[test]
fn results_that_are_errors() -> parproc::Result<()> {
    let parsed: Vec<Result<i32, String>> = par_map(parse, ["-1", "x"])?;
    assert_eq!(parsed, [Ok(-1), Err("no number: x".to_owned())]);
    Ok(())
}

#[test]
fn instances_of_generic_functions() -> parproc::Result<()> {
    let texts: Vec<Vec<String>> = par_map(repeat::<String, 2>, ["a".to_owned()])?;
    assert_eq!(texts, [["a", "a"]]);
    let numbers: Vec<Vec<u8>> = par_map(repeat::<u8, 1>, [7])?;
    assert_eq!(numbers, [[7]]);
    let first: Vec<u32> = par_map(first_or::<Vec<u32>>, [(vec![], 1), (vec![2, 3], 1)])?;
    assert_eq!(first, [1, 2]);
    Ok(())
}

#[test]
fn functions_of_blocks() -> parproc::Result<()> {
    let images: Vec<Image> = par_map(Image::new, [1, 2])?;
    assert_eq!(images, [Image::new(1), Image::new(2)]);
    let joined: Vec<Image> = par_map(Image::join, [(&images[0], images[1].clone())])?;
    assert_eq!(joined, [Image::new(3)]);
    let depths: Vec<usize> = par_map(Stack::<String>::depth, [vec![String::new(); 3]])?;
    assert_eq!(depths, [3]);
    Ok(())
}

#[test]
fn functions_in_functions() -> parproc::Result<()> {
    fn generic<T>(item: T) -> parproc::Result<T> {
        #[parallel]
        fn inner(x: u8) -> u8 {
            x + 1
        }
        let next: Vec<u8> = par_map(inner, [1])?;
        assert_eq!(next, [2]);
        Ok(item)
    }
    generic("any type")?;
    Ok(())
}
