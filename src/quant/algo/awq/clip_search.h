#pragma once

#include <memory>
#include <string>
#include <vector>

#include "quant/matrix/gram.h"
#include "scheme/quantized_tensor.h"

namespace halftone {

/// Sums of products of inputs within each scale group of a layer: what the clip search weighs errors with.
class GroupGrams {
 public:
  /// `inputs` columns in groups of `group`.
  GroupGrams(int64_t inputs, int64_t group);
  void add(MatrixView rows, ThreadPool& threads);
  void add(const GroupGrams& other);
  int64_t group() const { return group_; }
  bool is_finite() const;
  const std::vector<Gram>& grams() const { return grams_; }

 private:
  int64_t group_;
  std::vector<Gram> grams_;
};

/// AWQ's search for clips (llm-awq `auto_clip.py`, `auto_clip_layer`): for each output and group the share of
/// the largest |w|, of 1, 0.95, .. 0.55, to which weights are clamped before they are rounded, that changes
/// the group's part of the output least, in mean square over the inputs seen. Returns codes of the clamped
/// weights. `weights` is [outputs, inputs...] with one row an output, the encoding's scales along the inputs.
std::shared_ptr<const QuantizedTensor> search_clips(const Tensor& weights, const Encoding& encoding,
                                                    const GroupGrams& inputs, const std::string& name,
                                                    ThreadPool& threads);

}  // namespace halftone
