#pragma once

#include <memory>
#include <vector>

#include "backend/cpu/gemm/gemm_float.h"
#include "ops/op_schema.h"

namespace halftone::cpu {

/// The constant weights of a Gemm (its input 1, [n, k]) read where they lie, encoded or not.
class StoredRows {
 public:
  explicit StoredRows(const OpSite& site);
  StoredRows(const StoredRows&) = delete;  // the view points into it
  StoredRows& operator=(const StoredRows&) = delete;

  const WeightRows& view() const { return view_; }
  size_t bytes() const;

 private:
  void set_plain(Tensor weights);
  void set_encoded(std::shared_ptr<const QuantizedTensor> weights);
  void expand_nested_scales();

  Tensor plain_;
  std::shared_ptr<const QuantizedTensor> encoded_;
  std::vector<float> scales_;  ///< of double-quantized weights, expanded
  std::vector<float> table_;
  WeightRows view_{};
};

}  // namespace halftone::cpu
