#include "ops/paged_attention/paged_attention.h"

#include <algorithm>
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
  float unit = 0;  ///< roundoff of queries and weights on the Tensor Cores
  std::vector<SequenceSpan> spans;
};

/// A cache in a device's memory, filled and read through a copy on the host.
class DeviceCache {
 public:
  DeviceCache(const KvCache::Layout& layout, int blocks, Device& device)
      : device_(device),
        on_host_(layout, blocks,
                 [&](size_t bytes) {
                   parts_.push_back({bytes,
                                     std::shared_ptr<std::byte>(new std::byte[bytes](),
                                                                std::default_delete<std::byte[]>()),
                                     nullptr});
                   return parts_.back().host;
                 }),
        on_device_(layout, blocks, [&, next = size_t{0}](size_t bytes) mutable {
          return parts_[next++].device = device.allocate(bytes, "the cache");
        }) {}
  KvCache& on_host() { return on_host_; }
  KvCache& on_device() { return on_device_; }
  void upload() {
    for (const Part& part : parts_) device_.upload(part.device.get(), part.host.get(), part.bytes);
  }
  void download() {
    for (const Part& part : parts_) device_.download(part.host.get(), part.device.get(), part.bytes);
  }

 private:
  struct Part {
    size_t bytes;
    std::shared_ptr<std::byte> host, device;
  };
  Device& device_;
  std::vector<Part> parts_;
  KvCache on_host_, on_device_;
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
///
/// Tensor Cores see queries and weights rounded to `unit`: a score, a scaled sum of dim products of normal
/// numbers, changes by less than 2 units then (four standard deviations), a weight by that and half a unit of
/// its own, and the mean of values that spread by about 1 by less than 4 units.
float bound(const Case& c) {
  return (8 * std::sqrt(static_cast<float>(c.dim)) + 32) * 0x1p-24f * 5 + 4 * c.unit;
}

void compare(const Case& c, Device& device) {
  const PagedSequences table(c.spans, c.block);
  const KvCache::Layout layout{2, c.kv_heads, c.dim, c.block, c.format};
  DeviceCache ours(layout, table.block_count, device);
  KvCache theirs(layout, table.block_count);
  fill(ours.on_host(), c, table);
  ours.upload();
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
  inputs(kernel_run, ours.on_device());
  inputs(reference_run, theirs);
  const Tensor found = run_on_device(cuda_kernel("paged_attention"), kernel_run, device)[0];
  const Tensor expected = reference_run.reference()[0];
  for (size_t i = 0; i < expected.span<float>().size(); ++i)
    ASSERT_NEAR(found.span<float>()[i], expected.span<float>()[i], bound(c)) << "element " << i;

  ours.download();
  std::vector<float> a(static_cast<size_t>(c.dim)), b(a), x(a), y(a);
  for (int block = 0; block < table.block_count; ++block)
    for (int head = 0; head < c.kv_heads; ++head)
      for (int slot = 0; slot < c.block; ++slot) {
        ours.on_host().load(1, block, head, slot, a, b);
        theirs.load(1, block, head, slot, x, y);
        ASSERT_TRUE(a == x && b == y) << "the cache differs in block " << block;
      }
}

/// In an order that no kernel can count on.
void compare_shuffled(const Case& c) {
  compare(c, *TestDevice(host::ThreadOrder::random, 7));
}

void compare_all(const Case& c) {
  for (host::ThreadOrder order : {host::ThreadOrder::forward, host::ThreadOrder::random}) {
    compare(c, *TestDevice(order, 7));
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

/// Blocks of 16 tokens and more go to the Tensor Cores, which see all of a prefill's rounding and what the
/// second half of a decode's pairs leaves of it.
Case tiles(KvFormat format, int dim, std::vector<SequenceSpan> spans) {
  Case made{.dim = dim, .block = 16, .format = format, .spans = {}};
  const bool prefills = std::ranges::any_of(spans, [](const SequenceSpan& s) { return s.rows > 4; });
  made.unit = format == KvFormat::bf16 ? (prefills ? 0x1p-8f : 0x1p-16f) : (prefills ? 0x1p-11f : 0x1p-22f);
  made.spans = std::move(spans);
  return made;
}

TEST(CudaPagedAttention, DecodesInTiles) {
  for (KvFormat format : {KvFormat::f16, KvFormat::bf16, KvFormat::int8})
    for (int dim : {64, 80, 128, 256}) {
      compare_shuffled(tiles(format, dim, {{0, 1, 0}}));
      compare_shuffled(tiles(format, dim, {{0, 1, 213}}));
      compare_shuffled(tiles(format, dim, {{0, 2, 127}, {2, 1, 5}}));
    }
}

TEST(CudaPagedAttention, PrefillsInTiles) {
  for (KvFormat format : {KvFormat::f16, KvFormat::bf16, KvFormat::int8})
    for (int dim : format == KvFormat::f16 ? std::vector<int>{64, 96, 128, 256} : std::vector<int>{64, 256}) {
      compare_shuffled(tiles(format, dim, {{0, 37, 0}}));
      compare_shuffled(tiles(format, dim, {{0, 6, 150}}));
    }
}

TEST(CudaPagedAttention, MixesSequencesInTiles) {
  Case c =
      tiles(KvFormat::f16, 64, {{0, 1, 12}, {1, 40, 0}, {41, 3, 5}, {44, 0, 4}, {44, 1, 0}, {50, 2, 70}});
  compare_shuffled(c);  // rows 45 to 49 belong to none
  c.block = 32;
  c.heads = 6;
  compare_shuffled(c);
  c.heads = 22;  // two groups of heads
  compare_shuffled(c);
}

TEST(CudaPagedAttention, KeepsToTheWindowAndTheCapInTiles) {
  for (int window : {1, 5, 16, 50})
    for (float softcap : {0.0f, 3.0f}) {
      Case c = tiles(KvFormat::f16, 64, {{0, 40, 13}, {40, 1, 150}});
      c.window = window;
      c.softcap = softcap;
      compare_shuffled(c);
    }
}

TEST(CudaPagedAttention, SaysThatInt4IsNotThere) {
  EXPECT_THROW(compare({.format = KvFormat::int4, .spans = {{0, 1, 0}}}, *TestDevice()), UnsupportedError);
}

}  // namespace
}  // namespace halftone::cuda
