#include "ops/shifted_layer_normalization/shifted_layer_normalization.h"

#include <algorithm>
#include <cmath>

#include "ops/normalization.h"

namespace halftone {
namespace {

constexpr int64_t kMostExponent = 15;

std::vector<ValueType> infer(const OpSite& site) {
  const Shape& x = site.input_shape(0);
  require(site, x.rank() > 0 && x.back() >= 0, "X is {}: expected a last axis of known size", x.str());
  require_broadcasts_to_first(site, 1);
  if (site.has_input(2)) require_broadcasts_to_first(site, 2);
  const std::vector<int64_t> exponents = site.attributes->get_ints("exponents", {});
  require(site, std::ssize(exponents) == x.back(), "{} exponents for {} channels", exponents.size(),
          x.back());
  require(site, std::ranges::all_of(exponents, [](int64_t e) { return e >= 0 && e <= kMostExponent; }),
          "exponents must lie between 0 and {}", kMostExponent);
  return {site.inputs[0].type};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 8 * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const float epsilon = site.attributes->get_float("epsilon", 1e-5f);
  const int last = site.input_shape(0).rank() - 1;
  const std::vector<int64_t> exponents = shift_exponents(site, site.input_shape(0).back());
  for_each_row(inputs[0].tensor, outputs[0], last, [&](std::span<float> row) {
    for (size_t c = 0; c < row.size(); ++c) row[c] = std::ldexp(row[c], static_cast<int>(exponents[c]));
    standardize(row, epsilon);
  });
  scale_and_shift(inputs, outputs[0]);
}

}  // namespace

std::vector<int64_t> shift_exponents(const OpSite& site, int64_t columns) {
  return site.attributes->get_ints("exponents", std::vector<int64_t>(static_cast<size_t>(columns)));
}

const OpSchema& shifted_layer_normalization_schema() {
  static const OpSchema schema = {
      .name = "ShiftedLayerNormalization",
      .domain = "halftone",
      .inputs = {{"X"}, {"Scale"}, {"B", true}},
      .outputs = {"Y"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
