#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ops/op_schema.h"
#include "ops/paged_attention/kv_codes.h"

namespace halftone {

/// How keys and values are kept. int8: symmetric codes with one f32 scale for each token and head, as
/// quantize_token() of scheme/dynamic.h makes them. int4 and int8_channel: see KvCodes; the newest tokens
/// stay in f16.
enum class KvFormat : uint8_t { f32, f16, bf16, int8, int4, int8_channel };
/// Formats whose codes are made of a whole block of tokens at a time.
inline bool codes_by_block(KvFormat format) {
  return format == KvFormat::int4 || format == KvFormat::int8_channel;
}
std::string_view kv_format_name(KvFormat format);
std::optional<KvFormat> kv_format_from_name(std::string_view name);

/// How the K (or V) of one (layer, block, head) lies. rows: [block_tokens, head_dim]. fours, of int8 only: as
/// instructions read that sum four products of bytes, 32 tokens behind 32 tokens. Of K as [head_dim / 4, 32,
/// 4]: four columns of each token, codes plus 128. Of V as [32 / 4, head_dim, 4]: each column of four tokens.
/// The scales of K, then of V, stand before K: all that is read of a head lies in the order in which it is
/// read.
enum class KvOrder : uint8_t { rows, fours };

/// Keys and values of all layers, in blocks of tokens. The K (or V) of one (layer, block, head) lies together
/// in its KvOrder; int8 scales lie as [block_tokens] per (layer, block, head), of rows in their own array.
/// Memory is reserved for all blocks and touched as they are written. Which sequence owns which block is the
/// engine's affair.
class KvCache : public State {
 public:
  struct Layout {
    int layers = 0;
    int kv_heads = 0;
    int head_dim = 0;
    int block_tokens = 32;
    KvFormat format = KvFormat::f16;
    /// codes_by_block(): a block is read as codes by tokens that stand this many behind its end; nearer ones
    /// read f16.
    int residual_tokens = 128;
    KvOrder order = KvOrder::rows;

    static constexpr int kFoursTokens = 32;
    static constexpr int kMostFoursDim = 512;
    bool can_lie_in_fours() const {
      return format == KvFormat::int8 && block_tokens % kFoursTokens == 0 && head_dim % 32 == 0 &&
             head_dim <= kMostFoursDim;
    }
    /// Of K or V of one token and head; not of codes_by_block() formats.
    int64_t row_bytes() const {
      return head_dim * (format == KvFormat::f32 ? 4 : format == KvFormat::int8 ? 1 : 2);
    }
    /// Of the scales before each head's K.
    int64_t front_bytes() const {
      return order == KvOrder::fours ? 2 * block_tokens * static_cast<int64_t>(sizeof(float)) : 0;
    }
    /// Of codes_by_block() formats.
    KvCodes codes() const { return {format == KvFormat::int4 ? 4 : 8, block_tokens, head_dim}; }
  };

  /// Gives zeroed or undefined memory, or throws ResourceError.
  using Allocate = std::function<std::shared_ptr<std::byte>(size_t bytes)>;

  /// Throws ResourceError when the memory cannot be had. With `allocate` it comes from there and may be a
  /// device's: then store() and load() must not be called, and codes_by_block(), encoded by the host, are an
  /// UnsupportedError.
  KvCache(const Layout& layout, int blocks, const Allocate& allocate = {});

  const Layout& layout() const { return layout_; }
  int blocks() const { return blocks_; }
  /// Bytes of one token in all layers, K and V, scales counted (codes_by_block(): once it is in codes).
  static size_t bytes_per_token(const Layout& layout);

  /// First byte of K or V of (layer, block, head).
  std::byte* keys(int layer, int block, int head) { return at(0, layer, block, head); }
  std::byte* values(int layer, int block, int head) { return at(1, layer, block, head); }
  float* key_scales(int layer, int block, int head) { return scales_at(0, layer, block, head); }
  float* value_scales(int layer, int block, int head) { return scales_at(1, layer, block, head); }

  /// Writes one token's K and V of one head (head_dim floats each), rounded or quantized to the format.
  /// Threads may store side by side once the block is open (codes_by_block()).
  void store(int layer, int block, int head, int slot, std::span<const float> key,
             std::span<const float> value);
  /// Reads them back as f32, from its codes where the block has both.
  void load(int layer, int block, int head, int slot, std::span<float> key, std::span<float> value,
            bool codes = true) const;

  // codes_by_block() only. A block is open while its tokens lie in f16, to be written and read by near
  // tokens; encode() makes the codes of one head, close() lets the f16 go.
  /// Of a closed block the first `kept` tokens come back from their codes; the others are about to be
  /// written.
  void open(int layer, int block, int kept);
  bool is_open(int layer, int block) const;
  void encode(int layer, int block, int head);
  void close(int layer, int block);
  /// How many of a sequence's blocks, from its first, the token at `position` reads as codes.
  int far_blocks(int position) const {
    if (!codes_by_block(layout_.format)) return 0;
    return std::max(0, position + 1 - layout_.residual_tokens) / layout_.block_tokens;
  }
  /// [block_tokens, head_dim] of an open block.
  Half* open_keys(int layer, int block, int head) const { return open_at(0, layer, block, head); }
  Half* open_values(int layer, int block, int head) const { return open_at(1, layer, block, head); }

 private:
  Half* open_at(int which, int layer, int block, int head) const;
  std::unique_ptr<Half[]>& open_block(int layer, int block);
  const std::unique_ptr<Half[]>& open_block(int layer, int block) const;
  size_t tile_elements() const;
  void load_float(const std::byte* from, float scale, std::span<float> out) const;
  void store_fours(int layer, int block, int head, int slot, std::span<const float> key,
                   std::span<const float> value);
  void load_fours(int layer, int block, int head, int slot, std::span<float> key,
                  std::span<float> value) const;
  std::byte* at(int which, int layer, int block, int head) const;
  float* scales_at(int which, int layer, int block, int head) const;
  size_t tile_index(int which, int layer, int block, int head) const;
  /// Where the scales before K stand.
  std::byte* front_at(int layer, int block, int head) const;

  Layout layout_;
  int blocks_;
  size_t tile_bytes_;  ///< of one (layer, block, head)
  std::shared_ptr<std::byte> data_;
  std::shared_ptr<float> scales_;
  std::vector<std::unique_ptr<Half[]>> open_;   ///< by layer and block; null: closed
  std::vector<std::unique_ptr<Half[]>> spare_;  ///< of closed blocks
};

}  // namespace halftone
