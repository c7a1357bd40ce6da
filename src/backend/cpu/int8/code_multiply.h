#pragma once

#include <functional>
#include <span>

#include "backend/cpu/int8/code_weights.h"
#include "base/thread_pool.h"

namespace halftone::cpu {

/// Rows of codes times packed weights, shared out over threads.
struct CodeMultiply {
  const CodeWeights& weights;
  int64_t rows;
  /// Writes where rows [first, first + count) of a group read under each tap: [taps, count] pointers, each
  /// readable for all quads.
  std::function<void(int64_t group, int64_t first, int64_t count, const uint8_t** to)> gather;
  bool wide = false;                  ///< CodeTile::wide
  uint8_t* codes = nullptr;           ///< [rows, groups * outputs], or
  float* floats = nullptr;            ///< the same, before FusedActivation `activation`
  int64_t out_step = 0;               ///< elements from row to row of the output; 0: side by side
  const int64_t* places = nullptr;    ///< [rows]: row r of the output is places[r]; null: r
  const uint8_t* residual = nullptr;  ///< codes that join the sums, laid out as the output, side by side
  int32_t residual_zero = 0;
  /// Of floats, before the activation: times `rescale`, plus bias [outputs] and a residual, where there are.
  float rescale = 1;
  const float* bias = nullptr;
  const float* float_residual = nullptr;
  FusedActivation activation = {};

  static size_t workspace_bytes(const CodeWeights& weights, int threads);
  void run(ThreadPool& threads, std::span<std::byte> workspace) const;

 private:
  int64_t step() const {
    return out_step > 0 ? out_step : weights.extent().groups * weights.extent().outputs;
  }
  static size_t worker_bytes(const CodeWeights& weights);
  int64_t row_of_output(int64_t row) const { return places ? places[row] : row; }
  /// Rows [first, first + count).
  void finish_floats(int64_t group, int64_t panel, int64_t first, int64_t count, int64_t outputs) const;
  template <class End>
  void finish_few(int64_t first, int64_t count, int64_t output, int64_t outputs, End end) const;
  int64_t chunk_rows(int threads) const;
  void run_item(int64_t group, int64_t first, int64_t count, int64_t panel, int64_t panels,
                std::byte* memory) const;
};

}  // namespace halftone::cpu
