#include "ops/paged_attention/kv_cache.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <sys/mman.h>

#include "base/checked.h"
#include "scheme/dynamic.h"

namespace halftone {
namespace {

constexpr std::array<std::string_view, 6> kFormatNames = {"f32",  "f16",  "bf16",
                                                          "int8", "int4", "int8-channel"};

/// Of formats that keep each element by itself: not codes_by_block().
size_t element_bytes(KvFormat format) {
  constexpr std::array<size_t, 4> kBytes = {4, 2, 2, 1};
  return kBytes[static_cast<size_t>(format)];
}

size_t tile_bytes(const KvCache::Layout& layout) {
  if (codes_by_block(layout.format)) return layout.codes().tile_bytes();
  return static_cast<size_t>(layout.block_tokens) * static_cast<size_t>(layout.head_dim) *
         element_bytes(layout.format);
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

/// Where in a tile in fours the codes of one token lie.
struct FoursOfToken {
  static constexpr size_t kTokens = KvCache::Layout::kFoursTokens;
  size_t first_key, first_value;

  FoursOfToken(int head_dim, int token) {
    const auto dim = static_cast<size_t>(head_dim), slot = static_cast<size_t>(token);
    first_key = slot / kTokens * kTokens * dim + slot % kTokens * 4;
    first_value = slot / 4 * 4 * dim + slot % 4;
  }
  size_t key(size_t column) const { return first_key + column / 4 * 4 * kTokens + column % 4; }
  size_t value(size_t column) const { return first_value + column * 4; }
};
/// Of codes of keys in fours. A byte plus 128 is the byte ^ 128.
constexpr int kKeyOffset = 128;

}  // namespace

std::string_view kv_format_name(KvFormat format) {
  return kFormatNames[static_cast<size_t>(format)];
}

std::optional<KvFormat> kv_format_from_name(std::string_view name) {
  for (size_t i = 0; i < kFormatNames.size(); ++i)
    if (kFormatNames[i] == name) return static_cast<KvFormat>(i);
  return std::nullopt;
}

KvCache::KvCache(const Layout& layout, int blocks, const Allocate& allocate)
    : layout_(layout), blocks_(blocks) {
  const auto take = [&](size_t bytes) { return allocate ? allocate(bytes) : reserve(bytes); };
  if (allocate && codes_by_block(layout.format))
    throw UnsupportedError("a KV cache in {} lies in the host's memory only (use int8 or f16)",
                           kv_format_name(layout.format));
  assert(layout.layers > 0 && layout.kv_heads > 0 && layout.head_dim > 0 && layout.block_tokens > 0 &&
         blocks >= 0);
  auto product = [](std::initializer_list<size_t> factors) {
    std::optional<size_t> all = 1;
    for (size_t factor : factors)
      if (all) all = checked_mul(*all, factor);
    if (!all) throw ResourceError("out of memory: the KV cache would be larger than the address space");
    return *all;
  };
  assert(layout.order == KvOrder::rows || layout.can_lie_in_fours());
  const auto block_tokens = static_cast<size_t>(layout.block_tokens);
  product({block_tokens, static_cast<size_t>(layout.head_dim), sizeof(float)});
  tile_bytes_ = tile_bytes(layout);
  const size_t tiles = product({2, static_cast<size_t>(layout.layers), static_cast<size_t>(blocks),
                                static_cast<size_t>(layout.kv_heads)});
  const auto front_bytes = static_cast<size_t>(layout.front_bytes());
  data_ = take(product({tiles, tile_bytes_ + front_bytes / 2}));
  if (layout.format == KvFormat::int8 && front_bytes == 0) {
    std::shared_ptr<std::byte> memory = take(product({tiles, block_tokens, sizeof(float)}));
    scales_ = {memory, reinterpret_cast<float*>(memory.get())};
  }
  if (codes_by_block(layout.format))
    open_.resize(static_cast<size_t>(layout.layers) * static_cast<size_t>(blocks));
}

size_t KvCache::bytes_per_token(const Layout& layout) {
  const size_t head = ceil_div(tile_bytes(layout), static_cast<size_t>(layout.block_tokens)) +
                      (layout.format == KvFormat::int8 ? sizeof(float) : 0);
  return 2 * static_cast<size_t>(layout.layers) * static_cast<size_t>(layout.kv_heads) * head;
}

void KvCache::store(int layer, int block, int head, int slot, std::span<const float> key,
                    std::span<const float> value) {
  if (codes_by_block(layout_.format)) {
    if (!is_open(layer, block)) open(layer, block, slot);
    const size_t at = static_cast<size_t>(slot) * key.size();
    std::ranges::transform(key, open_keys(layer, block, head) + at, to_half);
    std::ranges::transform(value, open_values(layer, block, head) + at, to_half);
    return;
  }
  if (layout_.order == KvOrder::fours) return store_fours(layer, block, head, slot, key, value);
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
    case KvFormat::int4:
    case KvFormat::int8_channel:
      return;
  }
}

void KvCache::load(int layer, int block, int head, int slot, std::span<float> key, std::span<float> value,
                   bool codes) const {
  if (layout_.order == KvOrder::fours) return load_fours(layer, block, head, slot, key, value);
  if (!codes_by_block(layout_.format)) {
    const size_t at = static_cast<size_t>(slot) * key.size() * element_bytes(layout_.format);
    const bool scaled = layout_.format == KvFormat::int8;
    load_float(this->at(0, layer, block, head) + at, scaled ? scales_at(0, layer, block, head)[slot] : 1,
               key);
    load_float(this->at(1, layer, block, head) + at, scaled ? scales_at(1, layer, block, head)[slot] : 1,
               value);
    return;
  }
  if (codes || !is_open(layer, block)) {
    layout_.codes().decode_key(at(0, layer, block, head), slot, key);
    layout_.codes().decode_value(at(1, layer, block, head), slot, value);
    return;
  }
  const size_t from = static_cast<size_t>(slot) * key.size();
  for (size_t i = 0; i < key.size(); ++i) {
    key[i] = to_float(open_keys(layer, block, head)[from + i]);
    value[i] = to_float(open_values(layer, block, head)[from + i]);
  }
}

void KvCache::store_fours(int layer, int block, int head, int slot, std::span<const float> key,
                          std::span<const float> value) {
  const FoursOfToken places(layout_.head_dim, slot);
  std::array<int8_t, Layout::kMostFoursDim> codes;
  const std::span<int8_t> row(codes.data(), key.size());
  quantize_token(key, row, key_scales(layer, block, head)[slot]);
  std::byte* k = keys(layer, block, head);
  for (int8_t& code : row) code = static_cast<int8_t>(code ^ kKeyOffset);
  for (size_t c = 0; c < row.size(); c += 4) std::memcpy(k + places.key(c), &row[c], 4);
  quantize_token(value, row, value_scales(layer, block, head)[slot]);
  std::byte* v = values(layer, block, head);
  for (size_t c = 0; c < row.size(); ++c) v[places.value(c)] = static_cast<std::byte>(row[c]);
}

void KvCache::load_fours(int layer, int block, int head, int slot, std::span<float> key,
                         std::span<float> value) const {
  const FoursOfToken places(layout_.head_dim, slot);
  const std::byte *k = at(0, layer, block, head), *v = at(1, layer, block, head);
  const float key_scale = scales_at(0, layer, block, head)[slot];
  const float value_scale = scales_at(1, layer, block, head)[slot];
  for (size_t c = 0; c < key.size(); ++c) {
    key[c] = static_cast<float>(static_cast<int>(k[places.key(c)]) - kKeyOffset) * key_scale;
    value[c] = static_cast<float>(static_cast<int8_t>(v[places.value(c)])) * value_scale;
  }
}

void KvCache::load_float(const std::byte* from, float scale, std::span<float> out) const {
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
      case KvFormat::int4:
      case KvFormat::int8_channel:
        out[i] = static_cast<float>(reinterpret_cast<const int8_t*>(from)[i]) * scale;
    }
  }
}

