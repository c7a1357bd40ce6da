#!/usr/bin/env python3
"""How long a model takes to its first answer, beside reading its files, by turns in one run.

    bench/start.py MODEL [--halftone build/halftone] [--before OTHER_HALFTONE] [-t 2] [-r 8] [--pause 0] [--cold]

Each round runs, in an order that moves on from round to round:

    cat      reads all files of the folder into one small buffer, as `cat` does
    read N   reads them into fresh memory in huge pages, N threads: what a program must that keeps them
    first    `halftone run` with an empty plan cache: process start to the first byte of the answer, and to its end
    second   the same once more, the plan now in the cache
    none     the same with --no-plan-cache
    before * first and none of the program that --before names

Printed are milliseconds of all rounds and the medians. --pause waits so many seconds before each measurement: a
virtual machine's host may take free memory back meanwhile (free page reporting, ballooning) and is slow to return it.
--cold empties the page cache before each (root only). Standard library only; Linux.
"""

import argparse
import mmap
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

HUGE = 2 << 20


def in_child(measure):
    """Runs a measurement in a process of its own, so that its memory is fresh and is gone afterwards."""
    receive, send = os.pipe()
    if (child := os.fork()) == 0:
        os.write(send, repr(measure()).encode())
        os._exit(0)
    os.close(send)
    text = b""
    while part := os.read(receive, 4096):
        text += part
    os.close(receive)
    os.waitpid(child, 0)
    return float(text)


def read_files(files, threads, reuse):
    start = time.perf_counter()
    pieces = []
    for path in files:
        file, length = os.open(path, os.O_RDONLY), os.stat(path).st_size
        pieces += [(file, at, min(8 * HUGE, length - at)) for at in range(0, length, 8 * HUGE)]
    size = (1 if reuse else len(pieces)) * 8 * HUGE + HUGE
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if not reuse:
        memory.madvise(mmap.MADV_HUGEPAGE)
    view = memoryview(memory)
    waiting = iter(enumerate(pieces))
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                at = next(waiting, None)
            if at is None:
                return
            number, (file, offset, size) = at
            if reuse:
                for part in range(0, size, 128 << 10):
                    os.preadv(file, [view[: min(128 << 10, size - part)]], offset + part)
            else:
                os.preadv(file, [view[number * 8 * HUGE : number * 8 * HUGE + size]], offset)

    helpers = [threading.Thread(target=work) for _ in range(threads - 1)]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    return (time.perf_counter() - start) * 1000


def run_model(program, model, threads, cache):
    """Milliseconds to the first byte of the answer, and to the end of the process."""
    command = [program, "run", "-m", model, "-p", "Once", "-n", "1", "--temp", "0", "-t", str(threads)]
    command += ["--plan-cache", cache] if cache else ["--no-plan-cache"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.read(1)
        first = (time.perf_counter() - start) * 1000
        process.stdout.read()
        if process.wait() != 0:
            raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
    return first, (time.perf_counter() - start) * 1000


class Starts:
    """A first start and a second one, each with its cache."""

    def __init__(self, program, model, threads):
        self.program, self.model, self.threads, self.cache = program, model, threads, None

    def first(self):
        self.cache = tempfile.TemporaryDirectory(prefix="halftone-start-")
        return run_model(self.program, self.model, self.threads, self.cache.name)

    def second(self):
        return run_model(self.program, self.model, self.threads, self.cache.name)

    def none(self):
        return run_model(self.program, self.model, self.threads, None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--halftone", default="build/halftone")
    parser.add_argument("--before")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-r", "--rounds", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0)
    parser.add_argument("--cold", action="store_true")
    a = parser.parse_args()
    if not pathlib.Path(a.model).is_dir():
        parser.error(f"{a.model}: expected the folder of a model")
    for program in filter(None, (a.halftone, a.before)):
        if not shutil.which(program):
            parser.error(f"{program}: no such program; build it, or name another (--halftone, --before)")
    if min(a.threads, a.rounds) < 1:
        parser.error("-t and -r: expected at least 1")
    files = sorted(path for path in pathlib.Path(a.model).iterdir() if path.is_file())
    print(f"{a.model}: {sum(path.stat().st_size for path in files) / 1e6:.0f} MB, -t {a.threads}, pause {a.pause:g} s, "
          f"{'cold' if a.cold else 'warm'} page cache; milliseconds")

    groups = [[("cat", lambda: in_child(lambda: read_files(files, 1, True)))]]
    for n in sorted({1, a.threads}):
        groups.append([(f"read {n}", lambda n=n: in_child(lambda: read_files(files, n, False)))])
    for name, program in [("", a.halftone), ("before ", a.before)]:
        if program:
            starts = Starts(program, a.model, a.threads)
            groups.append([(name + "first", starts.first), (name + "second", starts.second)])
            groups.append([(name + "none", starts.none)])

    if not a.cold:
        read_files(files, 1, True)
    taken = {}
    for round_number in range(a.rounds):
        shift = round_number % len(groups)
        for name, measure in sum(groups[shift:] + groups[:shift], []):
            time.sleep(a.pause)
            if a.cold:
                os.sync()
                pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
            result = measure()
            parts = [(name, result)] if isinstance(result, float) else zip((name, name + ", end"), result)
            for part, milliseconds in parts:
                taken.setdefault(part, []).append(milliseconds)
    order = [name for group in groups for name, _ in group]
    for name in sum(([n, n + ", end"] for n in order), []):
        if rounds := taken.get(name):
            print(f"{name:18} {statistics.median(rounds):6.0f}   {' '.join(f'{x:.0f}' for x in rounds)}", flush=True)


if __name__ == "__main__":
    main()
