#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "ops/op_schema.h"

namespace halftone {

/// How keys and values are kept. int8: symmetric codes with one f32 scale for each token and head, as
/// quantize_token() of scheme/dynamic.h makes them.
enum class KvFormat : uint8_t { f32, f16, bf16, int8 };
std::string_view kv_format_name(KvFormat format);
std::optional<KvFormat> kv_format_from_name(std::string_view name);

/// Keys and values of all layers, in blocks of tokens. The K (or V) of one (layer, block, head) lies together
/// as [block_tokens, head_dim]; int8 scales lie as [block_tokens] per (layer, block, head) in their own
/// array. Memory is reserved for all blocks and touched as they are written. Which sequence owns which block
/// is the engine's affair.
class KvCache : public State {
 public:
  struct Layout {
    int layers = 0;
    int kv_heads = 0;
    int head_dim = 0;
    int block_tokens = 32;
    KvFormat format = KvFormat::f16;
  };

  /// Throws ResourceError when the memory cannot be had.
  KvCache(const Layout& layout, int blocks);

  const Layout& layout() const { return layout_; }
  int blocks() const { return blocks_; }
  /// Bytes of one token in all layers, K and V, scales counted.
  static size_t bytes_per_token(const Layout& layout);

  /// First byte of K or V of (layer, block, head).
  std::byte* keys(int layer, int block, int head) { return at(0, layer, block, head); }
  std::byte* values(int layer, int block, int head) { return at(1, layer, block, head); }
  float* key_scales(int layer, int block, int head) { return scales_at(0, layer, block, head); }
  float* value_scales(int layer, int block, int head) { return scales_at(1, layer, block, head); }

  /// Writes one token's K and V of one head (head_dim floats each), rounded or quantized to the format.
  void store(int layer, int block, int head, int slot, std::span<const float> key,
             std::span<const float> value);
  /// Reads them back as f32.
  void load(int layer, int block, int head, int slot, std::span<float> key, std::span<float> value) const;

 private:
  std::byte* at(int which, int layer, int block, int head) const;
  float* scales_at(int which, int layer, int block, int head) const;
  size_t tile_index(int which, int layer, int block, int head) const;

  Layout layout_;
  int blocks_;
  size_t tile_bytes_;  ///< of one (layer, block, head)
  std::shared_ptr<std::byte> data_;
  std::shared_ptr<float> scales_;
};

}  // namespace halftone
