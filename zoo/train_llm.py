#!/usr/bin/env python3
"""Train the two miniature Llama models of this folder, from the corpus to the Hugging Face folders.

    python train_llm.py prepare                                  # tokenizer, token cache, heldout.txt, credits
    python train_llm.py train llm   --minutes 70                 # -> zoo/llm
    python train_llm.py train draft --minutes 20 --teacher zoo/llm   # -> zoo/llm-draft
    python train_llm.py eval zoo/llm                             # perplexity on heldout.txt
    python train_llm.py sample zoo/llm --prompt "Once upon a time"

The learning-rate schedule runs on measured time, not on steps: warm-up, plateau, linear decay to
zero, finished when --minutes of computing have passed or at --deadline, whichever comes first.
Time in which the process was stopped (SIGSTOP, a suspended machine) is not counted as computing.
Re-running `train` resumes from the newest checkpoint in --work.
"""
import argparse, fnmatch, json, math, os, re, time
from datetime import datetime
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

ZOO = Path(__file__).resolve().parent
BOS, EOS = "<|begin_of_text|>", "<|endoftext|>"
VOCAB = 4096

# ---------------------------------------------------------------------------------------- corpus
# Sources by name (first match wins) -> tier. Sources that match nothing are not used: questions
# and answers, dictionary entries, dialogue transcripts and textbooks would only thin out the stories.
TIERS = {
    "tales": ["story__african*", "story__pratham*", "story__*grimm*", "story__lang_*", "story__*perrault*",
              "story__*mother_goose*", "story__*andersen*", "story__*fairy_tales*", "story__l_frank_baum*",
              "story__aesop*", "story__*dragons*", "story__*potter*", "story__kipling_just*", "story__*dolittle*",
              "story__*pinocchio*", "story__brown*", "story__childrens*", "story__*ruskin*", "story__*happy_prince*",
              "story__australian*", "story__anonymous*", "story__george_macdonald*", "story__*rose_and_the_ring*"],
    "stories": ["story__*"],
    "novels": ["novel__*", "essay__*"],
}
MIX = {"tales": 0.75, "stories": 0.20, "novels": 0.05}   # share of the training windows

# Whole documents kept out of training (tokenizer included); heldout.txt is made of them.
# Household Tales that the other Grimm volume and the fairy books of the corpus do not retell, and one novella.
HELD_FILE = "story__grimm_household_tales_hunt_translation.txt"
HELD_WHOLE = ["story__l_frank_baum_a_kidnapped_santa_claus.txt"]
HELD_BYTES = 80_000
SHINGLE = 8                                                 # a tale sharing > 1 % of its 8-word runs is not held out


# Words of contempt in the old books: a short document that has one is dropped, a long one loses the paragraph.
UNKIND = re.compile(r"\b(?:nigg|negro|negress|darky|darkey|darkies|pickan|blackamoor|squaw|jew\b|jews\b|jewess|jewish)", re.I)


def kind(doc):
    if not UNKIND.search(doc):
        return doc
    return "" if len(doc) < 20_000 else "\n\n".join(p for p in doc.split("\n\n") if not UNKIND.search(p))


def read_corpus(path):
    """-> {source file: [documents]}; the .tsv beside the corpus lists sources in corpus order."""
    if str(path).endswith(".zst"):
        import zstandard
        with open(path, "rb") as f:
            text = zstandard.ZstdDecompressor().stream_reader(f).read().decode()
    else:
        text = Path(path).read_text()
    docs = text.split(EOS)
    out, i = {}, 0
    for line in (Path(path).parent / "corpus_sources.tsv").read_text().splitlines()[1:]:
        cols = line.split("\t")
        n = int(cols[4])
        out[cols[0]] = [k for d in docs[i:i + n] if (k := kind(d.strip()))]
        i += n
    return out


def tier_of(name):
    return next((t for t, pats in TIERS.items() if any(fnmatch.fnmatch(name, p) for p in pats)), None)


def credit(corpus):
    """sources.tsv: what was trained on, with licences; attribution.tsv: title and author of each CC BY story."""
    rows = ["file\tsource\tlicence\tbytes\tdocuments\ttier"]
    for line in (corpus.parent / "corpus_sources.tsv").read_text().splitlines()[1:]:
        name = line.split("\t")[0]
        if tier := "held out" if name in HELD_WHOLE else tier_of(name):
            rows.append(f"{line}\t{tier}")
    (ZOO / "sources.tsv").write_text("\n".join(rows) + "\n")
    (ZOO / "attribution.tsv").write_text("repository\tfile\ttitle\tauthors\tlicence\n" +
                                         (corpus.parent / "corpus_attribution.tsv").read_text())


