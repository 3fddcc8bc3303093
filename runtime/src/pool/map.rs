//! Calls that run to their end: `map`, `try_map`, `for_each`, `outcomes`, `reports`.

use std::ops::ControlFlow;

use super::call::{Call, Results};
use super::chunk::Origin;
use super::report::Report;
use crate::error::{Result, TaskError, TryMapError};
use crate::registry::Function;
use crate::sys::advise_huge_room;

/// What a failed item ends a call with.
enum Stop<E> {
    Task(TaskError),
    Item(usize, E),
}

/// A result, and nothing else about it.
fn plain<R>(result: Result<R, TaskError>, _index: usize, _origin: Origin) -> Result<R, TaskError> {
    result
}

/// Room for so many results. Filling fresh pages one by one would cost more than what else is done for tiny
/// results.
fn room<T>(expected: usize) -> Vec<T> {
    let mut results = Vec::with_capacity(expected);
    advise_huge_room(&mut results);
    results
}

pub(super) fn map<F, A, M, I>(mut call: Call<F, A, M, I>, expected: usize) -> Result<Vec<F::Output>>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    let mut results = room(expected);
    let failed = call.run_in_order(plain, Result::is_err, |_, result| match result {
        Ok(value) => {
            results.push(value);
            ControlFlow::Continue(())
        }
        Err(error) => ControlFlow::Break(error),
    })?;
    match failed {
        None => Ok(results),
        Some(error) => Err(error.into()),
    }
}

pub(super) fn for_each<F, A, M, I>(mut call: Call<F, A, M, I>) -> Result<()>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    let failed = call.run_in_order(plain, Result::is_err, |_, result| match result {
        Ok(_) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    })?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

pub(super) fn outcomes<F, A, M, I>(
    mut call: Call<F, A, M, I>,
    expected: usize,
) -> Result<Results<F::Output>>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    let mut results = room(expected);
    call.run_in_order(
        plain,
        |_| false,
        |_, result| {
            results.push(result);
            ControlFlow::<()>::Continue(())
        },
    )?;
    Ok(results)
}

pub(super) fn reports<F, A, M, I>(
    mut call: Call<F, A, M, I>,
    expected: usize,
) -> Result<Vec<Report<F::Output>>>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    let mut reports = Vec::with_capacity(expected);
    call.run_in_order(
        Report::new,
        |_| false,
        |_, report| {
            reports.push(report);
            ControlFlow::<()>::Continue(())
        },
    )?;
    for report in &mut reports {
        report.put_written(call.take_written(report.index));
    }
    Ok(reports)
}

pub(super) fn try_map<F, A, M, I, T, E>(
    mut call: Call<F, A, M, I>,
    expected: usize,
) -> Result<Vec<T>, TryMapError<E>>
where
    F: Function<A, M, Output = Result<T, E>>,
    I: Iterator<Item = A>,
{
    let mut results = room(expected);
    let failed = call.run_in_order(
        plain,
        |result| !matches!(result, Ok(Ok(_))),
        |index, result| match result {
            Ok(Ok(value)) => {
                results.push(value);
                ControlFlow::Continue(())
            }
            Ok(Err(error)) => ControlFlow::Break(Stop::Item(index, error)),
            Err(error) => ControlFlow::Break(Stop::Task(error)),
        },
    )?;
    match failed {
        None => Ok(results),
        Some(Stop::Item(index, error)) => Err(TryMapError::Item { index, error }),
        Some(Stop::Task(error)) => Err(TryMapError::Call(error.into())),
    }
}
