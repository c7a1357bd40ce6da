#pragma once

#include "backend/cpu/gemm/nibble_rows.h"
#include "base/thread_pool.h"

namespace halftone::cpu {

/// Products of so few rows that the weights are read once for all of them, as they are stored.
class FewRows {
 public:
  /// `nibbles`: null where there are no such loops. `rounds`: activations are rounded to bf16 first.
  FewRows(const WeightRows& weights, const FloatGemmLoops& loops, const NibbleLoops* nibbles, bool rounds)
      : weights_(weights),
        loops_(loops),
        nibbles_(nibbles && takes_nibbles(*nibbles, weights) ? nibbles : nullptr),
        rounds_(rounds) {}

  /// So many rows are few. Looked-up codes cost less than decoded ones, and pay for longer.
  int64_t most() const { return nibbles_ ? 2 * kFewFloatRows : kFewFloatRows; }
  size_t workspace_bytes(int64_t m) const;
  /// `m` rows, in the order in which they lie.
  void run(ThreadPool& threads, const float* a, int64_t m, const FloatOutput& out,
           std::byte* workspace) const;

 private:
  const WeightRows& weights_;
  const FloatGemmLoops& loops_;
  const NibbleLoops* nibbles_;
  bool rounds_;
};

}  // namespace halftone::cpu