def shingles(text):
    w = re.findall(r"[a-z']+", text.lower())
    return {hash(tuple(w[i:i + SHINGLE])) for i in range(len(w) - SHINGLE + 1)}


def split_corpus(sources, seed):
    """-> {tier: [documents]}, [held-out documents]."""
    tiers, held, candidates = {t: [] for t in TIERS}, [], []
    for name, docs in sources.items():
        if name in HELD_WHOLE:
            held += docs
            continue
        tier = tier_of(name)
        if name == HELD_FILE:
            candidates = docs
        elif tier:
            tiers[tier] += docs
    seen = set()
    for docs in tiers.values():
        for d in docs:
            seen |= shingles(d)
    order = np.random.default_rng(seed).permutation(len(candidates))
    size = 0
    for i in order:
        s = shingles(candidates[i])
        fresh = len(s & seen) <= 0.01 * len(s) and 1500 < len(candidates[i]) < 12000
        if fresh and size < HELD_BYTES:
            held.append(candidates[i])
            size += len(candidates[i])
        else:
            tiers["tales"].append(candidates[i])
    return tiers, held


def train_tokenizer(texts):
    """Byte-level BPE laid out like Llama-3's tokenizer.json: the special tokens follow the BPE vocabulary."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    split = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
             r"|\s*[\r\n]+|\s+(?!\S)|\s+")
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(split), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCAB - 2, min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tok.add_special_tokens([AddedToken(BOS, normalized=False, special=True), AddedToken(EOS, normalized=False, special=True)])
    bos = tok.token_to_id(BOS)
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"{BOS} $A", pair=f"{BOS} $A {BOS}:1 $B:1", special_tokens=[(BOS, bos)])])
    assert tok.get_vocab_size() == VOCAB
    return tok


def prepare(a):
    tiers, held = split_corpus(read_corpus(a.corpus), a.seed)
    a.work.mkdir(parents=True, exist_ok=True)
    # The tokenizer sees text in about the proportions that training will.
    tok = train_tokenizer(tiers["tales"] * 2 + tiers["stories"] + tiers["novels"][::2])
    tok.save(str(a.work / "tokenizer.json"))
    bos, eos = tok.token_to_id(BOS), tok.token_to_id(EOS)
    for tier, docs in tiers.items():
        docs = [docs[i] for i in np.random.default_rng(a.seed).permutation(len(docs))]
        ids = [np.array([bos, *e.ids, eos], np.uint16) for e in tok.encode_batch(docs, add_special_tokens=False)]
        np.save(a.work / f"{tier}.npy", np.concatenate(ids))
        print(f"{tier}: {len(docs)} documents, {sum(map(len, docs)) / 1e6:.2f} MB, {sum(map(len, ids)) / 1e6:.2f} M tokens")
    text = f"\n{EOS}\n".join(held) + "\n"
    (ZOO / "heldout.txt").write_text(text)
    n = len(tok.encode(text).ids)
    print(f"heldout.txt: {len(held)} documents, {len(text.encode())} bytes, {n} tokens")
    for d in held:
        print("   ", len(d), d[:60].replace("\n", " "))
    credit(a.corpus)


class Windows:
    """Training windows of a tier: every epoch cuts the token stream anew and visits each piece once."""

    def __init__(self, tokens, rng):
        self.tokens, self.rng, self.order = tokens, rng, []

    def next(self, n):
        if not self.order or self.n != n:
            self.n = n
            shift = int(self.rng.integers(n))
            count = (len(self.tokens) - 1 - shift) // n
            self.order = [shift + int(i) * n for i in self.rng.permutation(count)]
        i = self.order.pop()
        return self.tokens[i:i + n + 1].astype(np.int64)


class Batches:
    def __init__(self, work, bos, seed):
        self.rng = np.random.default_rng(seed)
        self.tiers = {t: Windows(np.load(work / f"{t}.npy"), self.rng) for t in MIX}
        self.bos = bos

    def next(self, batch, ctx):
        rows = []
        for tier in self.rng.choice(list(MIX), batch, p=list(MIX.values())):
            w = self.tiers[tier].next(ctx)
            if self.rng.random() < 0.75:      # most windows begin with BOS, as every prompt does
                w[0] = self.bos
            rows.append(w)
        t = torch.from_numpy(np.stack(rows))
        return t[:, :-1].contiguous(), t[:, 1:].contiguous()


# ----------------------------------------------------------------------------------------- model
CONFIGS = {
    "llm": dict(hidden_size=256, intermediate_size=768, num_hidden_layers=5, num_attention_heads=8, num_key_value_heads=4),
    "draft": dict(hidden_size=64, intermediate_size=192, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2),
}


def config_json(name, bos, eos, ctx):
    c = CONFIGS[name]
    return dict(architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=VOCAB, **c,
                head_dim=c["hidden_size"] // c["num_attention_heads"], max_position_embeddings=ctx,
                hidden_act="silu", rms_norm_eps=1e-5, rope_theta=10000.0, rope_scaling=None, tie_word_embeddings=True,
                attention_bias=False, attention_dropout=0.0, mlp_bias=False, initializer_range=0.02, pretraining_tp=1,
                bos_token_id=bos, eos_token_id=eos, torch_dtype="bfloat16", use_cache=True)


class RMSNorm(nn.Module):
    def __init__(self, d, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def rotate(x, cos, sin):                       # Hugging Face's rotate_half convention
    h = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., h:], x[..., :h]), -1) * sin


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, self.h, self.kv, self.hd = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        self.q_proj = nn.Linear(d, self.h * self.hd, bias=False)
        self.k_proj = nn.Linear(d, self.kv * self.hd, bias=False)
        self.v_proj = nn.Linear(d, self.kv * self.hd, bias=False)
        self.o_proj = nn.Linear(self.h * self.hd, d, bias=False)

    def forward(self, x, cos, sin):
        b, t, _ = x.shape
        q = self.q_proj(x).view(b, t, self.h, self.hd).transpose(1, 2)
        k = self.k_proj(x).view(b, t, self.kv, self.hd).transpose(1, 2)
        v = self.v_proj(x).view(b, t, self.kv, self.hd).transpose(1, 2)
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        g = self.h // self.kv
        k, v = k.repeat_interleave(g, 1), v.repeat_interleave(g, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, m = c["hidden_size"], c["intermediate_size"]
        self.gate_proj = nn.Linear(d, m, bias=False)
        self.up_proj = nn.Linear(d, m, bias=False)
        self.down_proj = nn.Linear(m, d, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp = Attention(c), MLP(c)
        self.input_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.post_attention_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.norm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        inv = c["rope_theta"] ** (-torch.arange(0, c["head_dim"], 2).float() / c["head_dim"])
        ang = torch.outer(torch.arange(c["max_position_embeddings"]).float(), inv).repeat(1, 2)
        self.register_buffer("cos", ang.cos(), persistent=False)
        self.register_buffer("sin", ang.sin(), persistent=False)

    def forward(self, ids):
        x = self.embed_tokens(ids)
        cos, sin = self.cos[:ids.shape[1]], self.sin[:ids.shape[1]]
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.norm(x)


class Llama(nn.Module):
    """Parameter names are those of transformers' LlamaForCausalLM with tied embeddings."""

    def __init__(self, c):
        super().__init__()
        self.config, self.model = c, Body(c)
        for n, p in self.named_parameters():
            if n.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(p)
            elif "embed" in n:
                nn.init.normal_(p, std=0.03)
            elif p.ndim == 2:
                nn.init.normal_(p, std=p.shape[1] ** -0.5)

    def forward(self, ids):
        return F.linear(self.model(ids), self.model.embed_tokens.weight)

    def loss(self, ids, targets):
        return F.cross_entropy(self(ids).flatten(0, 1).float(), targets.flatten())