size_t KvCache::tile_elements() const {
  return static_cast<size_t>(layout_.block_tokens) * static_cast<size_t>(layout_.head_dim);
}

std::unique_ptr<Half[]>& KvCache::open_block(int layer, int block) {
  return open_[static_cast<size_t>(layer) * static_cast<size_t>(blocks_) + static_cast<size_t>(block)];
}
const std::unique_ptr<Half[]>& KvCache::open_block(int layer, int block) const {
  return open_[static_cast<size_t>(layer) * static_cast<size_t>(blocks_) + static_cast<size_t>(block)];
}

bool KvCache::is_open(int layer, int block) const {
  return open_block(layer, block) != nullptr;
}

Half* KvCache::open_at(int which, int layer, int block, int head) const {
  return open_block(layer, block).get() +
         static_cast<size_t>(which * layout_.kv_heads + head) * tile_elements();
}

void KvCache::open(int layer, int block, int kept) {
  std::unique_ptr<Half[]>& memory = open_block(layer, block);
  if (memory) return;
  const size_t elements = 2 * static_cast<size_t>(layout_.kv_heads) * tile_elements();
  if (spare_.empty()) {
    memory = std::make_unique<Half[]>(elements);
  } else {
    memory = std::move(spare_.back());
    spare_.pop_back();
    std::fill_n(memory.get(), elements, Half{});
  }
  std::vector<float> key(static_cast<size_t>(layout_.head_dim)), value(key.size());
  for (int head = 0; head < layout_.kv_heads; ++head)
    for (int slot = 0; slot < kept; ++slot) {
      load(layer, block, head, slot, key, value, true);
      store(layer, block, head, slot, key, value);
    }
}

void KvCache::encode(int layer, int block, int head) {
  const std::span<const Half> k{open_keys(layer, block, head), tile_elements()};
  const std::span<const Half> v{open_values(layer, block, head), tile_elements()};
  layout_.codes().encode_keys(k, keys(layer, block, head));
  layout_.codes().encode_values(v, values(layer, block, head));
}

void KvCache::close(int layer, int block) {
  std::unique_ptr<Half[]>& memory = open_block(layer, block);
  if (memory) spare_.push_back(std::move(memory));
}

std::byte* KvCache::at(int which, int layer, int block, int head) const {
  const auto front_bytes = static_cast<size_t>(layout_.front_bytes());
  if (which == 0) return front_at(layer, block, head) + front_bytes;
  return front_at(layer, block, layout_.kv_heads) + static_cast<size_t>(head) * tile_bytes_;
}

std::byte* KvCache::front_at(int layer, int block, int head) const {
  const auto front_bytes = static_cast<size_t>(layout_.front_bytes());
  return data_.get() + tile_index(0, layer, block, 0) * (tile_bytes_ + front_bytes / 2) +
         static_cast<size_t>(head) * (tile_bytes_ + front_bytes);
}

float* KvCache::scales_at(int which, int layer, int block, int head) const {
  const auto block_tokens = static_cast<size_t>(layout_.block_tokens);
  if (layout_.front_bytes() > 0)
    return reinterpret_cast<float*>(front_at(layer, block, head)) + static_cast<size_t>(which) * block_tokens;
  return scales_.get() + tile_index(which, layer, block, head) * block_tokens;
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
