#pragma once

#include <string>

#include "base/json.h"
#include "core/tensor.h"

namespace halftone::cli {

/// What a tensor holds, in a few numbers. NaN in any of them when an element is NaN or there is none.
struct TensorSummary {
  std::string name;
  DType dtype;
  Shape shape;
  double min = 0, max = 0, mean = 0;
  int64_t largest = 0;  ///< place of the first largest element
  std::string file;     ///< where it was written; empty: nowhere
};

TensorSummary summarize(const std::string& name, const TensorView& tensor);
OrderedJson summary_json(const TensorSummary& summary);

}  // namespace halftone::cli
