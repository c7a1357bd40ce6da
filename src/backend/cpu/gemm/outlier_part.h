#pragma once

#include <span>
#include <vector>

#include "backend/cpu/gemm/gemm_int.h"

namespace halftone::cpu {

/// The columns of one run's activations that stay floating (LLM.int8(), scheme/dynamic.h), apart from the
/// others: the integer product is made of the others alone, and add() adds what these give.
class OutlierPart {
 public:
  static size_t workspace_bytes(int64_t m, int64_t k, int64_t workers);

  /// `a` [m, k] and `workspace` must outlive it.
  OutlierPart(const float* a, int64_t m, int64_t k, float threshold, std::span<std::byte> workspace);

  bool empty() const { return columns_.empty(); }
  /// [m, k] with zeros in the outliers' place; only when there are any.
  const float* other_columns() const { return others_; }
  /// Y = alpha * (Y + A[:, outliers] B[outliers, :]) + beta * C, Y the integer product, B decoded. Bit for
  /// bit what ops/gemm/gemm.h states.
  void add(const IntPanelsView& weights, const IntOutput& out, ThreadPool& threads) const;

 private:
  void add_panel(const IntPanelsView& weights, const IntOutput& out, int64_t panel, float* columns) const;

  const float* a_;
  int64_t m_, k_;
  std::vector<int64_t> columns_;
  float* others_ = nullptr;
  float* scratch_ = nullptr;  ///< [workers, k, kPanelRows]
};

}  // namespace halftone::cpu
