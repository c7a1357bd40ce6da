#include "ops/skip_rms_normalization/skip_rms_normalization.h"

#include "ops/elementwise.h"
#include "ops/normalization.h"
#include "ops/rms_normalization/rms_normalization.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const ValueType& x = site.inputs[0].type;
  const Shape& scale = site.input_shape(2);
  require(site, is_float(x.dtype), "expected floating-point input, found {}", dtype_name(x.dtype));
  require(site, x.shape.rank() >= 1 && x == site.inputs[1].type, "x is {} {}, skip is {} {}",
          dtype_name(x.dtype), x.shape.str(), dtype_name(site.inputs[1].type.dtype),
          site.input_shape(1).str());
  require(site, is_float(site.inputs[2].type.dtype) && scale.rank() == 1 && scale[0] == x.shape.back(),
          "scale: expected floating [{}], found {} {}", x.shape.back(), dtype_name(site.inputs[2].type.dtype),
          scale.str());
  return {x, x};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 5 * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const float epsilon = site.attributes->get_float("epsilon", 1e-5f);
  const MutableTensorView& normalised = outputs[0];
  const MutableTensorView& sum = outputs[1];
  map_pairs(inputs, std::span(&sum, 1), [](auto x, auto skip) { return x + skip; });
  for_each_row(sum, normalised, sum.shape.rank() - 1, [&](std::span<float> row) {
    const float inverse = inverse_rms(row, epsilon);
    for (float& x : row) x *= inverse;
  });
  const Operand scaled[] = {inputs[0], inputs[2]};
  scale_and_shift(scaled, normalised);
}

}  // namespace

const OpSchema& skip_rms_normalization_schema() {
  static const OpSchema schema = {
      .name = "SkipRMSNormalization",
      .domain = "halftone",
      .inputs = {{"x"}, {"skip"}, {"scale"}},
      .outputs = {"normalised", "sum"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
