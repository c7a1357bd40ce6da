#include "ops/paged_attention/paged_attention.h"

#include <cmath>
#include <gtest/gtest.h>

#include "backend/cpu/paged_attention/attention_tiles.h"
#include "kernel_run.h"
#include "paged_sequences.h"

namespace halftone {
namespace {

struct Case {
  int heads = 4, kv_heads = 2, dim = 16, block = 4;
  KvFormat format = KvFormat::f32;
  int window = 0;
  float softcap = 0;
  int residual = 128;
  std::vector<SequenceSpan> spans;
};

/// Rows of `dim` numbers as codes of one byte hold them, so that taking such codes loses nothing.
Tensor in_bytes(const Tensor& x, int dim) {
  std::vector<float> rounded = floats(x);
  for (size_t at = 0; at < rounded.size(); at += static_cast<size_t>(dim)) {
    const std::span<float> row(rounded.data() + at, static_cast<size_t>(dim));
    float most = 0;
    for (float value : row) most = std::max(most, std::fabs(value));
    for (float& value : row) value = std::round(value * 127 / most) * most / 127;
  }
  return Tensor::from<float>(x.shape(), std::span<const float>(rounded));
}

/// Fills both caches with the same past, runs the kernel on one and the reference on the other.
void compare(const Case& c, const KvCache::Layout& layout, const Kernel& kernel, ThreadPool& threads) {
  const PagedSequences table(c.spans, c.block);
  KvCache ours(layout, table.block_count), theirs(layout, table.block_count);
  const auto dim = static_cast<size_t>(c.dim);
  unsigned seed = 10;
  for (size_t s = 0; s < c.spans.size(); ++s)
    for (int position = 0; position < c.spans[s].past; ++position)
      for (int head = 0; head < c.kv_heads; ++head) {
        const Tensor past = random_tensor({2, c.dim}, ++seed);
        const int block = table.blocks.span<int32_t>()[s * static_cast<size_t>(table.blocks.shape()[1]) +
                                                       static_cast<size_t>(position / c.block)];
        for (KvCache* cache : {&ours, &theirs})
          cache->store(1, block, head, position % c.block, past.span<float>().subspan(0, dim),
                       past.span<float>().subspan(dim, dim));
      }
  const Attributes attributes = {{"num_heads", int64_t{c.heads}},
                                 {"kv_heads", int64_t{c.kv_heads}},
                                 {"layer", int64_t{1}},
                                 {"window", int64_t{c.window}},
                                 {"softcap", c.softcap}};
  Tensor q = random_tensor({table.tokens, int64_t{c.heads} * c.dim}, 1);
  if (layout.order == KvOrder::fours) q = in_bytes(q, c.dim);
  const Tensor k = random_tensor({table.tokens, int64_t{c.kv_heads} * c.dim}, 2);
  const Tensor v = random_tensor({table.tokens, int64_t{c.kv_heads} * c.dim}, 3);
  auto fill = [&](OpRun& run, KvCache& cache) {
    run.input(q).input(k).input(v).input(table.sequences).input(table.blocks).state(cache);
  };
  OpRun kernel_run(paged_attention_schema(), attributes), reference_run(paged_attention_schema(), attributes);
  fill(kernel_run, ours);
  fill(reference_run, theirs);
  const Tensor found = run_kernel(kernel, kernel_run, threads)[0];
  const Tensor expected = reference_run.reference()[0];

  // A score of normal vectors is a sum of dim products, scaled: its error is about sqrt(dim) roundings of its
  // size, below 8, and enters the weights as it is. The weighted mean of values (below 5) adds its own.
  const float root = std::sqrt(static_cast<float>(c.dim));
  float bound = (8 * root + 32) * 0x1p-24f * 5;
  // Where matrix tiles multiply pairs of bf16 numbers, each product is off by 2^-16, and those of a score are
  // 0.64 root in all; so is each weight. Of int8 codes, queries and weights are integers of 16 bits.
  if (kernel.isa == Isa::amx || c.format == KvFormat::int8) bound += (root + 1) * 0x1p-16f * 5;
  // AVX-512 takes weights of int8 values in one byte where none is more than 1/16 of all: each is off by
  // 2^-9 / sqrt(3) of that, and 32 of them by 5.7 times as much (one standard deviation; five are allowed).
  const bool avx512 = kernel.isa == Isa::avx512vnni || kernel.isa == Isa::amx;
  if (c.format == KvFormat::int8 && avx512) bound += 0.002f;
  for (size_t i = 0; i < expected.span<float>().size(); ++i)
    ASSERT_NEAR(found.span<float>()[i], expected.span<float>()[i], bound) << kernel.name << ", element " << i;

  std::vector<float> a(dim), b(dim), x(dim), y(dim);
  for (int block = 0; block < table.block_count; ++block)
    for (int head = 0; head < c.kv_heads; ++head)
      for (int slot = 0; slot < c.block; ++slot) {
        ours.load(1, block, head, slot, a, b);
        theirs.load(1, block, head, slot, x, y);
        ASSERT_TRUE(a == x && b == y) << "the cache differs in block " << block;
        ours.load(1, block, head, slot, a, b, false);
        theirs.load(1, block, head, slot, x, y, false);
        ASSERT_TRUE(a == x && b == y) << "the cache differs in block " << block;
      }
}

/// Kernels with the layout, and with the one they read fastest if that is another.
std::vector<std::pair<const Kernel*, KvCache::Layout>> with_orders(const KvCache::Layout& layout) {
  std::vector<std::pair<const Kernel*, KvCache::Layout>> found;
  ThreadPool threads(1);
  for (const Kernel* kernel : cpu_kernels("PagedAttention")) {
    found.emplace_back(kernel, layout);
    const KvCache::Layout best = in_best_order(layout, *kernel, threads);
    if (best.order != layout.order) found.emplace_back(kernel, best);
  }
  return found;
}

void compare_all(const Case& c) {
  for (const auto& [kernel, layout] : with_orders({2, c.kv_heads, c.dim, c.block, c.format, c.residual}))
    for (int size : {1, 3}) {
      ThreadPool threads(size);
      compare(c, layout, *kernel, threads);
    }
}

TEST(CpuPagedAttention, Prefills) {
  compare_all({.spans = {{0, 1, 0}}});
  compare_all({.spans = {{0, 37, 0}}});
  compare_all({.block = 32, .spans = {{0, 150, 0}}});
  compare_all({.block = 100, .spans = {{0, 130, 90}}});
}

TEST(CpuPagedAttention, Decodes) {
  compare_all({.spans = {{0, 1, 1}}});
  compare_all({.spans = {{0, 1, 30}}});
  compare_all({.spans = {{0, 1, 300}}});             // five parts
  compare_all({.spans = {{0, 2, 127}, {2, 1, 5}}});  // three parts, and one
  for (int past : {383, 384, 511, 512, 700})
    compare_all({.spans = {{0, 1, past}, {1, 1, 250}}});  // long parts
  compare_all({.window = 10, .spans = {{0, 1, 300}}});
}

TEST(CpuPagedAttention, MixesSequences) {
  compare_all({.spans = {{0, 1, 12}, {1, 9, 0}, {10, 3, 5}, {13, 0, 4}, {13, 1, 0}}});
  compare_all({.spans = {{2, 5, 3}}});  // rows 0 and 1 belong to none
}

TEST(CpuPagedAttention, TakesEveryHeadLayout) {
  for (int dim : {1, 5, 8, 24, 64, 80, 128, 256}) compare_all({.dim = dim, .spans = {{0, 9, 3}, {9, 1, 20}}});
  compare_all({.heads = 3, .kv_heads = 3, .spans = {{0, 9, 3}, {9, 1, 20}}});
  compare_all({.heads = 7, .kv_heads = 1, .spans = {{0, 9, 3}, {9, 1, 20}}});
  compare_all({.heads = 80, .kv_heads = 1, .dim = 8, .spans = {{0, 2, 3}}});
}

TEST(CpuPagedAttention, ReadsEveryCacheFormat) {
  for (KvFormat format : {KvFormat::f32, KvFormat::f16, KvFormat::bf16, KvFormat::int8})
    for (int dim : {8, 20, 128})
      compare_all({.dim = dim, .format = format, .spans = {{0, 9, 3}, {9, 1, 20}}});
}

TEST(CpuPagedAttention, ReadsStoredRowsForFewQueries) {
  const std::vector<SequenceSpan> spans = {{0, 1, 70}, {1, 1, 0}};
  for (KvFormat format : {KvFormat::f16, KvFormat::bf16, KvFormat::int8}) {
    for (int group : {1, 2, 3, 4})
      compare_all({.heads = 2 * group, .dim = 32 * group, .block = 32, .format = format, .spans = spans});
    for (int block : {3, 100})
      compare_all({.heads = 8, .dim = 128, .block = block, .format = format, .spans = spans});
    compare_all({.heads = 8, .dim = 64, .format = format, .window = 7, .softcap = 3, .spans = spans});
  }
}

// The first rows see nothing of a block into which the last ones look.
TEST(CpuPagedAttention, RowsThatEndBeforeABlockLeaveOthersAlone) {
  for (int past = 28; past < 33; ++past)
    for (KvFormat format : {KvFormat::f16, KvFormat::int8, KvFormat::int8_channel}) {
      compare_all({.heads = 2, .dim = 80, .block = 32, .format = format, .spans = {{0, 64, past}}});
      for (int rows : {2, 4, 8})
        compare_all({.heads = 8,
                     .kv_heads = 8,
                     .dim = 32,
                     .block = 32,
                     .format = format,
                     .spans = {{0, rows, past}}});
    }
}

TEST(CpuPagedAttention, ReadsCodesInFours) {
  auto with = [](Case made) {
    made.format = KvFormat::int8;
    compare_all(made);
  };
  for (int dim : {32, 64, 96, 128, 160, 512})
    for (int group : {1, 2, 3, 4, 7})
      with({.heads = 2 * group, .dim = dim, .block = 32, .spans = {{0, 1, 70}, {1, 1, 0}, {2, 3, 61}}});
  for (int block : {32, 64, 96}) {
    const std::vector<SequenceSpan> spans = {{0, 1, 31}, {1, 1, 32}, {2, 4, 93}, {6, 40, 20}, {46, 70, 0}};
    for (int window : {0, 1, 7, 33, 50})
      with({.heads = 8, .dim = 64, .block = block, .window = window, .spans = spans});
    with({.heads = 8, .dim = 32, .block = block, .window = 40, .softcap = 3, .spans = spans});
  }
  for (int past : {383, 511, 700}) with({.heads = 8, .dim = 128, .block = 32, .spans = {{0, 1, past}}});
}

/// Codes of such a row are 0 and its scale is NaN: who sees it gets NaN, and nobody else.
TEST(CpuPagedAttention, GivesNaNWhereAKeyOrValueIsNotFinite) {
  constexpr int kDim = 32, kPast = 60, kWindow = 8;
  for (const auto& [kernel, layout] : with_orders({1, 1, kDim, 32, KvFormat::int8}))
    for (int bad : {10, 52, 53, 59})
      for (bool key : {true, false}) {
        ThreadPool threads(1);
        KvCache cache(layout, 2);
        for (int position = 0; position < kPast; ++position) {
          Tensor k = random_tensor({kDim}, static_cast<unsigned>(position)), v = k;
          if (position == bad) (key ? k : v) = Tensor::from<float>({kDim}, std::vector<float>(kDim, NAN));
          cache.store(0, position / 32, 0, position % 32, k.span<float>(), v.span<float>());
        }
        const std::vector<SequenceSpan> spans = {{0, 1, kPast}};
        const PagedSequences table(spans, 32);
        OpRun run(paged_attention_schema(),
                  {{"num_heads", int64_t{4}}, {"kv_heads", int64_t{1}}, {"window", int64_t{kWindow}}});
        run.input(random_tensor({1, 4 * kDim}, 1));
        for (unsigned seed : {2, 3}) run.input(random_tensor({1, kDim}, seed));
        run.input(table.sequences).input(table.blocks).state(cache);
        for (float y : floats(run_kernel(*kernel, run, threads)[0]))
          ASSERT_EQ(std::isnan(y), bad > kPast - kWindow) << kernel->name << ", row " << bad;
      }
}

TEST(CpuPagedAttention, RefusesFoursWhereItCannotReadThem) {
  ThreadPool threads(1);
  KvCache::Layout layout{1, 1, 32, 32, KvFormat::int8};
  layout.order = KvOrder::fours;
  const std::vector<SequenceSpan> spans = {{0, 1, 0}};
  const PagedSequences table(spans, layout.block_tokens);
  for (const Kernel* kernel : cpu_kernels("PagedAttention")) {
    KvCache::Layout rows = layout;
    rows.order = KvOrder::rows;
    if (in_best_order(rows, *kernel, threads).order == KvOrder::fours) continue;
    KvCache cache(layout, 1);
    OpRun run(paged_attention_schema(), {{"num_heads", int64_t{1}}});
    for (unsigned seed : {1, 2, 3}) run.input(random_tensor({1, 32}, seed));
    run.input(table.sequences).input(table.blocks).state(cache);
    EXPECT_THROW(run_kernel(*kernel, run, threads), UnsupportedError) << kernel->name;
  }
}

#if defined(__x86_64__)
/// What matrix tiles read; it needs none itself.
TEST(CpuPagedAttention, UnfoldsFoursToRows) {
  if (!cpu_has(Isa::avx512bf16)) GTEST_SKIP();
  constexpr int kTokens = KvCache::Layout::kFoursTokens;
  for (int dim : {32, 64, 96, 128}) {
    KvCache::Layout layout{1, 1, dim, kTokens, KvFormat::int8};
    KvCache rows(layout, 1);
    layout.order = KvOrder::fours;
    KvCache fours(layout, 1);
    const auto width = static_cast<size_t>(dim);
    for (int slot = 0; slot < kTokens; ++slot) {
      const Tensor x = random_tensor({2, dim}, static_cast<unsigned>(slot));
      for (KvCache* cache : {&rows, &fours})
        cache->store(0, 0, 0, slot, x.span<float>().first(width), x.span<float>().subspan(width));
    }
    for (bool keys : {true, false}) {
      const std::byte* expected = keys ? rows.keys(0, 0, 0) : rows.values(0, 0, 0);
      std::vector<std::byte> found(width * kTokens);
      cpu::attention_amx.tiles->unfold(keys ? fours.keys(0, 0, 0) : fours.values(0, 0, 0), keys, dim,
                                       found.data());
      EXPECT_TRUE(std::equal(found.begin(), found.end(), expected)) << dim << (keys ? " keys" : " values");
    }
  }
}
#endif

TEST(CpuPagedAttention, TakesManyQueriesTogether) {
  for (KvFormat format : {KvFormat::f16, KvFormat::bf16, KvFormat::int8}) {
    for (int block : {3, 32, 100})
      compare_all({.dim = 40, .block = block, .format = format, .spans = {{0, 150, 45}, {150, 9, 200}}});
    compare_all({.dim = 128, .block = 32, .format = format, .window = 50, .spans = {{0, 90, 70}}});
    compare_all(
        {.heads = 8, .kv_heads = 8, .dim = 72, .format = format, .softcap = 3, .spans = {{0, 70, 0}}});
    compare_all({.heads = 80, .kv_heads = 1, .dim = 24, .format = format, .spans = {{0, 2, 300}}});
  }
}

TEST(CpuPagedAttention, ReadsFarBlocksAsCodesAndNearOnesAsTheyWere) {
  for (KvFormat format : {KvFormat::int4, KvFormat::int8_channel})
    for (int residual : {0, 5, 1000})
      for (int dim : {8, 20, 72}) {
        auto with = [&](std::vector<SequenceSpan> spans, int window = 0) {
          Case made{.dim = dim, .format = format, .window = window, .residual = residual, .spans = {}};
          made.spans = std::move(spans);
          compare_all(made);
        };
        with({{0, 37, 0}});
        with({{0, 1, 300}});
        with({{0, 30, 13}, {30, 1, 20}, {31, 2, 90}});
        with({{0, 40, 3}}, 9);
      }
}

TEST(CpuPagedAttention, KeepsToTheWindowAndTheCap) {
  for (int window : {1, 3, 16, 1000})
    for (float softcap : {0.0f, 3.0f})
      compare_all({.window = window, .softcap = softcap, .spans = {{0, 40, 3}, {40, 1, 50}}});
}

/// Rows of a short run over int8 keys, which must not depend on how many there are.
TEST(CpuPagedAttention, GivesRowsOfInt8TogetherAsEachAlone) {
  constexpr int kPast = 150, kRows = 3, kBlock = 32;
  for (int group : {1, 2, 3, 4})
    for (int dim : {32, 96, 128, 192})
      for (int64_t window : {0, 45})
        for (const auto& with : with_orders({1, 1, dim, kBlock, KvFormat::int8})) {
          const Kernel* kernel = with.first;
          ThreadPool threads(1);
          auto run = [&](KvCache& cache, int first, int rows) {
            const std::vector<SequenceSpan> spans = {{0, rows, kPast + first}};
            const PagedSequences table(spans, kBlock);
            OpRun op(paged_attention_schema(),
                     {{"num_heads", int64_t{group}}, {"kv_heads", int64_t{1}}, {"window", window}});
            for (const auto& [width, seed] : {std::pair{group * dim, 1}, {dim, 2}, {dim, 3}}) {
              const Tensor all = random_tensor({kRows, width}, static_cast<unsigned>(seed));
              const auto part = all.span<float>().subspan(static_cast<size_t>(first * width),
                                                          static_cast<size_t>(rows * width));
              op.input(Tensor::from<float>({rows, width}, part));
            }
            op.input(table.sequences).input(table.blocks).state(cache);
            return floats(run_kernel(*kernel, op, threads)[0]);
          };
          KvCache together(with.second, 8), alone(with.second, 8);
          for (int position = 0; position < kPast; ++position) {
            const Tensor past = random_tensor({2, dim}, static_cast<unsigned>(100 + position));
            const auto width = static_cast<size_t>(dim);
            for (KvCache* cache : {&together, &alone})
              cache->store(0, position / kBlock, 0, position % kBlock, past.span<float>().subspan(0, width),
                           past.span<float>().subspan(width, width));
          }
          const std::vector<float> found = run(together, 0, kRows);
          std::vector<float> expected;
          for (int row = 0; row < kRows; ++row)
            std::ranges::copy(run(alone, row, 1), std::back_inserter(expected));
          EXPECT_EQ(found, expected) << kernel->name << ", " << group << " queries of " << dim;
        }
}

TEST(CpuPagedAttention, GivesTheSameWithAnyNumberOfThreads) {
  const std::vector<SequenceSpan> spans = {{0, 1, 500}};
  const PagedSequences table(spans, 8);
  for (const Kernel* kernel : cpu_kernels("PagedAttention")) {
    std::vector<float> first;
    for (int size : {1, 2, 5}) {
      ThreadPool threads(size);
      KvCache cache({1, 1, 16, 8, KvFormat::f16}, table.block_count);
      for (int position = 0; position < 500; ++position) {
        const Tensor past = random_tensor({2, 16}, static_cast<unsigned>(position));
        cache.store(0, position / 8, 0, position % 8, past.span<float>().subspan(0, 16),
                    past.span<float>().subspan(16, 16));
      }
      OpRun run(paged_attention_schema(), {{"num_heads", int64_t{2}}, {"kv_heads", int64_t{1}}});
      run.input(random_tensor({1, 32}, 1)).input(random_tensor({1, 16}, 2)).input(random_tensor({1, 16}, 3));
      run.input(table.sequences).input(table.blocks).state(cache);
      const std::vector<float> found = floats(run_kernel(*kernel, run, threads)[0]);
      if (first.empty()) first = found;
      EXPECT_EQ(found, first) << kernel->name << " with " << size << " threads";
    }
  }
}

}  // namespace
}  // namespace halftone
