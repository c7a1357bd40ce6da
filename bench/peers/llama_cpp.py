#!/usr/bin/env python3
"""llama.cpp beside Halftone on the same shapes with random weights, by turns in one run.

    bench/peers/llama_cpp.py --halftone build/halftone [--shape llama-3.2-1b] [--types q4_0,q8_0,bf16]
                             [--recipe R] [-t 1,2] [-p 512] [-n 64] [-d 0] [--batches 1,2,4,8] [-r 5] [--work FOLDER]
                             [--source [--cmake-args=-DGGML_NATIVE=ON]] [--plain-buffers] [--short]

llama.cpp is Debian's (testing), unpacked to FOLDER/debian within a minute or two and not installed: it carries ggml's
kernels for every instruction set and takes the best that the processor has. That needs apt-get, and on Ubuntu the
package debian-archive-keyring. With --source it is built from the source package of llama-cpp-python instead (an hour on
two cores). The first call makes a virtual environment in FOLDER too and goes on in it.

A GGUF file of the shape is written once to FOLDER: every matrix, the embedding too, in the type asked for, its blocks
random bytes under small scales. Each round times Halftone (`bench --synthetic`, one repetition), then llama.cpp
(llama-bench, llama-batched-bench, their own warm-up before): a prompt of -p tokens, then -n single tokens, then -n
tokens of each of B texts side by side, behind -d tokens in the cache. Printed are the medians in tokens/s and the ratio
Halftone / llama.cpp: median of the rounds, least and most. Rows stand at the end; each round is told on standard error as it
ends, and what was taken until then makes the rows where the program is interrupted (Ctrl-C, SIGTERM) or one side fails.

--recipe takes another recipe of Halftone than that of as many bits (W4g128 beside Q4_0, say).

--short stands for -t 2 -p 64 -n 8 -r 2: a look of a minute and a half a type at the 1B shape, not a measurement.

--plain-buffers keeps llama.cpp from repacking weights (its "extra buffers"): slower, but on a processor with AMX the
version of 2026-11 crashes in the first run of several tokens without it.
"""

import argparse
import ctypes
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

SHAPES = {
    "llama-3.2-1b": dict(hidden=2048, inner=8192, layers=16, heads=32, kv=8, vocab=128256, tied=True, theta=5e5),
    "tinyllama-1.1b": dict(hidden=2048, inner=5632, layers=22, heads=32, kv=4, vocab=32000, tied=False, theta=1e4),
    "llama-3-8b": dict(hidden=4096, inner=14336, layers=32, heads=32, kv=8, vocab=128256, tied=False, theta=5e5),
}
# llama.cpp's type -> Halftone's recipe of as many bits ("": weights as the shape has them, bf16)
RECIPES = {"q4_0": "rtn-w4g32", "q8_0": "rtn-w8", "bf16": ""}


def enter_environment(work, source, cmake_args):
    """Makes the environment where it is missing, and goes on in it."""
    python = work / ("venv-source" if source else "venv") / "bin" / "python"
    if Path(sys.executable).absolute() == python.absolute():
        return
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
        package = ["--no-binary", "llama-cpp-python", "llama-cpp-python"] if source else []
        subprocess.run([python, "-m", "pip", "install", "--quiet", *package, "gguf", "numpy"], check=True,
                       env=os.environ | {"CMAKE_ARGS": cmake_args})
    os.execv(python, [str(python), *sys.argv])


