#!/usr/bin/env python3
"""Drives the program as a user does: run and chat, their JSON, their errors and exit codes.

Usage: command_line_test.py HALFTONE SOURCE_DIR. Uses the shared small models where they are, and zoo/llm.
"""

import json
import os
import pty
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from tiny_gguf import write_gguf

PROGRAM = Path(sys.argv[1]).resolve()
SOURCE = Path(sys.argv[2]).resolve()
SHARED = Path(os.environ.get("HALFTONE_SHARED", SOURCE / ".." / "shared")) / "models" / "llm"
STORIES = SHARED / "stories260K"
ZOO = SOURCE / "zoo" / "llm"
MODEL = ZOO if (ZOO / "config.json").exists() else STORIES

needs_stories = unittest.skipUnless(STORIES.exists(), "no shared material: stories260K")
needs_model = unittest.skipUnless((MODEL / "config.json").exists(), "neither zoo/llm nor stories260K is here")


def halftone(*arguments, text=None):
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], input=text, capture_output=True, encoding="utf-8", timeout=300
    )


def npy_ids(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<H", data[8:10])
    body = data[10 + length :]
    return list(struct.unpack(f"<{len(body) // 8}q", body))


class Program(unittest.TestCase):
    def fails(self, code, *arguments, saying=()):
        result = halftone(*arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertTrue(lines[0].startswith("halftone: error: "), lines[0])
        for part in saying:
            self.assertIn(part, lines[0])


class Frame(Program):
    def test_help_has_an_example_for_each_command(self):
        top = halftone("--help")
        self.assertEqual(top.returncode, 0)
        self.assertIn("Exit codes", top.stdout)
        for command in ("run", "chat"):
            help_text = halftone(command, "--help")
            self.assertEqual(help_text.returncode, 0)
            self.assertIn("Example", help_text.stdout)

    def test_version(self):
        self.assertRegex(halftone("--version").stdout, r"^halftone \d+\.\d+\.\d+\n$")

    def test_usage_errors(self):
        self.assertEqual(halftone().returncode, 2)
        self.fails(2, "rnu", saying=["did you mean 'run'"])
        self.fails(2, "run", saying=["--model"])
        self.fails(2, "run", "-m", "x", "-p", "x", "--bogus", saying=["--bogus"])
        self.fails(2, "run", "-m", "x", "-p", "x", "--kv", "int3", saying=["int3", "int8"])
        self.fails(2, "run", "-m", "x", "-p", "x", "--device", "tpu", saying=["cpu, cuda"])
        self.fails(2, "run", "-m", "x", "-p", "x", "--isa", "sse9", saying=["sse9"])

    def test_unsupported_device(self):
        self.fails(4, "run", "-m", "x", "-p", "x", "--device", "cuda:1", saying=["cuda:1"])

    def test_missing_model(self):
        self.fails(3, "run", "-m", "no/such/model", "-p", "x", saying=["no/such/model"])
        with tempfile.TemporaryDirectory() as folder:
            self.fails(3, "run", "-m", folder, "-p", "x", saying=[folder])
            broken = Path(folder) / "model.gguf"
            broken.write_bytes(b"GGUF\x03\0\0\0" + b"\xff" * 40)
            self.fails(3, "run", "-m", broken, "-p", "x", saying=["model.gguf"])


@needs_model
class Run(Program):
    def run_json(self, *arguments, model=MODEL):
        result = halftone("run", "-m", model, "--json", *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_json_keys(self):
        found = self.run_json("-p", "Once upon a time", "-n", 12, "--temp", 0)
        for key in ("text", "token_ids", "prompt", "prompt_tokens", "ttft_ms", "tpot_ms", "peak_memory_bytes"):
            self.assertIn(key, found)
        self.assertEqual(found["prompt"], "Once upon a time")
        self.assertEqual(len(found["token_ids"]), 12)
        self.assertEqual(found["stop_reason"], "max_tokens")
        self.assertGreater(found["peak_memory_bytes"], 1 << 20)

    def test_text_is_streamed_to_standard_output(self):
        expected = self.run_json("-p", "Once upon a time", "-n", 12, "--temp", 0)["text"]
        result = halftone("run", "-m", MODEL, "-p", "Once upon a time", "-n", 12, "--temp", 0)
        self.assertEqual(result.stdout, expected + "\n")
        for word in ("TTFT", "TPOT", "tokens/s", "memory"):
            self.assertIn(word, result.stderr)

    def test_prompt_from_file_and_standard_input(self):
        expected = self.run_json("-p", "A dog", "-n", 8, "--temp", 0)["token_ids"]
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("A dog")
            file.flush()
            self.assertEqual(self.run_json("-f", file.name, "-n", 8, "--temp", 0)["token_ids"], expected)
        piped = halftone("run", "-m", MODEL, "--json", "-n", 8, "--temp", 0, text="A dog")
        self.assertEqual(json.loads(piped.stdout)["token_ids"], expected)

    def test_seeds(self):
        once = self.run_json("-p", "The", "-n", 30, "--temp", 1.2, "--seed", 5)
        again = self.run_json("-p", "The", "-n", 30, "--temp", 1.2, "--seed", 5)
        other = self.run_json("-p", "The", "-n", 30, "--temp", 1.2, "--seed", 6)
        self.assertEqual(once["token_ids"], again["token_ids"])
        self.assertNotEqual(once["token_ids"], other["token_ids"])
        self.assertEqual(once["seed"], 5)

    @unittest.skipUnless(MODEL == ZOO, "no zoo/llm")
    def test_guesses_change_nothing_but_are_told(self):
        question = ("-p", "Once upon a time there was a king. Once upon", "-n", 40, "--seed", 3, "--temp", 0.7)
        plain = self.run_json(*question)
        self.assertNotIn("speculation", plain)
        for by in ("ngram", SOURCE / "zoo" / "llm-draft"):
            found = self.run_json(*question, "--speculate", by)
            self.assertEqual(found["token_ids"], plain["token_ids"])
            self.assertGreater(found["speculation"]["guessed_tokens"], 0)
            self.assertLessEqual(found["speculation"]["accepted_tokens"], found["speculation"]["guessed_tokens"])
        told = halftone("chat", "-m", MODEL, "-n", 20, "--speculate", "ngram", "--seed", 1, text="Hello\n/stats\n")
        self.assertIn("guesses right", told.stderr)
        self.fails(3, "run", "-m", MODEL, "-p", "x", "--speculate", "no/such", saying=["no/such"])
        self.fails(2, "run", "-m", MODEL, "-p", "x", "--speculate", "ngram", "--draft-tokens", 8, saying=["8"])

    @unittest.skipUnless(MODEL == ZOO, "no zoo/llm")
    @needs_stories
    def test_a_draft_model_of_another_vocabulary_is_refused(self):
        self.fails(3, "run", "-m", MODEL, "-p", "x", "--speculate", STORIES, saying=["vocabulary"])

    @unittest.skipUnless(MODEL == ZOO, "no zoo/llm")
    def test_bench_tells_what_guesses_gain(self):
        result = halftone("bench", "-m", MODEL, "--speculate", "ngram", "-n", 24, "-r", 1, "--json")
        rows = json.loads(result.stdout)["rows"]
        self.assertEqual([row["text"] for row in rows], ["repetitive", "plain"])
        for row in rows:
            self.assertGreater(row["gain"], 0)

    def test_the_plan_cache_is_listed_and_cleared(self):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder) / "plans"
            empty = json.loads(halftone("cache", "list", "--plan-cache", cache, "--json").stdout)
            self.assertEqual((empty["folder"], empty["entries"]), (str(cache), []))
            self.assertFalse(cache.exists(), "looking for a cache makes none")
            question = ("-p", "Once upon a time", "-n", 8, "--temp", 0, "--plan-cache", cache)
            first, second = self.run_json(*question), self.run_json(*question)
            self.assertEqual(first["token_ids"], second["token_ids"])
            listed = json.loads(halftone("cache", "list", "--plan-cache", cache, "--json").stdout)
            self.assertLessEqual(len(listed["entries"]), 1)
            self.assertIn(" plan", halftone("cache", "list", "--plan-cache", cache).stdout)
            cleared = json.loads(halftone("cache", "clear", "--plan-cache", cache, "--json").stdout)
            self.assertEqual(cleared["freed_bytes"], listed["bytes"])
            os.chmod(cache, 0o777)
            self.fails(5, "cache", "list", "--plan-cache", cache, saying=["nobody else"])
            self.fails(5, "run", "-m", MODEL, "-p", "x", "--plan-cache", cache, saying=["nobody else"])
        self.fails(2, "cache", saying=["list, clear"])
        self.fails(2, "cache", "lits", saying=["did you mean 'list'", "halftone cache --help"])

    def test_stop_string(self):
        whole = self.run_json("-p", "Once upon a time", "-n", 40, "--temp", 0)["text"]
        stop = whole[10:14]
        found = self.run_json("-p", "Once upon a time", "-n", 40, "--temp", 0, "--stop", stop)
        self.assertEqual(found["text"], whole[: whole.index(stop)])
        self.assertEqual(found["stop_reason"], "stop_string")

    def test_kv_formats_and_threads_run(self):
        for kv in ("f32", "f16", "bf16", "int8", "int8-channel", "int4"):
            self.assertEqual(len(self.run_json("-p", "One", "-n", 5, "--temp", 0, "--kv", kv, "-t", 1)["token_ids"]), 5)

    def test_prompt_longer_than_the_context(self):
        self.fails(3, "run", "-m", MODEL, "-p", "one two three four five six", "-c", 4, saying=["context holds 4"])

    def test_explain_names_kernels(self):
        result = halftone("run", "-m", MODEL, "-p", "One", "-n", 1, "--explain")
        self.assertIn("PagedAttention", result.stderr)

    def test_flags_as_llama_cpp_has_them(self):
        once = self.run_json("-p", "Once upon", "--n-predict", 6, "--ctx-size", 64, "--seed", 7)
        self.assertEqual(len(once["token_ids"]), 6)
        self.assertEqual(once["seed"], 7)
        whole = self.run_json("-p", "Once upon", "-n", -1, "-c", 32, "--seed", -1, "--reverse-prompt", "@@@@")
        self.assertIn(whole["stop_reason"], ("context_full", "end_token"))
        self.assertNotEqual(whole["seed"], self.run_json("-p", "Once", "-n", 1, "--seed", -1)["seed"])
        self.fails(2, "run", "-m", MODEL, "-p", "x", "-n", -2, saying=["--max-tokens"])

    def test_what_changes_codes_but_no_encoding_is_not_found_in_the_plan_cache(self):
        rules = 'rules: [{match: "*", weights: {format: int4, group: 32}}]\n'
        with tempfile.TemporaryDirectory() as folder:
            found = {}
            for name, algorithms in (("nearest", "[rtn]"), ("searched", "[{rtn: {search_scales: true}}]")):
                recipe = Path(folder) / f"{name}.yaml"
                recipe.write_text(f"name: w4\nalgorithms: {algorithms}\n{rules}")
                arguments = ("eval", "ppl", "-m", MODEL, "--recipe", recipe, "--text", SOURCE / "zoo/prompts.txt", "--json")
                fresh = json.loads(halftone(*arguments, "--no-plan-cache").stdout)["nll"]
                for _ in range(2):
                    found[name] = json.loads(halftone(*arguments, "--plan-cache", Path(folder) / "plans").stdout)["nll"]
                    self.assertEqual(found[name], fresh)
            self.assertNotEqual(found["nearest"], found["searched"])

    def test_what_config_says_of_packed_weights_counts_in_the_plan_cache(self):
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "gptq"
            halftone("export", "-m", MODEL, "--recipe", "rtn-w4g32-affine", "--format", "gptq", "-o", model)
            said = []
            for version in ("gptq", "gptq_v2"):
                config = json.loads((model / "config.json").read_text())
                config["quantization_config"]["checkpoint_format"] = version
                (model / "config.json").write_text(json.dumps(config))
                arguments = ("eval", "ppl", "-m", model, "--text", SOURCE / "zoo/prompts.txt", "--json")
                said.append(json.loads(halftone(*arguments, "--plan-cache", Path(folder) / "plans").stdout)["nll"])
                self.assertEqual(said[-1], json.loads(halftone(*arguments, "--no-plan-cache").stdout)["nll"])
            self.assertNotEqual(said[0], said[1])

    def test_ctrl_c_ends_a_loop_around_it_too(self):
        with subprocess.Popen([PROGRAM, "run", "-m", MODEL, "--raw", "-p", "Once", "-n", "0", "--stop", "@@@@", "--temp", "5"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            run.stdout.read(1)
            run.send_signal(signal.SIGINT)
            told = run.communicate(timeout=60)[1]
        if b"context_full" not in told and b"end_token" not in told:
            self.assertEqual(run.returncode, -signal.SIGINT)
            self.assertIn(b"cancelled", told)

    def test_without_standard_files_nothing_is_written_where_they_were(self):
        with tempfile.TemporaryDirectory() as folder:
            for closed, code in (("2>&-", 0), ("<&-", 0), (">&-", 5), ("<&- 2>&-", 0)):
                out = Path(folder) / "w8"
                line = f'"{PROGRAM}" quantize -m "{MODEL}" --recipe rtn-w8 --no-eval -o "{out}" {closed}'
                done = subprocess.run(["sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
                self.assertEqual(done.returncode, code, (closed, done.stderr))
                self.assertEqual(halftone("run", "-m", out, "-p", "x", "-n", 1).returncode, 0)

    def test_a_model_that_is_cut_short_while_it_is_in_use(self):
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model"
            shutil.copytree(MODEL, model)
            with subprocess.Popen([PROGRAM, "chat", "-m", model, "-n", "2", "--no-plan-cache", "--chat-template", "plain"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as chat:
                chat.stdin.write(b"Hello\n")
                chat.stdin.flush()
                chat.stdout.read(1)
                os.truncate(model / "model.safetensors", 100)
                told = chat.communicate(b"zebra\n" * 9, timeout=60)[1]
            self.assertEqual(chat.returncode, 3)
            self.assertIn(b"cut short", told)

    def test_threads_that_cannot_be_had(self):
        little = lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
        done = subprocess.run([PROGRAM, "run", "-m", MODEL, "-p", "x", "-n", "1", "-t", "1024", "--no-plan-cache"],
                              capture_output=True, text=True, timeout=60, preexec_fn=little)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("of 1024 threads", done.stderr)

    def test_sampling_out_of_range(self):
        self.fails(2, "run", "-m", MODEL, "-p", "x", "--top-p", 7, saying=["top-p"])
        self.fails(2, "run", "-m", MODEL, "-p", "x", "--temp", -1, saying=["temperature"])

    def test_full_disk(self):
        if not Path("/dev/full").exists():
            self.skipTest("no /dev/full")
        with open("/dev/full", "w") as full:
            result = subprocess.run(
                [PROGRAM, "run", "-m", MODEL, "-p", "x", "-n", "3"], stdout=full, stderr=subprocess.PIPE, timeout=300
            )
        self.assertEqual(result.returncode, 5)


def golden(i):
    """A prompt's text, its number of tokens, and what follows it greedily."""
    vocabulary = json.loads((STORIES / "tokenizer.json").read_text())["model"]["vocab"]
    pieces = {number: piece for piece, number in vocabulary.items()}
    prompt = npy_ids(SHARED / "golden" / f"stories260K_{i}_input_ids.npy")
    greedy = npy_ids(SHARED / "golden" / f"stories260K_{i}_greedy_ids.npy")
    text = "".join(pieces[number] for number in prompt[1:]).replace("\u2581", " ")[1:]
    return text, len(prompt), greedy[len(prompt) :]


@needs_stories
class Golden(Program):
    def check(self, model, i):
        text, length, expected = golden(i)
        result = halftone("run", "-m", model, "--json", "-p", text, "-n", len(expected), "--temp", 0)
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads(result.stdout)
        self.assertEqual(found["prompt_tokens"], length)
        self.assertEqual(found["token_ids"], expected)

    def test_greedy_text_is_the_golden_text(self):
        for i in (0, 1):
            self.check(STORIES, i)

    def test_so_it_is_from_a_gguf_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "stories.gguf"
            write_gguf(STORIES, path)
            self.check(path, 0)

    def test_a_gguf_file_brings_its_chat_template(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "stories.gguf"
            write_gguf(STORIES, path, "{{ bos_token }}{% for m in messages %}{{ m.content[:4] }}{% endfor %}")
            short = json.loads(halftone("run", "-m", path, "--json", "-p", "Once upon a time", "-n", 5).stdout)
            whole = json.loads(halftone("run", "-m", path, "--raw", "--json", "-p", "Once upon a time", "-n", 5).stdout)
            self.assertLess(short["prompt_tokens"], whole["prompt_tokens"])

    def test_a_quantized_folder_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "w8"
            quantized = halftone("quantize", "-m", STORIES, "-o", out, "--recipe", "rtn-w8")
            self.assertEqual(quantized.returncode, 0, quantized.stderr)
            text, length, _ = golden(0)
            found = json.loads(halftone("run", "-m", out, "--json", "-p", text, "-n", 20, "--temp", 0).stdout)
            self.assertEqual(found["prompt_tokens"], length)
            self.assertIn("park", found["text"])


@needs_model
@needs_model
class Export(Program):
    def test_what_is_exported_runs_as_it_is(self):
        with tempfile.TemporaryDirectory() as folder:
            for format, recipe in (("awq", "rtn-w4g32-affine"), ("gptq", "rtn-w4g32"), ("compressed-tensors", "rtn-w8")):
                out = Path(folder) / format
                result = halftone("export", "-m", MODEL, "--recipe", recipe, "--format", format, "-o", out, "--json")
                self.assertEqual(result.returncode, 0, result.stderr)
                report = json.loads(result.stdout)
                self.assertIn("model.layers.0.mlp.up_proj", report["packed"])
                self.assertEqual(json.loads((out / "config.json").read_text())["quantization_config"]["quant_method"], format)
                run = halftone("run", "-m", out, "-p", "Once", "-n", 4, "--temp", 0, "--explain")
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertIn("gemm_int", run.stdout + run.stderr)

    def test_a_gguf_file_says_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "model.gguf"
            said = json.loads(halftone("run", "-m", MODEL, "-p", "Once", "-n", 8, "--temp", 0, "--json", "--exact").stdout)
            for type in ("f32", "q8_0"):
                result = halftone("export", "-m", MODEL, "--format", "gguf", "--type", type, "-o", out, "--json")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertTrue(json.loads(result.stdout)["encoding"].startswith(type.upper()))
                run = json.loads(halftone("run", "-m", out, "-p", "Once", "-n", 8, "--temp", 0, "--json", "--exact").stdout)
                self.assertEqual(run["prompt_tokens"], said["prompt_tokens"])
                if type == "f32":
                    self.assertEqual(run["text"], said["text"])
            self.fails(2, "export", "-m", MODEL, "--format", "gguf", "--type", "q5_0", "-o", out, saying=["gguf has f32, f16"])
            self.fails(2, "export", "-m", MODEL, "--format", "awq", "--type", "q4_0", "-o", out, saying=["awq has no types"])

    def test_quantize_writes_another_tools_format(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "awq"
            result = halftone("quantize", "-m", MODEL, "--recipe", "rtn-w4g32-affine", "--format", "awq", "-o", out, "--json",
                              "--eval-text", SOURCE / "zoo/prompts.txt")
            self.assertEqual(result.returncode, 0, result.stderr)
            receipt = json.loads(result.stdout)
            self.assertIn("in awq, 1 in floating point (model.embed_tokens); read back and found equal", receipt["remarks"][0])
            self.assertEqual(json.loads((out / "report.json").read_text())["remarks"], receipt["remarks"])
            # What was measured is what was written.
            weights = (out / "model.safetensors").stat().st_size
            self.assertLess(abs(receipt["bytes_after"] / weights - 1), 0.03)
            self.fails(4, "quantize", "-m", MODEL, "--recipe", "gptq-w3g128", "--format", "awq", "--calib", SOURCE / "zoo/heldout.txt",
                       "-o", out / "no", saying=["AWQ's format holds"])

    def test_a_folder_that_halftone_did_not_write_stays(self):
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model"
            shutil.copytree(MODEL, model)
            (model / "thesis.txt").write_text("years")
            before = {path.name: path.read_bytes() for path in model.iterdir()}
            export = ("export", "-m", model, "--recipe", "rtn-w4g32", "--format", "gptq", "-o")
            self.fails(3, *export, model, saying=["was not written by Halftone"])
            quantize = ("quantize", "-m", model, "--recipe", "gptq-w4g128", "--calib", SOURCE / "zoo/heldout.txt", "-o", model)
            self.fails(3, *quantize, saying=["was not written by Halftone"])
            self.fails(3, *quantize, "--format", "gptq", saying=["was not written by Halftone"])
            self.assertEqual({path.name: path.read_bytes() for path in model.iterdir()}, before)
            self.assertEqual([path.name for path in Path(folder).iterdir()], ["model"])
            for _ in range(2):  # its own folder is replaced
                self.assertEqual(halftone(*export, Path(folder) / "own").returncode, 0)

    def test_what_a_format_cannot_hold_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            self.fails(4, "export", "-m", MODEL, "--recipe", "rtn-w8", "--format", "awq", "-o", out, saying=["AWQ's format holds int4"])
            self.fails(4, "export", "-m", MODEL, "--format", "awq", "-o", out, saying=["no layer is quantized"])
            self.fails(2, "export", "-m", MODEL, "--recipe", "rtn-w8", "--format", "awk", "-o", out, saying=["did you mean 'awq'?"])
            self.assertFalse(out.exists())


class Chat(Program):
    def test_a_conversation(self):
        with tempfile.TemporaryDirectory() as folder:
            saved = Path(folder) / "talk.json"
            lines = f"Hello\n/stats\nMore\n/save {saved}\n/reset\nAgain\n/quit\nnever\n"
            result = halftone("chat", "-m", MODEL, "-n", 10, "--temp", 0, "--chat-template", "plain", text=lines)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("TTFT", result.stderr)
            messages = json.loads(saved.read_text())
            self.assertEqual([m["role"] for m in messages], ["user", "assistant"] * 2)
            self.assertEqual(messages[2]["content"], "More")

    def test_json_counts_reused_tokens(self):
        result = halftone(
            "chat", "-m", MODEL, "-n", 8, "--temp", 0, "--json", "--chat-template", "plain", text="Hello\nAnd then?\n"
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads(result.stdout)
        self.assertEqual(found["answers"], 2)
        self.assertGreater(found["reused_tokens"], 0)
        self.assertEqual(len(found["messages"]), 4)

    def test_old_turns_are_forgotten_when_the_context_is_full(self):
        lines = "Tell me about the big red dog in the park.\n" * 8
        result = halftone("chat", "-m", MODEL, "-n", 20, "-c", 96, "--temp", 0, "--chat-template", "plain", text=lines)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("were forgotten", result.stderr)

    def test_ctrl_c_does_not_end_the_program(self):
        for attempt in range(3):  # the answer may end just as Ctrl-C is on its way
            try:
                return self.interrupt_answer_and_prompt()
            except AssertionError:
                if attempt == 2:
                    raise

    def interrupt_answer_and_prompt(self):
        child, terminal = pty.fork()
        if child == 0:
            os.execv(PROGRAM, [str(PROGRAM), "chat", "-m", str(MODEL), "--chat-template", "plain"])

        seen = b""

        def wait_for(text, times=1):
            """Until all that the program has printed holds the text: an answer may end before Ctrl-C reaches it."""
            nonlocal seen
            while seen.count(text) < times:
                ready, _, _ = select.select([terminal], [], [], 15)
                self.assertTrue(ready, seen)
                try:
                    seen += os.read(terminal, 4096)
                except OSError:  # the program has ended
                    self.assertGreaterEqual(seen.count(text), times, seen)

        def wait_for_prompt(times):
            """And a second longer: a Ctrl-C between the prompt and the reading that follows it goes unnoticed, and the terminal
            forgets a line that was typed before it."""
            wait_for(b"> ", times)
            time.sleep(1)

        wait_for_prompt(1)
        os.write(terminal, b"Tell me a long story.\r")
        wait_for(b"story.\r\n")
        os.write(terminal, b"\x03")  # while it answers
        wait_for_prompt(2)
        os.write(terminal, b"\x03")  # at the prompt
        wait_for(b"leaves)")
        os.write(terminal, b"/quit\r")
        wait_for(b"TTFT")
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        os.close(terminal)

    def test_bad_templates(self):
        self.fails(2, "chat", "-m", MODEL, "--chat-template", "nothing", saying=["chatml"])
        with tempfile.NamedTemporaryFile("w", suffix=".jinja") as file:
            file.write("a\n{% if %}")
            file.flush()
            self.fails(3, "chat", "-m", MODEL, "--chat-template", file.name, saying=["line 2"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
