#include <algorithm>

#include "ops/elementwise.h"
#include "ops/quantize_linear/quantize_linear.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const ValueType& x = site.inputs[0].type;
  require(site, x.dtype == DType::f32, "x: expected f32, found {}", dtype_name(x.dtype));
  return {{DType::u8, x.shape}, {DType::f32, Shape{}}, {DType::u8, Shape{}}};
}

Cost cost(const OpSite& site) {
  Cost total = elementwise_cost(site);
  total.flops *= 4;
  return total;
}

void reference(const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  const auto xs = inputs[0].span<float>();
  float lowest = 0, highest = 0;
  for (float x : xs) {
    lowest = std::min(lowest, x);
    highest = std::max(highest, x);
  }
  const float scale = (highest == lowest ? 1.0f : highest - lowest) / 255.0f;
  const float zero = std::nearbyint(std::clamp(-lowest / scale, 0.0f, 255.0f));
  std::transform(xs.begin(), xs.end(), outputs[0].span<uint8_t>().begin(),
                 [&](float x) { return to_number<uint8_t>(std::nearbyint(x / scale) + zero); });
  outputs[1].span<float>()[0] = scale;
  outputs[2].span<uint8_t>()[0] = to_number<uint8_t>(zero);
}

}  // namespace

const OpSchema& dynamic_quantize_linear_schema() {
  static const OpSchema schema = {.name = "DynamicQuantizeLinear",
                                  .domain = "",
                                  .inputs = {{"x"}},
                                  .outputs = {"y", "y_scale", "y_zero_point"},
                                  .infer = infer,
                                  .cost = cost,
                                  .reference = reference};
  return schema;
}

}  // namespace halftone
