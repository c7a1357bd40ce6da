#pragma once

#include "backend/cuda/device/floats.h"
#include "backend/cuda/paged_attention/attention_view.h"

namespace halftone::cuda {

/// What a use of attention without a cache adds to its scores, and hides beside what AttentionView says:
/// query row r of a sequence stands at position `past` + r, or, with valid_keys, a count for each sequence,
/// keys beyond that are padding and the last query stands at the last key.
struct ScoreMask {
  static constexpr bool kAny = true;

  Floats added;  ///< or bool (false hides); null: nothing
  bool is_bool;
  int32_t keys;               ///< with `added`: keys beyond are hidden
  int64_t steps[4];           ///< by sequence, head, query, key
  const int64_t* valid_keys;  ///< null: all
  int32_t past;

  DEVICE_MEMBER Sequence place(Sequence sequence) const {
    if (valid_keys) {
      const int64_t valid = valid_keys[sequence.index];
      sequence.past = static_cast<int>(valid) - sequence.rows;
      if (valid < sequence.keys) sequence.keys = valid > 0 ? static_cast<int>(valid) : 0;
    } else {
      sequence.past = past;
    }
    if (added && keys < sequence.keys) sequence.keys = keys;
    return sequence;
  }

  /// What is added to a score; -infinity for what is hidden.
  DEVICE_MEMBER float addend(int sequence, int head, int row, int key) const {
    if (!added) return 0;
    const int64_t at = sequence * steps[0] + head * steps[1] + row * steps[2] + key * steps[3];
    if (is_bool) return static_cast<const uint8_t*>(added.data)[at] ? 0 : -kInfinity;
    return added[at];
  }
};

/// Positions alone say what is seen.
struct NoScoreMask {
  static constexpr bool kAny = false;
  DEVICE_MEMBER Sequence place(const Sequence& sequence) const { return sequence; }
};

/// A score with its addend, which may hide a NaN.
DEVICE float masked(float score, float addend) {
  return addend == -kInfinity ? addend : score + addend;
}
/// The same of exponents of two. What is finite stays so: a row of least numbers alone has equal weights.
DEVICE float masked_exponent(float exponent, float addend) {
  const float scaled = addend * kLog2E;
  return masked(exponent, scaled == -kInfinity && addend > -kInfinity ? addend : scaled);
}

}  // namespace halftone::cuda
