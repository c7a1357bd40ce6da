#!/usr/bin/env python3
"""Goldens of tests/tokenizer_golden_test.cpp: what the reference tokenizers make of the shared texts.

    python3 -m venv VENV && VENV/bin/pip install tokenizers sentencepiece gguf
    VENV/bin/python tools/goldens/tokenizer_ids.py SHARED tests/testdata/tokenizers

Trains three small tokenizers of kinds that the shared material lacks (unigram, wordpiece, byte-fallback BPE) and writes
them as <name>.json, and goldens.json: for each tokenizer and text, for each chunk of 64 KiB (cut before the next
character, each chunk encoded by itself, without special tokens), the number of ids and their 64-bit FNV-1a hash (over
the ids as little-endian int32). gpt2, llama3 and qwen2 are made into `tokenizers` objects on the fly from the shared
vocabularies.
"""

import argparse
import base64
import json
import pathlib

import gguf
import sentencepiece
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

CHUNK = 64 << 10
TEXTS = ["wiki.test.raw", "calibration_datav3.txt"] + [
    f"exl3_cal_{name}.utf8" for name in ("c4", "code", "multilingual", "technical", "tiny", "wiki")]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def byte_characters():
    """GPT-2's characters for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def from_ranks(path, pattern, normalizer):
    """Ranks in tiktoken's form, as `tokenizers` has it: every split of a token into two others is a merge."""
    characters = byte_characters()
    ranks = {}
    for line in path.read_text().splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    merges = []
    for token, rank in ranks.items():
        splits = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        merges += [(rank, ranks[left], ranks[right], left, right) for left, right in splits]
    spell = lambda token: "".join(characters[byte] for byte in token)
    vocab = {spell(token): rank for token, rank in ranks.items()}
    ordered = [(spell(left), spell(right)) for _, _, _, left, right in sorted(merges, key=lambda m: m[:3])]
    tokenizer = Tokenizer(models.BPE(vocab, ordered, ignore_merges=True))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return tokenizer


def from_gpt2_gguf(path):
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def train_unigram(texts):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.train_from_iterator(
        texts, trainers.UnigramTrainer(vocab_size=3000, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>",
                                       show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def train_wordpiece(texts):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=4000, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
                                         limit_alphabet=300, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def train_gemma_like(texts):
    """BPE with byte fallback over whole texts, spaces as U+2581: as Gemma's and Llama 2's files have it."""
    alphabet = sorted({c for text in texts for c in text.replace(" ", "\u2581") if ord(c) < 0x3000})[:400]
    trained = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    trained.normalizer = normalizers.Replace(" ", "\u2581")
    trained.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")  # for training only
    trained.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=4000, special_tokens=["<pad>", "<eos>", "<bos>", "<unk>"] +
                                   [f"<0x{byte:02X}>" for byte in range(256)], limit_alphabet=400,
                                   initial_alphabet=alphabet, show_progress=False))
    state = json.loads(trained.to_str())
    state["pre_tokenizer"] = None
    state["added_tokens"] = [token for token in state["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken("<start_of_turn>", normalized=False), AddedToken("<end_of_turn>")])
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    return tokenizer


def chunks(data):
    begin = 0
    while begin < len(data):
        end = min(begin + CHUNK, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end += 1
        yield data[begin:end].decode("utf-8", errors="replace")
        begin = end


def fnv1a(ids):
    value = 0xCBF29CE484222325
    for token in ids:
        for byte in token.to_bytes(4, "little"):
            value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("shared", type=pathlib.Path)
    arguments.add_argument("out", type=pathlib.Path)
    options = arguments.parse_args()
    shared, out = options.shared, options.out
    out.mkdir(parents=True, exist_ok=True)

    read = lambda name: (shared / "text" / name).read_bytes()
    sample = [read(name)[:300_000].decode(errors="ignore") for name in ("exl3_cal_c4.utf8", "exl3_cal_multilingual.utf8",
                                                                       "exl3_cal_code.utf8", "exl3_cal_wiki.utf8")]
    lines = [line for text in sample for line in text.splitlines()]
    for name, train in (("unigram", train_unigram), ("wordpiece", train_wordpiece), ("gemma_like", train_gemma_like)):
        state = json.loads(train(lines).to_str())
        if name == "unigram":  # `tokenizers` reads numbers of 16 digits with an error in the last place, which decides ties
            state["model"]["vocab"] = [[piece, round(score, 6)] for piece, score in state["model"]["vocab"]]
        (out / f"{name}.json").write_text(json.dumps(state, ensure_ascii=False, separators=(",", ":")) + "\n")

    folder = shared / "tokenizers"
    tokenizers = {name: Tokenizer.from_file(str(out / f"{name}.json")) for name in ("unigram", "wordpiece", "gemma_like")}
    for model in ("stories260K", "babyllama105"):
        tokenizers[model] = Tokenizer.from_file(str(shared / "models/llm" / model / "tokenizer.json"))
    tokenizers["smollm2"] = Tokenizer.from_file(str(folder / "smollm2_tokenizer.json"))
    tokenizers["gpt2"] = from_gpt2_gguf(folder / "ggml-vocab-gpt-2.gguf")
    tokenizers["llama3"] = from_ranks(folder / "llama3_ranks.tiktoken", LLAMA3, None)
    tokenizers["qwen2"] = from_ranks(folder / "qwen.tiktoken", QWEN2, normalizers.NFC())
    encoders = {name: (lambda text, t=t: t.encode(text, add_special_tokens=False).ids) for name, t in tokenizers.items()}
    for name, path in (("llama2_sp", folder / "llama2_tokenizer.model"),
                       ("babyllama105_sp", shared / "models/llm/babyllama105/tokenizer.model")):
        encoders[name] = sentencepiece.SentencePieceProcessor(model_file=str(path)).encode

    goldens = {}
    for name, encode in encoders.items():
        goldens[name] = {}
        for text in TEXTS:
            parts = [encode(part) for part in chunks(read(text))]
            goldens[name][text] = {"counts": [len(ids) for ids in parts],
                                   "fnv1a": fnv1a([token for ids in parts for token in ids])}
            print(name, text, len(parts), sum(map(len, parts)), flush=True)
    rows = [f'"{name}": {{\n' + ",\n".join(f'  "{text}": {json.dumps(value, separators=(",", ":"))}'
                                           for text, value in texts.items()) + "}" for name, texts in goldens.items()]
    (out / "goldens.json").write_text("{" + ",\n".join(rows) + "}\n")


if __name__ == "__main__":
    main()
