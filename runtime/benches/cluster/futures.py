"""The mpi4py.futures side: does what lines on standard input say, and answers each with a figure.

mpirun -n 3 python3 -m mpi4py.futures futures.py: rank 0 gives work to the two others.
"""
import os
import sys
import time

from mpi4py.futures import MPIPoolExecutor

MASK = (1 << 64) - 1
WORKERS = 2


def step(x):
    return (x * 6364136223846793005 + 1) & MASK


def make(length):
    return b"\1" * length


def compute(millis):
    begin = time.thread_time_ns()
    x = 1
    while True:
        for _ in range(1_000):
            x = step(x)
        used = time.thread_time_ns() - begin
        if used > millis * 1_000_000:
            return used


def owner(_):
    time.sleep(0.02)
    return os.getpid()


def check(right):
    if not right:
        raise ValueError("a wrong result")


def round_(pool, count):
    begin = time.perf_counter_ns()
    for x in range(count):
        check(pool.submit(step, x).result() == step(x))
    return (time.perf_counter_ns() - begin) / count


def paused(pool, count):
    times = []
    for x in range(count):
        time.sleep(0.005)
        begin = time.perf_counter_ns()
        check(pool.submit(step, x).result() == step(x))
        times.append(time.perf_counter_ns() - begin)
    return sorted(times)[count // 2]


def tasks(pool, count):
    begin = time.perf_counter_ns()
    futures = [pool.submit(step, x) for x in range(count)]
    results = [future.result() for future in futures]
    took = time.perf_counter_ns() - begin
    check(results == [step(x) for x in range(count)])
    return took / count


def map_(pool, count):
    # Its default is one item a message: it is given what multiprocessing's Pool computes.
    chunk = max(1, count // (4 * WORKERS))
    begin = time.perf_counter_ns()
    results = list(pool.map(step, range(count), chunksize=chunk))
    took = time.perf_counter_ns() - begin
    check(results == [step(x) for x in range(count)])
    return took / count


def there(pool, megabytes):
    argument = make(megabytes * 1_000_000)
    begin = time.perf_counter_ns()
    check(pool.submit(len, argument).result() == len(argument))
    return time.perf_counter_ns() - begin


def back(pool, megabytes):
    begin = time.perf_counter_ns()
    result = pool.submit(make, megabytes * 1_000_000).result()
    took = time.perf_counter_ns() - begin
    check(len(result) == megabytes * 1_000_000)
    return took


def busy(pool, count, millis):
    begin = time.perf_counter_ns()
    used = list(pool.map(compute, [millis] * count))
    return sum(used) / (time.perf_counter_ns() - begin) / WORKERS


def ranks(pool):
    owners = set(pool.map(owner, range(20)))
    return " ".join(str(pid) for pid in sorted(owners | {os.getpid()}))


COMMANDS = {
    "round": round_,
    "paused": paused,
    "tasks": tasks,
    "map": map_,
    "there": there,
    "back": back,
    "busy": busy,
    "ranks": ranks,
}


def main():
    with MPIPoolExecutor() as pool:
        for line in sys.stdin:
            command, *numbers = line.split()
            try:
                answer = COMMANDS[command](pool, *map(int, numbers))
            except Exception as error:
                answer = "error " + repr(error)
            print("answer:", answer, flush=True)


if __name__ == "__main__":
    main()