def distill_loss(student, teacher_logits, ids, targets, mix):
    """mix x KL(teacher || student) + (1 - mix) x cross-entropy on the text."""
    logp = F.log_softmax(student(ids).flatten(0, 1).float(), -1)
    ce = F.nll_loss(logp, targets.flatten())
    t = F.log_softmax(teacher_logits.flatten(0, 1).float(), -1)
    return mix * (t.exp() * (t - logp)).sum(-1).mean() + (1 - mix) * ce, ce


class Muon:
    """Momentum, then the nearest orthogonal matrix by Newton-Schulz (Jordan et al., 2024); matrices of one shape go together."""

    def __init__(self, params, momentum=0.95, weight_decay=0.05):
        self.m, self.wd, self.groups = momentum, weight_decay, {}
        for p in params:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.buf = {s: torch.zeros(len(ps), *s) for s, ps in self.groups.items()}

    @torch.no_grad()
    def step(self, lr):
        for shape, ps in self.groups.items():
            g, buf = torch.stack([p.grad for p in ps]), self.buf[shape]
            buf.lerp_(g, 1 - self.m)
            x = g.lerp(buf, self.m).bfloat16()
            flip = shape[0] > shape[1]
            x = x.mT if flip else x
            x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
            for _ in range(5):
                y = x @ x.mT
                x = 3.4445 * x + (-4.7750 * y + 2.0315 * (y @ y)) @ x
            x = (x.mT if flip else x).float() * max(1, shape[0] / shape[1]) ** 0.5
            for p, u in zip(ps, x):
                p.mul_(1 - lr * self.wd).add_(u, alpha=-lr)


