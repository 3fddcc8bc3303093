"""A pool of Python's multiprocessing, driven by lines on standard input.

python3 -c THIS KIND WORKERS, where KIND is Pool or ProcessPoolExecutor. Each line is a command with
numbers; the answer is a line with a figure, or `error` and the reason.
"""
import array
import concurrent.futures
import multiprocessing
import os
import resource
import sys
import time

MASK = (1 << 64) - 1
MANY = 1 << 12
_sources = {}


def step(x):
    return (x * 6364136223846793005 + 1) & MASK


def mix(x):
    return ((x ^ (x >> 31)) * 0x9E3779B97F4A7C15) & MASK


def walk(steps):
    x = 88172645463325252
    for _ in range(steps):
        x = (x ^ (x << 13)) & MASK
        x ^= x >> 7
        x = (x ^ (x << 17)) & MASK
    return x


def echo(value):
    return value


def crash(_):
    # Not abort, which prints.
    os.kill(os.getpid(), 11)
    time.sleep(60)


class Executor:
    """ProcessPoolExecutor, with the names of Pool."""

    def __init__(self, workers):
        self.pool = concurrent.futures.ProcessPoolExecutor(workers)

    def apply(self, f, x):
        return self.pool.submit(f, x).result()

    def submit(self, f, x):
        return self.pool.submit(f, x).result

    def map(self, f, items, chunksize=None):
        # Its own default is 1: give it what Pool computes.
        if chunksize is None:
            chunksize = max(1, len(items) // (4 * WORKERS))
        return list(self.pool.map(f, items, chunksize=chunksize))

    def close(self):
        self.pool.shutdown()


class Pool:
    def __init__(self, workers):
        self.pool = multiprocessing.Pool(workers)

    def apply(self, f, x):
        return self.pool.apply(f, (x,))

    def submit(self, f, x):
        return self.pool.apply_async(f, (x,)).get

    def map(self, f, items, chunksize=None):
        return self.pool.map(f, items, chunksize)

    def close(self):
        self.pool.terminate()
        self.pool.join()


KINDS = {"Pool": Pool, "ProcessPoolExecutor": Executor}


def now():
    return time.perf_counter_ns()


def source(name, make):
    """A value that is made once."""
    if name not in _sources:
        _sources[name] = make()
    return _sources[name]


def check(right):
    if not right:
        raise ValueError("a wrong result")


def trip(pool, silence_ms, trips):
    """The median of single calls, in nanoseconds."""
    times = []
    for x in range(trips):
        time.sleep(silence_ms / 1000)
        before = now()
        y = pool.apply(step, x)
        times.append(now() - before)
        check(y == step(x))
    return sorted(times)[trips // 2]


def map_(pool, count):
    items = source("items", lambda: range(count))
    expected = source("mixed", lambda: [mix(x) for x in items])
    before = now()
    results = pool.map(mix, items)
    nanos = now() - before
    check(results == expected)
    return nanos


def strings(pool, count):
    items = source("strings", lambda: ["%020d" % i for i in range(count)])
    before = now()
    results = pool.map(len, items)
    nanos = now() - before
    check(results == [20] * count)
    return nanos


def tasks(pool, count):
    before = now()
    waits = [pool.submit(step, x) for x in range(count)]
    results = [wait() for wait in waits]
    nanos = now() - before
    check(results == [step(x) for x in range(count)])
    return nanos


def echoes(pool, f, blocks, make):
    before = now()
    results = pool.map(f, blocks, 1)
    nanos = now() - before
    check(results == make)
    return nanos


def bytes_(pool, count):
    blocks = source("bytes", lambda: [bytes([i]) * (4 << 20) for i in range(count)])
    return echoes(pool, echo, blocks, blocks)


def floats(pool, count):
    make = lambda: [array.array("d", [i]) * (4 << 17) for i in range(count)]
    blocks = source("floats", make)
    return echoes(pool, echo, blocks, blocks)


def length(pool, count):
    blocks = source("bytes", lambda: [bytes([i]) * (4 << 20) for i in range(count)])
    return echoes(pool, len, blocks, [4 << 20] * count)


def walks(pool, *steps):
    """How many times the work by one process, divided by the workers, it takes."""
    before = now()
    expected = [walk(n) for n in steps]
    ideal = (now() - before) / WORKERS
    before = now()
    results = pool.map(walk, list(steps), 1)
    nanos = now() - before
    check(results == expected)
    return nanos / ideal


def crashes(_, next_too):
    """From the call that crashes to its error, or to the next result of a new pool."""
    pool = KIND(1)
    check(pool.apply(step, 1) == step(1))
    before = now()
    failed = False
    try:
        pool.submit(crash, 0)()
    except concurrent.futures.process.BrokenProcessPool:
        failed = True
    nanos = now() - before
    check(failed)
    if next_too:
        pool.close()
        pool = KIND(1)
        check(pool.apply(step, 1) == step(1))
        nanos = now() - before
    pool.close()
    return nanos


def answer_fresh(connection, x):
    connection.send(step(x))


def fresh(_, count):
    """The median time of a process for one call."""
    times = []
    for x in range(count):
        before = now()
        here, there = multiprocessing.Pipe()
        process = multiprocessing.Process(target=answer_fresh, args=(there, x))
        process.start()
        y = here.recv()
        process.join()
        times.append(now() - before)
        check(y == step(x))
    return sorted(times)[count // 2]


def queue(_, count):
    """Bytes of this process for each task behind one that sleeps."""
    pool = KIND(1)
    check(pool.apply(step, 1) == step(1))
    page = resource.getpagesize()
    memory = lambda: int(open("/proc/self/statm").read().split()[1]) * page
    before = memory()
    waits = [pool.submit(time.sleep, 2)] + [pool.submit(step, x) for x in range(count)]
    grown = memory() - before
    for wait in waits:
        wait()
    pool.close()
    return grown / count


def worker(pool):
    """The process id of a worker."""
    return pool.apply(pid, 0)


def pid(_):
    return os.getpid()


COMMANDS = {
    "trip": trip,
    "map": map_,
    "strings": strings,
    "tasks": tasks,
    "bytes": bytes_,
    "floats": floats,
    "length": length,
    "walks": walks,
    "crash": crashes,
    "fresh": fresh,
    "queue": queue,
    "worker": worker,
}


def start():
    """What the row `start` measures from outside: two workers, a map of ten, the end."""
    pool = KIND(WORKERS)
    check(pool.map(step, range(10)) == [step(x) for x in range(10)])
    pool.close()


def serve():
    pool = KIND(WORKERS)
    # All workers have started and done something before anything is measured.
    pool.map(step, range(100), 1)
    for line in sys.stdin:
        name, *numbers = line.split()
        try:
            print(COMMANDS[name](pool, *map(int, numbers)), flush=True)
        except Exception as error:
            print("error", repr(error), flush=True)
    pool.close()


KIND, WORKERS = KINDS[sys.argv[1]], int(sys.argv[2])
if __name__ == "__main__":
    start() if sys.argv[3:] == ["start"] else serve()