def write_gguf(path, shape, type_name):
    import gguf
    import numpy as np

    kind = {"q4_0": gguf.GGMLQuantizationType.Q4_0, "q8_0": gguf.GGMLQuantizationType.Q8_0,
            "bf16": gguf.GGMLQuantizationType.BF16}[type_name]
    random = np.random.default_rng(1)

    def matrix(rows, columns):
        if type_name == "bf16":  # signs and mantissas at random, exponents of numbers near 1/64
            bits = random.integers(0, 1 << 16, (rows, columns), dtype=np.uint16) & 0x807F | 0x3C80
            return bits.view(np.uint8)
        block = {"q4_0": 18, "q8_0": 34}[type_name]
        data = random.integers(0, 256, (rows, columns // 32, block), dtype=np.uint8)
        data[:, :, :2] = np.frombuffer(np.float16(0.002).tobytes(), np.uint8)
        return data.reshape(rows, -1)

    writer = gguf.GGUFWriter(path, "llama")
    head = shape["hidden"] // shape["heads"]
    writer.add_context_length(8192)
    writer.add_embedding_length(shape["hidden"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["inner"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv"])
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(shape["theta"])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape["vocab"])
    writer.add_tokenizer_model("none")

    def norm(name):
        writer.add_tensor(name, np.ones(shape["hidden"], np.float32))

    def weights(name, rows, columns):
        writer.add_tensor(name, matrix(rows, columns), raw_dtype=kind)

    weights("token_embd.weight", shape["vocab"], shape["hidden"])
    norm("output_norm.weight")
    if not shape["tied"]:
        weights("output.weight", shape["vocab"], shape["hidden"])
    for layer in range(shape["layers"]):
        at = f"blk.{layer}."
        norm(at + "attn_norm.weight")
        norm(at + "ffn_norm.weight")
        weights(at + "attn_q.weight", shape["hidden"], shape["hidden"])
        weights(at + "attn_k.weight", shape["kv"] * head, shape["hidden"])
        weights(at + "attn_v.weight", shape["kv"] * head, shape["hidden"])
        weights(at + "attn_output.weight", shape["hidden"], shape["hidden"])
        weights(at + "ffn_gate.weight", shape["inner"], shape["hidden"])
        weights(at + "ffn_up.weight", shape["inner"], shape["hidden"])
        weights(at + "ffn_down.weight", shape["hidden"], shape["inner"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class DebianLlama:
    """The programs of Debian's packages; every call loads the model anew."""

    PACKAGES = ["llama.cpp-tools", "llama.cpp-tools-extra", "libllama0", "libggml0", "libc6", "libgcc-s1", "libstdc++6",
                "libgomp1", "libssl3t64", "zlib1g", "libzstd1"]

    def __init__(self, o, path, threads):
        self.options, self.path, self.threads = o, path, threads
        root = o.work / "debian"
        if not root.exists():
            unpacked = root.with_suffix(".tmp")
            shutil.rmtree(unpacked, ignore_errors=True)
            tool = Path(__file__).resolve().parents[2] / "tools" / "debian_packages.sh"
            print("llama.cpp: fetching Debian's packages", file=sys.stderr, flush=True)
            subprocess.run([tool, unpacked, "forky", "main", *self.PACKAGES], check=True, capture_output=True, text=True)
            unpacked.rename(root)
        self.programs = root / "usr" / "bin"
        kernels = next(root.glob("usr/lib/*/ggml/backends0"))
        self.libraries = kernels.parents[1]
        self.folder = kernels  # where ggml looks for kernels beside the place that they are installed to

    def call(self, program, *arguments):
        loader = next(self.libraries.glob("ld-linux-*"))
        command = [loader, "--library-path", f"{self.libraries}:{self.libraries / 'llama'}", self.programs / program, "-m",
                   self.path.resolve(), "-t", self.threads, *arguments]
        done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, cwd=self.folder)
        return done.stdout

    def measure(self):
        o = self.options
        speeds = {}
        repack = int(not o.plain_buffers)
        report = self.call("llama-bench", "-p", o.prompt, "-n", o.generated if 1 in o.batches else 0, "-d", o.depth, "-r", 1,
                           "--repack", repack, "-o", "json")
        for row in json.loads(report):
            kind = "pp" if row["n_prompt"] else "tg"
            speeds[test_name(kind, row["n_prompt"] or row["n_gen"], 1, o.depth)] = row["avg_ts"]
        several = [texts for texts in o.batches if texts > 1]
        if several:
            before = max(1, o.depth)
            report = self.call("llama-batched-bench", "-npp", before, "-ntg", o.generated, "-npl",
                               ",".join(map(str, several)), "-c", (before + o.generated) * max(several), "--output-format",
                               "jsonl", *([] if repack else ["--no-repack"]))
            for row in map(json.loads, filter(lambda line: line.startswith("{"), report.splitlines())):
                speeds[test_name("tg", o.generated, row["pl"], o.depth)] = row["speed_tg"]
        return speeds

    def close(self):
        pass


class SourceLlama:
    """llama-cpp-python's library: one model, one context."""

    def __init__(self, o, path, threads):
        here = Path(__file__).resolve().parent  # where this file would be found under the package's name
        sys.path = [folder for folder in sys.path if Path(folder).resolve() != here]
        import llama_cpp as api

        self.options, self.api = o, api
        self.quiet = api.llama_log_callback(lambda *_: None)
        api.llama_log_set(self.quiet, ctypes.c_void_p())
        api.llama_backend_init()
        loading = api.llama_model_default_params()
        loading.use_extra_bufts = not o.plain_buffers
        self.model = api.llama_model_load_from_file(str(path).encode(), loading)
        if not self.model:
            raise SystemExit(f"llama.cpp does not load {path}")
        options = api.llama_context_default_params()
        options.n_ctx = (512 + o.depth) * (1 + max(o.batches)) + o.prompt
        options.n_batch = options.n_ubatch = max(512, o.prompt)
        options.n_seq_max = max(o.batches)
        options.n_threads = options.n_threads_batch = threads
        options.kv_unified = True
        self.context = api.llama_init_from_model(self.model, options)
        self.batch = api.llama_batch_init(max(512, o.prompt), 0, 1)
        self.run([(1, 0, 0)])  # pages and threads

    def run(self, tokens):
        """tokens: (id, position, text) of one run; logits of the last token of each text."""
        last = {text: i for i, (_, _, text) in enumerate(tokens)}
        self.batch.n_tokens = len(tokens)
        for i, (token, position, text) in enumerate(tokens):
            self.batch.token[i] = token
            self.batch.pos[i] = position
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = text
            self.batch.logits[i] = int(last[text] == i)
        if self.api.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama.cpp: the run failed")
        self.api.llama_synchronize(self.context)

    def close(self):
        self.api.llama_batch_free(self.batch)
        self.api.llama_free(self.context)
        self.api.llama_model_free(self.model)

    def fill(self, texts):
        """Empties the cache, then puts the tokens of the depth into it for each text."""
        self.api.llama_memory_clear(self.api.llama_get_memory(self.context), True)
        for text in range(texts):
            for begin in range(0, self.options.depth, 512):
                self.run([(7 * i % 30000, i, text) for i in range(begin, min(begin + 512, self.options.depth))])

    def prefill(self, count):
        self.fill(1)
        start = time.perf_counter()
        self.run([(7 * i % 30000, self.options.depth + i, 0) for i in range(count)])
        return count / (time.perf_counter() - start)

    def decode(self, count, texts):
        self.fill(texts)
        self.run([(1, self.options.depth, text) for text in range(texts)])
        start = time.perf_counter()
        for i in range(count):
            self.run([(7 * i % 30000, self.options.depth + 1 + i, text) for text in range(texts)])
        return count * texts / (time.perf_counter() - start)

    def measure(self):
        o = self.options
        speeds = {test_name("pp", o.prompt, 1, o.depth): self.prefill(o.prompt)}
        for texts in o.batches:
            speeds[test_name("tg", o.generated, texts, o.depth)] = self.decode(o.generated, texts)
        return speeds


def test_name(kind, tokens, texts, depth):
    """As `halftone bench` names its tests."""
    return f"{kind}{tokens}" + (f" x{texts}" if texts > 1 else "") + (f" @ d{depth}" if depth else "")


def halftone(o, recipe, threads):
    command = [o.halftone, "bench", "--synthetic", o.shape, "-p", o.prompt, "-n", o.generated, "-d", o.depth, "-t", threads,
               "-r", 1, "--json", "--batch", ",".join(map(str, o.batches))]
    command += ["--recipe", recipe] if recipe else []
    report = json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout)
    return {row["test"]: row["tokens_per_s_median"] for row in report["rows"]}


def counts(text):
    values = [int(part) if part.isdecimal() else 0 for part in text.split(",")]
    if min(values) < 1:
        raise argparse.ArgumentTypeError(f'expected numbers of at least 1, separated by commas, found "{text}"')
    return values


def count(text):
    if "," in text:
        raise argparse.ArgumentTypeError(f'expected one number, found "{text}"')
    return counts(text)[0]


def kinds(text):
    for kind in text.split(","):
        if kind not in RECIPES:
            raise argparse.ArgumentTypeError(f'expected some of {", ".join(RECIPES)}, separated by commas, found "{kind}"')
    return text.split(",")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--halftone", default="build/halftone")
    parser.add_argument("--shape", default="llama-3.2-1b", choices=SHAPES)
    parser.add_argument("--types", default="q4_0,q8_0", type=kinds)
    parser.add_argument("--recipe", help="of Halftone, beside every type")
    parser.add_argument("-t", "--threads", default=[1, 2], type=counts)
    parser.add_argument("-p", "--prompt", default=512, type=count)
    parser.add_argument("-n", "--generated", default=64, type=count)
    parser.add_argument("-d", "--depth", default=0, type=int)
    parser.add_argument("--batches", default=[1], type=counts)
    parser.add_argument("-r", "--rounds", default=5, type=count)
    parser.add_argument("--work", default=Path.home() / ".cache" / "halftone-peers" / "llama.cpp", type=Path)
    parser.add_argument("--source", action="store_true", help="build llama-cpp-python from source")
    parser.add_argument("--cmake-args", default="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF", help="of that build")
    parser.add_argument("--plain-buffers", action="store_true")
    parser.add_argument("--short", action="store_true")
    o = parser.parse_args()
    if not shutil.which(o.halftone):
        parser.error(f"--halftone {o.halftone}: no such program; build it, or name another")
    if o.short:
        o.threads, o.prompt, o.generated, o.rounds = [2], 64, 8, 2
    o.work.mkdir(parents=True, exist_ok=True)
    enter_environment(o.work, o.source, o.cmake_args)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)

    taken = {}  # (type, threads, test) -> [(ours, theirs) of each round]
    try:
        for kind in o.types:
            path = o.work / f"{o.shape}-{kind}.gguf"
            if not path.exists():
                write_gguf(path.with_suffix(".tmp"), SHAPES[o.shape], kind)
                path.with_suffix(".tmp").rename(path)
            for threads in o.threads:
                compare(o, kind, path, threads, taken)
    except KeyboardInterrupt:
        print("interrupted: the rows are of the rounds that ended", file=sys.stderr)
    except SystemExit as error:  # llama.cpp failed
        print(error, file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"{error}\n{error.stderr}", file=sys.stderr)
    print_rows(taken)
    return 0 if taken else 1


interrupted = []


def interrupt(*_):
    """Is remembered besides: what is raised while llama.cpp calls back, as it does when it loads, is lost."""
    interrupted.append(True)
    raise KeyboardInterrupt


def compare(o, kind, path, threads, taken):
    """Rounds of one type with so many threads; each that ends is added to `taken`."""
    peer = (SourceLlama if o.source else DebianLlama)(o, path, threads)
    try:
        if interrupted:
            raise KeyboardInterrupt
        for number in range(o.rounds):
            ours = halftone(o, o.recipe or RECIPES[kind], threads)
            theirs = peer.measure()
            for test, speed in theirs.items():
                taken.setdefault((kind, threads, test), []).append((ours[test], speed))
            print(f"{kind}, {threads} threads, round {number + 1} of {o.rounds}: "
                  + ", ".join(f"{test} {ours[test]:.1f} / {speed:.1f}" for test, speed in theirs.items()),
                  file=sys.stderr, flush=True)
    finally:
        peer.close()


def print_rows(taken):
    print("| weights | threads | test | Halftone | llama.cpp | ratio | least .. most | rounds |\n"
          "|---|---|---|---|---|---|---|---|")
    for (kind, threads, test), pairs in taken.items():
        ours, theirs = zip(*pairs)
        ratios = [a / b for a, b in pairs]
        print(f"| {kind} | {threads} | {test} | {statistics.median(ours):.1f} | {statistics.median(theirs):.1f} | "
              f"{statistics.median(ratios):.2f} | {min(ratios):.2f} .. {max(ratios):.2f} | {len(pairs)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
