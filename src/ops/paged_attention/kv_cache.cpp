#include "ops/paged_attention/kv_cache.h"

#include <array>
#include <cassert>
#include <cstring>
#include <sys/mman.h>

#include "base/checked.h"
#include "scheme/dynamic.h"

namespace halftone {
namespace {

constexpr std::array<std::string_view, 4> kFormatNames = {"f32", "f16", "bf16", "int8"};

size_t element_bytes(KvFormat format) {
  constexpr std::array<size_t, 4> kBytes = {4, 2, 2, 1};
  return kBytes[static_cast<size_t>(format)];
}

/// Zeroed address space whose pages are taken from the system when first written.
std::shared_ptr<std::byte> reserve(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw ResourceError("out of memory: {} bytes for the KV cache", bytes);
  madvise(memory, bytes, MADV_HUGEPAGE);
  return {static_cast<std::byte*>(memory), [bytes](std::byte* p) { munmap(p, bytes); }};
}

template <class T, class Round>
void round_to(std::byte* to, std::span<const float> from, Round round) {
  T* out = reinterpret_cast<T*>(to);
  for (size_t i = 0; i < from.size(); ++i) out[i] = round(from[i]);
}

float quantize_head(std::byte* to, std::span<const float> from) {
  float scale;
  quantize_token(from, {reinterpret_cast<int8_t*>(to), from.size()}, scale);
  return scale;
}

}  // namespace

std::string_view kv_format_name(KvFormat format) {
  return kFormatNames[static_cast<size_t>(format)];
}

std::optional<KvFormat> kv_format_from_name(std::string_view name) {
  for (size_t i = 0; i < kFormatNames.size(); ++i)
    if (kFormatNames[i] == name) return static_cast<KvFormat>(i);
  return std::nullopt;
}

KvCache::KvCache(const Layout& layout, int blocks) : layout_(layout), blocks_(blocks) {
  assert(layout.layers > 0 && layout.kv_heads > 0 && layout.head_dim > 0 && layout.block_tokens > 0 &&
         blocks >= 0);
  auto product = [](std::initializer_list<size_t> factors) {
    std::optional<size_t> all = 1;
    for (size_t factor : factors)
      if (all) all = checked_mul(*all, factor);
    if (!all) throw ResourceError("out of memory: the KV cache would be larger than the address space");
    return *all;
  };
  const auto block_tokens = static_cast<size_t>(layout.block_tokens);
  tile_bytes_ = product({block_tokens, static_cast<size_t>(layout.head_dim), element_bytes(layout.format)});
  const size_t tiles = product({2, static_cast<size_t>(layout.layers), static_cast<size_t>(blocks),
                                static_cast<size_t>(layout.kv_heads)});
  data_ = reserve(product({tiles, tile_bytes_}));
  if (layout.format == KvFormat::int8) {
    std::shared_ptr<std::byte> memory = reserve(product({tiles, block_tokens, sizeof(float)}));
    scales_ = {memory, reinterpret_cast<float*>(memory.get())};
  }
}

size_t KvCache::bytes_per_token(const Layout& layout) {
  const size_t head = static_cast<size_t>(layout.head_dim) * element_bytes(layout.format) +
                      (layout.format == KvFormat::int8 ? sizeof(float) : 0);
  return 2 * static_cast<size_t>(layout.layers) * static_cast<size_t>(layout.kv_heads) * head;
}

void KvCache::store(int layer, int block, int head, int slot, std::span<const float> key,
                    std::span<const float> value) {
  const size_t at = static_cast<size_t>(slot) * key.size() * element_bytes(layout_.format);
  std::byte* k = keys(layer, block, head) + at;
  std::byte* v = values(layer, block, head) + at;
  switch (layout_.format) {
    case KvFormat::f32:
      std::memcpy(k, key.data(), key.size_bytes());
      std::memcpy(v, value.data(), value.size_bytes());
      return;
    case KvFormat::f16:
      round_to<Half>(k, key, to_half);
      round_to<Half>(v, value, to_half);
      return;
    case KvFormat::bf16:
      round_to<BFloat16>(k, key, to_bfloat16);
      round_to<BFloat16>(v, value, to_bfloat16);
      return;
    case KvFormat::int8:
      key_scales(layer, block, head)[slot] = quantize_head(k, key);
      value_scales(layer, block, head)[slot] = quantize_head(v, value);
      return;
  }
}

void KvCache::load(int layer, int block, int head, int slot, std::span<float> key,
                   std::span<float> value) const {
  auto read = [&](int which, std::span<float> out) {
    const std::byte* from = at(which, layer, block, head) +
                            static_cast<size_t>(slot) * out.size() * element_bytes(layout_.format);
    for (size_t i = 0; i < out.size(); ++i) {
      switch (layout_.format) {
        case KvFormat::f32:
          out[i] = reinterpret_cast<const float*>(from)[i];
          break;
        case KvFormat::f16:
          out[i] = to_float(reinterpret_cast<const Half*>(from)[i]);
          break;
        case KvFormat::bf16:
          out[i] = to_float(reinterpret_cast<const BFloat16*>(from)[i]);
          break;
        case KvFormat::int8:
          out[i] = static_cast<float>(reinterpret_cast<const int8_t*>(from)[i]) *
                   scales_at(which, layer, block, head)[slot];
      }
    }
  };
  read(0, key);
  read(1, value);
}

std::byte* KvCache::at(int which, int layer, int block, int head) const {
  return data_.get() + tile_index(which, layer, block, head) * tile_bytes_;
}

float* KvCache::scales_at(int which, int layer, int block, int head) const {
  return scales_.get() + tile_index(which, layer, block, head) * static_cast<size_t>(layout_.block_tokens);
}

/// Tiles lie by layer, then block, then K or V, then head: what one node reads of a block is one piece.
size_t KvCache::tile_index(int which, int layer, int block, int head) const {
  assert(layer < layout_.layers && 0 <= block && block < blocks_ && head < layout_.kv_heads);
  const size_t of_block =
      static_cast<size_t>(layer) * static_cast<size_t>(blocks_) + static_cast<size_t>(block);
  return (of_block * 2 + static_cast<size_t>(which)) * static_cast<size_t>(layout_.kv_heads) +
         static_cast<size_t>(head);
}

}  // namespace halftone
