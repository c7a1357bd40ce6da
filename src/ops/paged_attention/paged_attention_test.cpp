#include "ops/paged_attention/paged_attention.h"

#include <cmath>
#include <gtest/gtest.h>

#include "op_run.h"
#include "ops/paged_attention/kv_codes.h"
#include "paged_sequences.h"

namespace halftone {
namespace {

constexpr int kHeads = 4, kKvHeads = 2, kDim = 6, kBlock = 4;

Attributes attributes(int64_t window = 0, float softcap = 0) {
  return {{"num_heads", int64_t{kHeads}},
          {"kv_heads", int64_t{kKvHeads}},
          {"layer", int64_t{1}},
          {"window", window},
          {"softcap", softcap}};
}

KvCache make_cache(KvFormat format = KvFormat::f32, int blocks = 16) {
  return KvCache(
      {.layers = 2, .kv_heads = kKvHeads, .head_dim = kDim, .block_tokens = kBlock, .format = format},
      blocks);
}

struct Tokens {
  Tensor q, k, v;
  explicit Tokens(int64_t count)
      : q(random_tensor({count, kHeads * kDim}, 1)),
        k(random_tensor({count, kKvHeads * kDim}, 2)),
        v(random_tensor({count, kKvHeads * kDim}, 3)) {}
  Tokens rows(int64_t begin, int64_t end) const {
    Tokens part = *this;
    part.q = q.rows(begin, end);
    part.k = k.rows(begin, end);
    part.v = v.rows(begin, end);
    return part;
  }
};

Tensor run(const Tokens& tokens, std::initializer_list<SequenceSpan> spans, KvCache& cache,
           const Attributes& with = attributes()) {
  const PagedSequences table({spans.begin(), spans.size()}, kBlock);
  OpRun made(paged_attention_schema(), with);
  made.input(tokens.q)
      .input(tokens.k)
      .input(tokens.v)
      .input(table.sequences)
      .input(table.blocks)
      .state(cache);
  return made.reference()[0];
}

/// ONNX's operator on one sequence, all at once.
Tensor plain_attention(const Tokens& tokens, float softcap = 0) {
  OpRun made(*find_op("Attention"), {{"is_causal", int64_t{1}},
                                     {"q_num_heads", int64_t{kHeads}},
                                     {"kv_num_heads", int64_t{kKvHeads}},
                                     {"softcap", softcap}});
  for (const Tensor& x : {tokens.q, tokens.k, tokens.v})
    made.input(x.reshaped({1, x.shape()[0], x.shape()[1]}));
  return made.reference()[0].reshaped(tokens.q.shape());
}

TEST(PagedAttention, EqualsAttentionOnOneSequence) {
  const Tokens tokens(11);
  for (float softcap : {0.0f, 2.0f}) {
    KvCache cache = make_cache();
    EXPECT_EQ(floats(run(tokens, {{0, 11, 0}}, cache, attributes(0, softcap))),
              floats(plain_attention(tokens, softcap)));
  }
}

TEST(PagedAttention, GoesOnFromTheCache) {
  const Tokens tokens(11);
  const std::vector<float> whole = floats(plain_attention(tokens));
  KvCache cache = make_cache();
  std::vector<float> found;
  int32_t past = 0;
  for (int32_t rows : {5, 1, 1, 4}) {
    for (float y : floats(run(tokens.rows(past, past + rows), {{0, rows, past}}, cache))) found.push_back(y);
    past += rows;
  }
  EXPECT_EQ(found, whole);
}

TEST(PagedAttention, KeepsSequencesApart) {
  const Tokens tokens(9);
  KvCache cache = make_cache();
  const Tensor found = run(tokens, {{3, 6, 0}, {0, 3, 0}}, cache);
  EXPECT_EQ(floats(found.rows(0, 3)), floats(plain_attention(tokens.rows(0, 3))));
  EXPECT_EQ(floats(found.rows(3, 9)), floats(plain_attention(tokens.rows(3, 9))));
}

TEST(PagedAttention, ZeroesRowsOfNoSequence) {
  KvCache cache = make_cache();
  const Tensor found = run(Tokens(4), {{0, 3, 0}}, cache);
  EXPECT_EQ(floats(found.rows(3, 4)), std::vector<float>(kHeads * kDim, 0.0f));
}

TEST(PagedAttention, AWindowOfOneCopiesTheValue) {
  const Tokens tokens(5);
  KvCache cache = make_cache();
  const Tensor found = run(tokens, {{0, 5, 0}}, cache, attributes(1));
  for (size_t row = 0; row < 5; ++row)
    for (size_t i = 0; i < kHeads * kDim; ++i)
      EXPECT_EQ(floats(found)[row * kHeads * kDim + i],
                floats(tokens.v)[row * kKvHeads * kDim + i / (2 * kDim) * kDim + i % kDim]);
}

TEST(PagedAttention, RoundsKeysAndValuesToTheCacheFormat) {
  const Tokens tokens(7);
  for (KvFormat format : {KvFormat::f16, KvFormat::bf16, KvFormat::int8}) {
    KvCache cache = make_cache(format);
    Tokens rounded = tokens;
    rounded.k = Tensor::allocate(DType::f32, tokens.k.shape());
    rounded.v = Tensor::allocate(DType::f32, tokens.v.shape());
    KvCache scratch = make_cache(format);
    for (size_t i = 0; i < 7 * kKvHeads; ++i) {
      scratch.store(0, 0, 0, 0, tokens.k.span<float>().subspan(i * kDim, kDim),
                    tokens.v.span<float>().subspan(i * kDim, kDim));
      scratch.load(0, 0, 0, 0, rounded.k.mutable_view().span<float>().subspan(i * kDim, kDim),
                   rounded.v.mutable_view().span<float>().subspan(i * kDim, kDim));
    }
    EXPECT_EQ(floats(run(tokens, {{0, 7, 0}}, cache)), floats(plain_attention(rounded)))
        << kv_format_name(format);
  }
}

TEST(PagedAttention, ChecksItsInputs) {
  const int64_t tokens = Shape::symbol_dim(0), sequences = Shape::symbol_dim(1), width = Shape::symbol_dim(2);
  auto infer = [&](const Shape& q, const Shape& k, const Shape& table, Attributes with = attributes()) {
    OpRun made(paged_attention_schema(), std::move(with));
    made.type(DType::f32, q).type(DType::f32, k).type(DType::f32, k);
    made.type(DType::i32, table).type(DType::i32, {sequences, width}).type(DType::state, {});
    return made.site().outputs[0].shape;
  };
  EXPECT_EQ(infer({tokens, 24}, {tokens, 12}, {sequences, 3}), (Shape{tokens, 24}));
  EXPECT_THROW(infer({tokens, 24}, {tokens, 24}, {sequences, 3}), InputError);
  EXPECT_THROW(infer({tokens, 23}, {tokens, 12}, {sequences, 3}), InputError);
  EXPECT_THROW(infer({tokens, 24}, {tokens, 12}, {sequences, 2}), InputError);
  EXPECT_THROW(infer({tokens, 24}, {tokens, 12}, {sequences, 3},
                     {{"num_heads", int64_t{4}}, {"kv_heads", int64_t{3}}}),
               InputError);
  EXPECT_THROW(infer({tokens, 24}, {tokens, 12}, {sequences, 3}, {}), InputError);
}

TEST(PagedAttention, CostsWhatTheTableOfBlocksHolds) {
  OpRun made(paged_attention_schema(), attributes());
  made.type(DType::f32, {1, 24}).type(DType::f32, {1, 12}).type(DType::f32, {1, 12});
  made.type(DType::i32, {1, 3}).type(DType::i32, {1, 2}).type(DType::state, {});
  const Cost cost = paged_attention_schema().cost(made.site());
  EXPECT_EQ(cost.flops, 64.0 * kHeads * kDim * 4);                    // two blocks of 32 tokens
  EXPECT_EQ(cost.state_bytes, (64.0 + 1) * kKvHeads * kDim * 2 * 2);  // K and V in f16
}

TEST(KvCache, RoundsEachFormatInItsWay) {
  const Tensor key = random_tensor({kDim}, 1);
  const Tensor value = random_tensor({kDim}, 2);
  for (auto [format, epsilon] :
       {std::pair{KvFormat::f32, 0.0f}, {KvFormat::f16, 0x1p-11f}, {KvFormat::bf16, 0x1p-8f}}) {
    KvCache cache = make_cache(format);
    cache.store(1, 15, 1, 3, key.span<float>(), value.span<float>());
    std::vector<float> k(kDim), v(kDim);
    cache.load(1, 15, 1, 3, k, v);
    for (size_t i = 0; i < kDim; ++i) {
      EXPECT_NEAR(k[i], floats(key)[i], std::fabs(floats(key)[i]) * epsilon);
      EXPECT_NEAR(v[i], floats(value)[i], std::fabs(floats(value)[i]) * epsilon);
    }
  }
  KvCache cache = make_cache(KvFormat::int8);
  const float given[kDim] = {-0.39f, 4.0f, 3.72f, -3.0f, 1.56f, 0};
  cache.store(0, 0, 0, 0, given, given);
  std::vector<float> k(kDim), v(kDim);
  cache.load(0, 0, 0, 0, k, v);
  const float expected[kDim] = {-12, 127, 118, -95, 50, 0};
  for (size_t i = 0; i < kDim; ++i) EXPECT_EQ(k[i], expected[i] * (4.0f / 127.0f));
  EXPECT_EQ(k, v);
}

TEST(KvCache, HoldsTheSameCodesInFoursAsInRows) {
  constexpr int kWide = 96, kTokens = 64;
  KvCache::Layout layout{1, 2, kWide, kTokens, KvFormat::int8};
  KvCache rows(layout, 2);
  layout.order = KvOrder::fours;
  KvCache fours(layout, 2);
  std::vector<float> key(kWide), value(kWide), k(kWide), v(kWide);
  for (int slot = 0; slot < kTokens; ++slot) {
    const Tensor x = random_tensor({2, kWide}, static_cast<unsigned>(slot));
    for (KvCache* cache : {&rows, &fours})
      cache->store(0, 1, 1, slot, x.span<float>().first(kWide), x.span<float>().subspan(kWide));
  }
  for (int slot = 0; slot < kTokens; ++slot) {
    rows.load(0, 1, 1, slot, key, value);
    fours.load(0, 1, 1, slot, k, v);
    EXPECT_EQ(k, key);
    EXPECT_EQ(v, value);
  }
  const auto code = [&](float x, const float* scales, int slot) { return std::lround(x / scales[slot]); };
  rows.load(0, 1, 1, 37, key, value);
  const auto* keys =
      reinterpret_cast<const uint8_t*>(fours.keys(0, 1, 1)) + 32 * kWide;  // of tokens 32 to 63
  const auto* values = reinterpret_cast<const int8_t*>(fours.values(0, 1, 1)) + 32 * kWide;
  EXPECT_EQ(keys[22 / 4 * 128 + 5 * 4 + 22 % 4], code(key[22], fours.key_scales(0, 1, 1), 37) + 128);
  EXPECT_EQ(values[5 / 4 * 4 * kWide + 22 * 4 + 5 % 4], code(value[22], fours.value_scales(0, 1, 1), 37));
}

TEST(KvCache, CountsItsBytes) {
  EXPECT_EQ(KvCache::bytes_per_token({32, 8, 128, 32, KvFormat::f16}), 2u * 32 * 8 * 128 * 2);
  EXPECT_EQ(KvCache::bytes_per_token({32, 8, 128, 32, KvFormat::int8}), 2u * 32 * 8 * (128 + 4));
  EXPECT_THROW(KvCache({1 << 20, 1 << 20, 1 << 20, 1 << 20, KvFormat::f32}, 1 << 20), ResourceError);
  EXPECT_EQ(kv_format_from_name("bf16"), KvFormat::bf16);
  EXPECT_EQ(KvCache::bytes_per_token({32, 8, 128, 32, KvFormat::int4}), 2u * 32 * 8 * (64 + 16));
  EXPECT_EQ(KvCache::bytes_per_token({32, 8, 128, 32, KvFormat::int8_channel}), 2u * 32 * 8 * (128 + 16));
  EXPECT_EQ(kv_format_from_name("int8-channel"), KvFormat::int8_channel);
  EXPECT_EQ(kv_format_from_name("int3"), std::nullopt);
}

TEST(KvCodes, KeysHaveAScaleAChannelAndValuesOneATokenAndGroup) {
  constexpr int kTokens = 4, kWide = 40;
  const KvCodes form{4, kTokens, kWide};
  std::vector<Half> floats(kTokens * kWide);
  for (int t = 0; t < kTokens; ++t)
    for (int c = 0; c < kWide; ++c)
      floats[static_cast<size_t>(t * kWide + c)] =
          to_half(static_cast<float>((c + 1) * (t * 5)));  // 0 .. 15 (c + 1)
  std::vector<std::byte> tile(form.tile_bytes());
  std::vector<float> row(kWide);

  form.encode_keys(floats, tile.data());
  for (int t = 0; t < kTokens; ++t) {
    form.decode_key(tile.data(), t, row);
    for (int c = 0; c < kWide; ++c)
      EXPECT_EQ(row[static_cast<size_t>(c)], static_cast<float>((c + 1) * t * 5));
  }
  form.encode_values(floats, tile.data());
  for (int t = 0; t < kTokens; ++t) {
    form.decode_value(tile.data(), t, row);
    for (int c = 0; c < kWide; ++c) {
      const float range = static_cast<float>((c < 32 ? 31 : 7) * t * 5);
      EXPECT_NEAR(row[static_cast<size_t>(c)], static_cast<float>((c + 1) * t * 5), range / 30 * 1.001f);
    }
  }
}

TEST(KvCodes, EightBitsAreWithinHalfAStepOfWhatTheyStandFor) {
  constexpr int kTokens = 8, kWide = 40;
  const KvCodes form{8, kTokens, kWide};
  const Tensor x = random_tensor({kTokens, kWide}, 3);
  std::vector<Half> floats(kTokens * kWide);
  std::ranges::transform(x.span<float>(), floats.begin(), to_half);
  std::vector<std::byte> keys(form.tile_bytes()), values(form.tile_bytes());
  form.encode_keys(floats, keys.data());
  form.encode_values(floats, values.data());
  std::vector<float> key(kWide), value(kWide);
  for (int t = 0; t < kTokens; ++t) {
    form.decode_key(keys.data(), t, key);
    form.decode_value(values.data(), t, value);
    for (int c = 0; c < kWide; ++c) {
      const float wanted = to_float(floats[static_cast<size_t>(t * kWide + c)]);
      const float key_step = to_float(form.key_parameters(keys.data()).scales[c]);
      const float value_step =
          to_float(form.value_parameters(values.data()).scales[t * form.groups() + c / KvCodes::kGroup]);
      // The codes reach a little less or more than the range, since its middle and step are rounded to f16.
      EXPECT_NEAR(key[static_cast<size_t>(c)], wanted, key_step * 0.57f);
      EXPECT_NEAR(value[static_cast<size_t>(c)], wanted, value_step * 0.57f);
    }
  }
}

TEST(KvCodes, AWideWindowOfNearTokensChangesNothing) {
  const Tokens tokens(11);
  KvCache::Layout layout{2, kKvHeads, kDim, kBlock, KvFormat::int4, 100};
  KvCache near(layout, 16), halves = make_cache(KvFormat::f16);
  EXPECT_EQ(floats(run(tokens, {{0, 11, 0}}, near)), floats(run(tokens, {{0, 11, 0}}, halves)));
}

TEST(KvCodes, AnswersDoNotDependOnHowTheTextIsCut) {
  const Tokens tokens(23);
  const KvCache::Layout layout{2, kKvHeads, kDim, kBlock, KvFormat::int4, 3};
  KvCache whole_cache(layout, 16), cache(layout, 16);
  const std::vector<float> whole = floats(run(tokens, {{0, 23, 0}}, whole_cache));
  std::vector<float> found;
  int32_t past = 0;
  for (int32_t rows : {5, 1, 1, 9, 7}) {
    for (float y : floats(run(tokens.rows(past, past + rows), {{0, rows, past}}, cache))) found.push_back(y);
    past += rows;
  }
  EXPECT_EQ(found, whole);
  EXPECT_NE(whole, floats(plain_attention(tokens)));
  for (int block = 0; block < 5; ++block) EXPECT_FALSE(cache.is_open(1, block));
  EXPECT_TRUE(cache.is_open(1, 5));
}

TEST(KvCodes, AClosedBlockOpensAgainWithWhatItsCodesSay) {
  KvCache cache({1, 1, 8, 4, KvFormat::int4, 0}, 1);
  std::vector<float> key(8), value(8), k(8), v(8);
  for (int slot = 0; slot < 4; ++slot) {
    const Tensor x = random_tensor({2, 8}, static_cast<unsigned>(slot));
    cache.store(0, 0, 0, slot, x.span<float>().first(8), x.span<float>().subspan(8));
  }
  cache.encode(0, 0, 0);
  cache.close(0, 0);
  cache.load(0, 0, 0, 2, key, value);
  cache.open(0, 0, 3);
  cache.load(0, 0, 0, 2, k, v, false);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(k[i], to_float(to_half(key[i])));
    EXPECT_EQ(v[i], to_float(to_half(value[i])));
  }
}

}  // namespace
}  // namespace halftone
