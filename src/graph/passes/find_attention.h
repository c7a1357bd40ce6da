#pragma once

#include <optional>
#include <vector>

#include "graph/passes/known_sizes.h"
#include "graph/passes/pattern.h"

namespace halftone {

/// An addend below this hides a score whatever it was.
constexpr float kHidesScores = -1e30f;

/// softmax(scale Q K^T + masks) V as exporters spell it out, all with four dimensions.
struct FoundAttention {
  ValueId q = kNoValue, k = kNoValue, v = kNoValue;  ///< [batch, heads, length, dim]; K and V of fewer heads
  int turned_keys = -1;  ///< the node that makes K, with its last two axes turned yet
  float scale = 1;
  /// What is added to the scores, or hides them: addends of `hidden` where `where` is true.
  struct Mask {
    ValueId addend = kNoValue;
    ValueId where = kNoValue, hidden = kNoValue;
    bool inverted = false;  ///< hidden where `where` is false
  };
  std::vector<Mask> masks;
  std::vector<ValueId> inner;  ///< values between, which nothing else reads
};

/// That of which `context` is the product with V.
///
/// PyTorch writes it in many ways: the scale beside the scores, or its root beside each of Q and K; K turned
/// by a Transpose, or by one between two Reshapes; a Where behind the Softmax that makes rows of zeros of
/// rows that see no key; keys and values of few heads repeated by Unsqueeze, Expand and Reshape; Casts to f32
/// around the Softmax.
std::optional<FoundAttention> find_attention(const Graph& graph, const UseMap& uses, const KnownSizes& sizes,
                                             const Node& context);

/// `perm` of a Transpose, or its default.
std::vector<int64_t> permutation_of(const Node& transpose, int rank);

}  // namespace halftone
