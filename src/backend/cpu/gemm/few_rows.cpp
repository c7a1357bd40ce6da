#include "backend/cpu/gemm/few_rows.h"

#include <algorithm>

#include "backend/cpu/subnormals_as_zero.h"
#include "base/checked.h"
#include "scheme/bf16/rounded_bf16.h"

namespace halftone::cpu {
namespace {

/// Bytes of weights that make a piece of work for one thread, and outputs that are read side by side.
constexpr int64_t kPieceBytes = int64_t{128} << 10, kStreams = 4;

}  // namespace

size_t FewRows::workspace_bytes(int64_t m) const {
  return static_cast<size_t>(m * weights_.k) * sizeof(float) * ((rounds_ ? 1u : 0u) + (nibbles_ ? 1u : 0u));
}

void FewRows::run(ThreadPool& threads, const float* a, int64_t m, const FloatOutput& out,
                  std::byte* workspace) const {
  const int64_t count = m * weights_.k;
  auto* memory = reinterpret_cast<float*>(workspace);
  if (rounds_) {
    round_to_bf16(std::span(a, static_cast<size_t>(count)), memory);
    a = memory;
    memory += count;
  }
  if (nibbles_) {
    nibbles_->arrange(a, count, memory);
    a = memory;
  }
  const auto few = nibbles_ ? nibbles_->few_rows : loops_.few_rows;
  const int64_t grain =
      round_up(std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(1, weights_.row_bytes)), kStreams);
  threads.parallel_for(weights_.n, grain, [&](int64_t begin, int64_t end) {
    const SubnormalsAsZero mode;
    few(weights_, a, m, out, begin, end);
  });
}

}  // namespace halftone::cpu
