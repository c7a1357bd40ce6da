#include "ops/paged_attention/paged_attention.h"

#include <cmath>
#include <gtest/gtest.h>

#include "device_run.h"
#include "paged_sequences.h"

namespace halftone::cuda {
namespace {

struct Case {
  int heads = 4, kv_heads = 2, dim = 16, block = 4;
  KvFormat format = KvFormat::f32;
  int window = 0;
  float softcap = 0;
  std::vector<SequenceSpan> spans;
};

void fill(KvCache& cache, const Case& c, const PagedSequences& table) {
  const auto dim = static_cast<size_t>(c.dim);
  unsigned seed = 10;
  for (size_t s = 0; s < c.spans.size(); ++s)
    for (int position = 0; position < c.spans[s].past; ++position)
      for (int head = 0; head < c.kv_heads; ++head) {
        const Tensor past = random_tensor({2, c.dim}, ++seed);
        const int block = table.blocks.span<int32_t>()[s * static_cast<size_t>(table.blocks.shape()[1]) +
                                                       static_cast<size_t>(position / c.block)];
        cache.store(1, block, head, position % c.block, past.span<float>().subspan(0, dim),
                    past.span<float>().subspan(dim, dim));
      }
}

/// A score of normal vectors is a sum of dim products, scaled: its error is about sqrt(dim) roundings of its
/// size, below 8, and enters the weights as it is. The weighted mean of values (below 5) adds its own.
float bound(const Case& c) {
  return (8 * std::sqrt(static_cast<float>(c.dim)) + 32) * 0x1p-24f * 5;
}

void compare(const Case& c, HostDevice& device) {
  const PagedSequences table(c.spans, c.block);
  const KvCache::Layout layout{2, c.kv_heads, c.dim, c.block, c.format};
  KvCache ours(layout, table.block_count), theirs(layout, table.block_count);
  fill(ours, c, table);
  fill(theirs, c, table);
  const Attributes attributes = {{"num_heads", int64_t{c.heads}},
                                 {"kv_heads", int64_t{c.kv_heads}},
                                 {"layer", int64_t{1}},
                                 {"window", int64_t{c.window}},
                                 {"softcap", c.softcap}};
  const auto inputs = [&](OpRun& run, KvCache& cache) {
    run.input(random_tensor({table.tokens, int64_t{c.heads} * c.dim}, 1))
        .input(random_tensor({table.tokens, int64_t{c.kv_heads} * c.dim}, 2))
        .input(random_tensor({table.tokens, int64_t{c.kv_heads} * c.dim}, 3))
        .input(table.sequences)
        .input(table.blocks)
        .state(cache);
  };
  OpRun kernel_run(paged_attention_schema(), attributes), reference_run(paged_attention_schema(), attributes);
  inputs(kernel_run, ours);
  inputs(reference_run, theirs);
  const Tensor found = run_on_device(cuda_kernel("paged_attention"), kernel_run, device)[0];
  const Tensor expected = reference_run.reference()[0];
  for (size_t i = 0; i < expected.span<float>().size(); ++i)
    ASSERT_NEAR(found.span<float>()[i], expected.span<float>()[i], bound(c)) << "element " << i;

  std::vector<float> a(static_cast<size_t>(c.dim)), b(a), x(a), y(a);
  for (int block = 0; block < table.block_count; ++block)
    for (int head = 0; head < c.kv_heads; ++head)
      for (int slot = 0; slot < c.block; ++slot) {
        ours.load(1, block, head, slot, a, b);
        theirs.load(1, block, head, slot, x, y);
        ASSERT_TRUE(a == x && b == y) << "the cache differs in block " << block;
      }
}

void compare_all(const Case& c) {
  for (host::ThreadOrder order : {host::ThreadOrder::forward, host::ThreadOrder::random}) {
    HostDevice device(order, 7);
    compare(c, device);
  }
}

TEST(CudaPagedAttention, Prefills) {
  compare_all({.spans = {{0, 1, 0}}});
  compare_all({.spans = {{0, 37, 0}}});
  compare_all({.block = 100, .spans = {{0, 13, 150}}});
}

TEST(CudaPagedAttention, Decodes) {
  compare_all({.spans = {{0, 1, 1}}});
  compare_all({.spans = {{0, 1, 30}}});
  compare_all({.spans = {{0, 2, 127}, {2, 1, 5}}});
  compare_all({.window = 10, .spans = {{0, 1, 300}}});
}

TEST(CudaPagedAttention, MixesSequences) {
  compare_all({.spans = {{0, 1, 12}, {1, 9, 0}, {10, 3, 5}, {13, 0, 4}, {13, 1, 0}}});
  compare_all({.spans = {{2, 5, 3}}});  // rows 0 and 1 belong to none
}

TEST(CudaPagedAttention, TakesEveryHeadLayout) {
  for (int dim : {1, 5, 24, 80, 256}) compare_all({.dim = dim, .spans = {{0, 4, 3}, {4, 1, 20}}});
  compare_all({.heads = 3, .kv_heads = 3, .spans = {{0, 9, 3}, {9, 1, 20}}});
  compare_all({.heads = 7, .kv_heads = 1, .spans = {{0, 9, 3}, {9, 1, 20}}});
}

TEST(CudaPagedAttention, ReadsEveryCacheFormat) {
  for (KvFormat format : {KvFormat::f32, KvFormat::f16, KvFormat::bf16, KvFormat::int8})
    for (int dim : {8, 20}) compare_all({.dim = dim, .format = format, .spans = {{0, 9, 3}, {9, 1, 20}}});
}

TEST(CudaPagedAttention, KeepsToTheWindowAndTheCap) {
  for (int window : {1, 3, 16, 1000})
    for (float softcap : {0.0f, 3.0f})
      compare_all({.window = window, .softcap = softcap, .spans = {{0, 20, 3}, {20, 1, 50}}});
}

TEST(CudaPagedAttention, SaysThatInt4IsNotThere) {
  HostDevice device;
  EXPECT_THROW(compare({.format = KvFormat::int4, .spans = {{0, 1, 0}}}, device), UnsupportedError);
}

}  // namespace
}  // namespace halftone::cuda
