#include "cli/tensor_summary.h"

#include <cmath>

#include "ops/elementwise.h"

namespace halftone::cli {

TensorSummary summarize(const std::string& name, const TensorView& tensor) {
  TensorSummary summary{.name = name, .dtype = tensor.dtype, .shape = tensor.shape};
  double sum = 0;
  int64_t count = 0;
  const auto add = [&](double x) {
    if (count == 0) summary.min = summary.max = x;
    if (x > summary.max) summary.largest = count;
    if (std::isnan(x) || x < summary.min) summary.min = x;
    if (std::isnan(x) || x > summary.max) summary.max = x;
    sum += x;
    ++count;
  };
  if (tensor.dtype == DType::boolean)
    for (bool x : tensor.span<bool>()) add(x ? 1 : 0);
  else
    visit_number(tensor.dtype, [&](auto zero) {
      for (auto x : tensor.span<decltype(zero)>()) add(static_cast<double>(widen(x)));
    });
  summary.mean = sum / static_cast<double>(count);
  if (count == 0) summary.min = summary.max = NAN;
  return summary;
}

OrderedJson summary_json(const TensorSummary& summary) {
  OrderedJson json;
  json["dtype"] = dtype_name(summary.dtype);
  json["shape"] = std::vector<int64_t>(summary.shape.begin(), summary.shape.end());
  json["min"] = summary.min;
  json["max"] = summary.max;
  json["mean"] = summary.mean;
  json["argmax"] = summary.largest;
  if (!summary.file.empty()) json["file"] = summary.file;
  return json;
}

}  // namespace halftone::cli
