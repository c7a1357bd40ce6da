#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX RotaryEmbedding (23): rotates pairs (a, b) of each head by an angle that grows with the position:
/// a' = cos * a - sin * b, b' = sin * a + cos * b (Su et al., arXiv:2104.09864).
///
/// Inputs: X, one of [batch, heads, length, head_dim], [batch, length, heads * head_dim] (with num_heads),
/// and, beyond
///         ONNX, [tokens, heads * head_dim] (with num_heads): the flat axis of tokens of the LLM graphs;
///         cos_cache and sin_cache [positions, rotary / 2], read at position_ids [batch, length] (or
///         [tokens]), i64 or i32; without position_ids [batch, length, rotary / 2] (or [tokens, rotary / 2]).
/// Attributes: interleaved (0: pairs i, i + rotary / 2; 1: pairs 2i, 2i + 1), num_heads, rotary_embedding_dim
/// (0: all of head_dim; otherwise the rest of each head passes unchanged). A position outside the caches
/// gives NaN.
const OpSchema& rotary_embedding_schema();

/// The sizes of one use; X is seen as rows (one a token) of heads.
struct RotaryExtent {
  int64_t batch, length;  ///< rows = batch * length; the flat form has batch 1
  int64_t heads, head_dim;
  int64_t rotary;    ///< elements of each head that turn
  bool heads_first;  ///< the 4-D form: [batch, heads, length, head_dim]
  bool interleaved;
  bool by_position;  ///< the caches are read at position_ids

  /// Offset of element 0 of (row, head) in X.
  int64_t offset(int64_t row, int64_t head) const {
    if (!heads_first) return (row * heads + head) * head_dim;
    return ((row / length * heads + head) * length + row % length) * head_dim;
  }
};
RotaryExtent rotary_extent(const OpSite& site);

/// Row `row`'s line in the caches, or -1 for a position outside them.
int64_t rotary_cache_row(const RotaryExtent& extent, std::span<const Operand> inputs, int64_t row);

}  // namespace halftone
