//! Arrays of other crates as arguments and results: they come out as they went in, and their numbers travel in
//! blocks.

use nalgebra::{DMatrix, DVector, Matrix3};
use ndarray::{Array, Array1, Array2, Array3, ArrayD, Axis, IxDyn, ShapeBuilder, s};
use parproc::parallel;
use parproc_tests::{in_time, inline_pool, pool};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

#[parallel]
fn echo(array: Array2<f64>) -> Array2<f64> {
    array
}

#[parallel]
fn echo_any(array: ArrayD<i16>) -> ArrayD<i16> {
    array
}

#[parallel]
fn echo_cube(array: Array3<u128>) -> Array3<u128> {
    array
}

/// Lent, and of another layout than its result.
#[parallel]
fn transposed(array: &Array2<f32>) -> Array2<f32> {
    array.t().to_owned()
}

#[parallel]
fn named(array: Array1<String>) -> Array1<String> {
    array
}

#[parallel]
fn product(a: &DMatrix<f64>, b: &DVector<f64>) -> DVector<f64> {
    a * b
}

#[parallel]
fn inverses(matrices: Vec<Matrix3<f64>>) -> Vec<Option<Matrix3<f64>>> {
    let inverses = matrices.into_iter().map(Matrix3::try_inverse);
    inverses.collect()
}

#[parallel]
fn reversed(bytes: &ByteBuf) -> ByteBuf {
    bytes.iter().rev().copied().collect::<Vec<_>>().into()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Picture {
    name: String,
    pixels: Array3<u8>,
    #[serde(with = "serde_bytes")]
    profile: Vec<u8>,
    masks: Vec<Array2<i64>>,
}

#[parallel]
fn echo_picture(picture: Picture) -> Picture {
    picture
}

fn numbered(rows: usize, columns: usize) -> Array2<f64> {
    Array::from_shape_fn((rows, columns), |(row, column)| {
        (row * columns + column) as f64
    })
}

#[test]
fn an_array_of_any_layout_comes_out_as_it_went_in() {
    in_time(|| {
        let whole = numbered(50, 40);
        let mut reversed = whole.clone();
        reversed.invert_axis(Axis(0));
        let layouts = [
            whole.clone(),
            // Columns first.
            Array::from_shape_vec((50, 40).f(), (0..2000).map(f64::from).collect()).unwrap(),
            // The memory behind it is larger, and has holes.
            whole.clone().slice_move(s![5..45;3, ..;2]),
            whole.clone().slice_move(s![.., 7..8]),
            whole.clone().reversed_axes(),
            reversed,
            // Nothing in it.
            whole.slice_move(s![50.., ..]),
            Array2::zeros((0, 0)),
            Array2::zeros((7, 0)),
            Array2::from_elem((1, 1), f64::NEG_INFINITY),
        ];
        for pool in [pool(2), inline_pool()] {
            let echoes = pool.map(echo, layouts.clone()).unwrap();
            for (echo, sent) in echoes.into_iter().zip(&layouts) {
                assert_eq!(echo, sent);
                assert_eq!(echo.shape(), sent.shape());
            }
        }
    });
}

#[test]
fn an_array_of_any_rank_and_kind_comes_out_as_it_went_in() {
    in_time(|| {
        let pool = pool(2);
        let ranks = [&[][..], &[3], &[0, 4], &[2, 3, 4, 5, 6], &[1; 9], &[5000]];
        for rank in ranks {
            let mut next = 0;
            let array = ArrayD::from_shape_simple_fn(IxDyn(rank), || {
                next -= 1;
                next
            });
            assert_eq!(pool.map(echo_any, [array.clone()]).unwrap(), [array]);
        }
        let cube = Array3::from_shape_fn((9, 10, 11), |(x, y, z)| u128::MAX - (x * y * z) as u128);
        assert_eq!(pool.map(echo_cube, [cube.clone()]).unwrap(), [cube]);
        let names = Array1::from_shape_fn(300, |index| "x".repeat(index));
        assert_eq!(pool.map(named, [names.clone()]).unwrap(), [names]);
        let array = numbered(30, 70).mapv(|x| x as f32);
        let sent = [&array, &array];
        for result in pool.map(transposed, sent).unwrap() {
            assert_eq!(result, array.t());
        }
    });
}

#[test]
fn a_large_array_comes_out_as_it_went_in() {
    in_time(|| {
        // 100 MB, and no whole number of blocks; columns first, so that it is not sent as it lies.
        let mut array = Array2::from_elem((12_500, 1001).f(), 1.5);
        array.column_mut(700).fill(2.5);
        array[[12_499, 1000]] = 3.5;
        let echo = pool(1).map(echo, [array.clone()]).unwrap();
        assert_eq!(echo[0], array);
    });
}

#[test]
fn matrices_and_vectors_of_nalgebra_are_arguments_and_results() {
    in_time(|| {
        let pool = pool(2);
        let a = DMatrix::from_fn(200, 300, |row, column| (row * column % 7) as f64);
        let b = DVector::from_fn(300, |row, _| row as f64);
        let products = pool.map(product, [(&a, &b), (&a, &b)]).unwrap();
        assert!(products.iter().all(|product| *product == &a * &b));
        let none = (&DMatrix::zeros(5, 0), &DVector::zeros(0));
        assert_eq!(pool.map(product, [none]).unwrap(), [DVector::zeros(5)]);

        let matrices = (0..1000).map(|n| Matrix3::from_diagonal_element(f64::from(n)));
        let matrices: Vec<_> = matrices.collect();
        let wanted: Vec<_> = matrices.iter().copied().map(Matrix3::try_inverse).collect();
        assert_eq!(pool.map(inverses, [matrices]).unwrap(), [wanted]);
    });
}

#[test]
fn bytes_of_serde_bytes_are_arguments_and_results() {
    in_time(|| {
        let pool = pool(2);
        for len in [0, 1, 63, 100_000, 2_000_000] {
            let bytes: Vec<u8> = (0..len).map(|index| index as u8).collect();
            let sent = ByteBuf::from(bytes);
            let back = pool.map(reversed, [&sent]).unwrap();
            assert!(back[0].iter().eq(sent.iter().rev()));
        }
    });
}

#[test]
fn arrays_inside_of_values_come_out_as_they_went_in() {
    in_time(|| {
        let mut next = 0_u8;
        let pixels = Array::from_shape_simple_fn((300, 200, 3), || {
            next = next.wrapping_add(1);
            next
        });
        let picture = Picture {
            name: "a".to_owned(),
            pixels,
            profile: vec![7; 70_000],
            masks: vec![Array2::ones((20, 30)), Array2::zeros((0, 3))],
        };
        let sent = vec![picture; 5];
        assert_eq!(pool(2).map(echo_picture, sent.clone()).unwrap(), sent);
    });
}
