#include "backend/cpu/int8/code_rows.h"

#include <cstring>

namespace halftone::cpu {

size_t code_rows_workspace_bytes(const CodeWeights& weights, int threads) {
  return CodeMultiply::workspace_bytes(weights, threads) + static_cast<size_t>(weights.quads() * kCodeQuad);
}

CodeMultiply multiply_rows(const CodeWeights& weights, const uint8_t* codes, int64_t rows,
                           std::span<std::byte> workspace, int threads) {
  const int64_t columns = weights.extent().channels;
  auto* last_row =
      reinterpret_cast<uint8_t*>(workspace.data()) + CodeMultiply::workspace_bytes(weights, threads);
  std::memcpy(last_row, codes + (rows - 1) * columns, static_cast<size_t>(columns));
  CodeMultiply multiply{.weights = weights, .rows = rows, .gather = {}};
  multiply.gather = [=](int64_t, int64_t first, int64_t count, const uint8_t** to) {
    for (int64_t i = 0; i < count; ++i) to[i] = codes + (first + i) * columns;
    if (first + count == rows) to[count - 1] = last_row;
  };
  return multiply;
}

}  // namespace halftone::cpu