# --------------------------------------------------------------------------------------- folders
def write_atomic(path, text):
    tmp = path.with_name(path.name + ".tmp")
    tmp.write_text(text)
    os.replace(tmp, path)


def export(model, tok, folder):
    """Write the Hugging Face folder; every file is replaced in one rename."""
    folder.mkdir(parents=True, exist_ok=True)
    c = model.config
    tmp = folder / "model.safetensors.tmp"
    save_file({k: v.detach().bfloat16().contiguous() for k, v in model.state_dict().items()}, str(tmp), metadata={"format": "pt"})
    tmp.chmod(0o644)
    os.replace(tmp, folder / "model.safetensors")
    write_atomic(folder / "config.json", json.dumps(c, indent=2) + "\n")
    write_atomic(folder / "generation_config.json", json.dumps(dict(
        bos_token_id=c["bos_token_id"], eos_token_id=c["eos_token_id"], do_sample=True, temperature=0.7, top_p=0.95), indent=2) + "\n")
    write_atomic(folder / "tokenizer.json", tok.to_str(pretty=True) + "\n")
    token = lambda s: dict(content=s, lstrip=False, normalized=False, rstrip=False, single_word=False)
    write_atomic(folder / "tokenizer_config.json", json.dumps(dict(
        tokenizer_class="PreTrainedTokenizerFast", bos_token=BOS, eos_token=EOS, clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"], model_max_length=c["max_position_embeddings"],
        added_tokens_decoder={str(tok.token_to_id(s)): dict(token(s), special=True) for s in (BOS, EOS)}), indent=2) + "\n")
    write_atomic(folder / "special_tokens_map.json", json.dumps(dict(bos_token=token(BOS), eos_token=token(EOS)), indent=2) + "\n")


def load(folder):
    from tokenizers import Tokenizer
    model = Llama(json.loads((folder / "config.json").read_text()))
    model.load_state_dict({k: v.float() for k, v in load_file(str(folder / "model.safetensors")).items()})
    return model.eval(), Tokenizer.from_file(str(folder / "tokenizer.json"))


# ---------------------------------------------------------------------------------------- checks
@torch.no_grad()
def perplexity(model, tok, text, window=512):
    """Documents are split at <|endoftext|>; each is cut into pieces of window - 1 tokens, and each piece is read
    after a BOS token with nothing before it. Every text token is predicted exactly once."""
    bos, total, count = tok.token_to_id(BOS), 0.0, 0
    for doc in text.split(EOS):
        ids = tok.encode(doc.strip(), add_special_tokens=False).ids
        for i in range(0, len(ids), window - 1):
            piece = ids[i:i + window - 1]
            logits = model(torch.tensor([[bos, *piece]]))[0, :-1].float()
            total += F.cross_entropy(logits, torch.tensor(piece), reduction="sum").item()
            count += len(piece)
    return total / count, count


