#include "ops/softmax/softmax.h"

#include <cmath>

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  axis_attribute(site, "axis", -1, site.input_shape(0).rank());
  return infer_float_map(site);
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 4 * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

template <bool kLogarithm>
void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor x = plain(inputs[0]);
  const int axis = axis_attribute(site, "axis", -1, x.shape().rank());
  const int64_t step = row_major_strides(x.shape())[static_cast<size_t>(axis)];
  std::vector<double> line(static_cast<size_t>(x.shape()[axis]));
  Shape lines = x.shape();
  if (line.empty()) return;
  lines[axis] = 1;
  walk<1>(lines, {row_major_strides(x.shape())}, [&](int64_t, const std::array<int64_t, 1>& at) {
    auto place = [&](size_t i) { return at[0] + static_cast<int64_t>(i) * step; };
    float value;
    double highest = -HUGE_VAL;
    for (size_t i = 0; i < line.size(); ++i) {
      load_floats(x.view(), place(i), {&value, 1});
      line[i] = value;
      highest = std::max(highest, line[i]);
    }
    double sum = 0;
    for (double& element : line) sum += std::exp(element -= highest);
    for (size_t i = 0; i < line.size(); ++i) {
      value = static_cast<float>(kLogarithm ? line[i] - std::log(sum) : std::exp(line[i]) / sum);
      store_floats({&value, 1}, outputs[0], place(i));
    }
  });
}

template <bool kLogarithm>
OpSchema softmax(std::string_view name) {
  return {.name = name,
          .domain = "",
          .inputs = {{"input"}},
          .outputs = {"output"},
          .infer = infer,
          .cost = cost,
          .reference = reference<kLogarithm>};
}

}  // namespace

std::span<const OpSchema> softmax_schemas() {
  static const OpSchema schemas[] = {softmax<true>("LogSoftmax"), softmax<false>("Softmax")};
  return schemas;
}

}  // namespace halftone
