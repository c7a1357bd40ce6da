#include "ops/range/range.h"

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

/// A scalar as a double (exact up to 2^53, which a length never reaches), if it is known.
std::optional<double> scalar(const OpSite& site, size_t input) {
  const Shape& shape = site.input_shape(input);
  require(site, shape == Shape{} || (shape.rank() == 1 && sizes_may_agree(shape[0], 1)),
          "{}: expected a scalar, found {}", site.schema->inputs[input].name, shape.str());
  const auto tensor = known_value(site, input);
  if (!tensor) return std::nullopt;
  double value = 0;
  visit_number(tensor->dtype(),
               [&](auto zero) { value = static_cast<double>(widen(tensor->span<decltype(zero)>()[0])); });
  return value;
}

std::vector<ValueType> infer(const OpSite& site) {
  const DType type = site.inputs[0].type.dtype;
  for (const SiteInput& input : site.inputs)
    require(site, input.type.dtype == type, "start, limit and delta have different types");
  const auto start = scalar(site, 0), limit = scalar(site, 1), delta = scalar(site, 2);
  require(site, !delta || *delta != 0, "delta is 0");
  if (!start || !limit || !delta) return {{type, Shape{Shape::kUnknownDim}}};
  const double length = std::ceil((*limit - *start) / *delta);
  require(site, length < 0x1p31, "a range of {} elements", length);
  return {{type, Shape{length > 0 ? static_cast<int64_t>(length) : 0}}};
}

void reference(const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  visit_number(outputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto out = outputs[0].span<T>();
    const auto start = widen(inputs[0].span<T>()[0]);
    const auto delta = widen(inputs[2].span<T>()[0]);
    using Computed = std::remove_const_t<decltype(start)>;
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = narrow<T>(static_cast<Computed>(start + static_cast<Computed>(i) * delta));
  });
}

}  // namespace

const OpSchema& range_schema() {
  static const OpSchema schema = {
      .name = "Range",
      .domain = "",
      .inputs = {{"start"}, {"limit"}, {"delta"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = elementwise_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