@torch.no_grad()
def generate(model, tok, prompt, n, temperature, seed=0, top_p=0.95):
    ids, g = tok.encode(prompt).ids, torch.Generator().manual_seed(seed)
    for _ in range(n):
        logits = model(torch.tensor([ids[-model.config["max_position_embeddings"]:]]))[0, -1].float()
        if temperature == 0:
            nxt = int(logits.argmax())
        else:
            p, order = (logits / temperature).softmax(-1).sort(descending=True)
            p[p.cumsum(0) - p > top_p] = 0
            nxt = int(order[torch.multinomial(p, 1, generator=g)])
        if nxt == tok.token_to_id(EOS):
            break
        ids.append(nxt)
    return tok.decode(ids)


# -------------------------------------------------------------------------------------- training
def train(a):
    from tokenizers import Tokenizer
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    tok = Tokenizer.from_file(str(a.work / "tokenizer.json"))
    bos, eos = tok.token_to_id(BOS), tok.token_to_id(EOS)
    windows = [(float(s.split(":")[0]), int(s.split(":")[1])) for s in a.ctx.split(",")]
    model = Llama(config_json(a.model, bos, eos, max(n for _, n in windows)))
    teacher = load(a.teacher)[0] if a.teacher else None
    if teacher is not None:                                       # begin with the best low-rank copy of the teacher's embedding
        with torch.no_grad():
            u, sv, _ = torch.linalg.svd(teacher.model.embed_tokens.weight, full_matrices=False)
            d = model.config["hidden_size"]
            model.model.embed_tokens.weight.copy_(u[:, :d] * sv[:d])
    named = dict(model.named_parameters())
    muon = Muon([p for n, p in named.items() if p.ndim == 2 and "embed" not in n])
    adam = torch.optim.AdamW([p for n, p in named.items() if p.ndim < 2 or "embed" in n], lr=a.adam_lr,
                             betas=(0.9, 0.95), eps=1e-10, weight_decay=0.0)
    data = Batches(a.work, bos, a.seed)
    step, tokens, active, log = 0, 0, 0.0, []
    held = (ZOO / "heldout.txt").read_text()
    ckpt = a.work / f"{a.model}.ckpt"
    if ckpt.exists() and not a.bench:
        s = torch.load(ckpt, weights_only=False)
        model.load_state_dict(s["model"]); adam.load_state_dict(s["adam"]); muon.buf = s["muon"]
        step, tokens, active, log = s["step"], s["tokens"], s["active"], s["log"]
        data.rng.bit_generator.state = s["rng"]
        print(f"resumed at step {step}, {active / 60:.1f} min", flush=True)
    params = sum(p.numel() for p in named.values())
    print(f"{a.model}: {params / 1e6:.3f} M parameters", flush=True)

    def save():
        tmp = ckpt.with_suffix(".tmp")
        torch.save(dict(model=model.state_dict(), adam=adam.state_dict(), muon=muon.buf, step=step, tokens=tokens,
                        active=active, log=log, rng=data.rng.bit_generator.state), tmp)
        os.replace(tmp, ckpt)
        write_atomic(a.work / f"{a.model}.log.json", json.dumps(log))
        export(model, tok, a.out)

    loss_fn = model.loss if teacher is None else (lambda x, y: distill_loss(model, tl, x, y, a.distill)[0])
    if a.compile:
        if teacher is None:
            loss_fn = torch.compile(model.loss, dynamic=False)
        else:
            dl = torch.compile(distill_loss, dynamic=False)
            tf = torch.compile(teacher.forward, dynamic=False)
            loss_fn = lambda x, y: dl(model, tl, x, y, a.distill)[0]
    cast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=not a.fp32)
    budget, deadline = a.minutes * 60, None
    if a.deadline:
        t = datetime.strptime(a.deadline, "%H:%M")
        deadline = datetime.now().replace(hour=t.hour, minute=t.minute, second=0).timestamp()
    recent, ema, last_save = [], None, time.time()
    model.train()
    while True:
        left = budget - active
        if deadline:
            left = min(left, deadline - time.time())
        if left <= 0 or (a.bench and step >= a.bench):
            break
        p = active / (active + left)                              # progress, 0..1
        scale = min(1.0, (step + 1) / a.warmup, (1 - p) / a.decay)
        ctx = [n for start, n in windows if p >= start][-1]
        t0 = time.perf_counter()
        x, y = data.next(a.batch_tokens // ctx, ctx)
        with cast():
            if teacher is not None:
                with torch.no_grad():
                    tl = tf(x) if a.compile else teacher(x)
            loss = loss_fn(x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for g in adam.param_groups:
            g["lr"] = a.adam_lr * scale
        adam.step()
        muon.step(a.muon_lr * scale)
        model.zero_grad(set_to_none=True)
        dt = time.perf_counter() - t0
        recent = (recent + [dt])[-50:]
        active += min(dt, 3 * float(np.median(recent)))           # a stopped process does not use up the schedule
        step, tokens = step + 1, tokens + x.numel()
        ema = loss.item() if ema is None else 0.98 * ema + 0.02 * loss.item()
        if step % a.print_every == 0:
            print(f"step {step} {p * 100:5.1f}% loss {ema:.4f} lr x{scale:.3f} ctx {ctx} "
                  f"{x.numel() / float(np.median(recent)):.0f} tok/s {tokens / 1e6:.2f} M tokens {active / 60:.1f} min", flush=True)
            log.append(dict(step=step, tokens=tokens, minutes=active / 60, loss=ema))
        if time.time() - last_save > a.save_minutes * 60 and not a.bench:
            save()
            last_save = time.time()
    if not a.bench:
        nats, n = perplexity(model, tok, held)
        log.append(dict(step=step, tokens=tokens, minutes=active / 60, loss=ema, heldout_nats=nats))
        save()
        print(f"done: {step} steps, {tokens / 1e6:.2f} M tokens, loss {ema:.4f}; held-out {nats:.4f} nats/token, PPL {math.exp(nats):.3f}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--corpus", type=Path, default=ZOO.parent.parent / "shared/text/corpus.txt.zst")
    ap.add_argument("--work", type=Path, default=ZOO.parent / "build/zoo", help="scratch: token cache, checkpoints")
    ap.add_argument("--seed", type=int, default=20)
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    sub = ap.add_subparsers(dest="cmd", required=True)
    sub.add_parser("prepare").set_defaults(run=prepare)
    t = sub.add_parser("train")
    t.add_argument("model", choices=list(CONFIGS))
    t.add_argument("--out", type=Path)
    t.add_argument("--minutes", type=float, default=70)
    t.add_argument("--deadline", help="HH:MM local time, a hard end")
    t.add_argument("--batch-tokens", type=int, default=4096)
    t.add_argument("--ctx", default="0:256,0.7:512", help="window length from each share of the schedule on")
    t.add_argument("--adam-lr", type=float, default=4e-3)
    t.add_argument("--muon-lr", type=float, default=0.02)
    t.add_argument("--warmup", type=int, default=60, help="steps")
    t.add_argument("--decay", type=float, default=0.6, help="share of the time in which the rate falls to zero")
    t.add_argument("--teacher", type=Path, help="folder of a model to distil from")
    t.add_argument("--distill", type=float, default=0.8, help="weight of the teacher's distribution in the loss")
    t.add_argument("--layers", type=int)
    t.add_argument("--fp32", action="store_true", help="no bf16 autocast")
    t.add_argument("--compile", action="store_true")
    t.add_argument("--print-every", type=int, default=50)
    t.add_argument("--save-minutes", type=float, default=5)
    t.add_argument("--bench", type=int, help="stop after that many steps, write nothing")
    t.set_defaults(run=train)
    e = sub.add_parser("eval")
    e.add_argument("folder", type=Path)
    e.add_argument("--text", type=Path, default=ZOO / "heldout.txt")
    e.add_argument("--window", type=int, default=512)
    s = sub.add_parser("sample")
    s.add_argument("folder", type=Path)
    s.add_argument("--prompt", default="Once upon a time")
    s.add_argument("--tokens", type=int, default=150)
    s.add_argument("--temperature", type=float, default=0.7)
    a = ap.parse_args()
    if a.cmd == "train":
        a.out = a.out or ZOO / ("llm" if a.model == "llm" else "llm-draft")
        if a.layers:
            CONFIGS[a.model]["num_hidden_layers"] = a.layers
    if a.cmd == "eval":
        model, tok = load(a.folder)
        nats, n = perplexity(model, tok, a.text.read_text(), a.window)
        print(f"{n} tokens, {nats:.4f} nats/token, PPL {math.exp(nats):.3f}")
    elif a.cmd == "sample":
        model, tok = load(a.folder)
        print(generate(model, tok, a.prompt, a.tokens, a.temperature, a.seed))
    else:
        a.run(a)


if __name__ == "__main__":
    main()
