#include "ops/range/range.h"

#include "ops/elementwise.h"

namespace halftone {
namespace {

/// A constant scalar as a double (exact up to 2^53, which a length never reaches).
double scalar(const OpSite& site, size_t input) {
  const Constant* constant = site.inputs[input].constant;
  const std::string_view name = site.schema->inputs[input].name;
  if (!constant)
    throw UnsupportedError("{} (Range): {} is computed at run time; only constants are handled", site.name,
                           name);
  require(site, constant->shape() == Shape{} || constant->shape() == Shape{1},
          "{}: expected a scalar, found {}", name, constant->shape().str());
  const Tensor tensor = constant->load();
  double value = 0;
  visit_number(tensor.dtype(),
               [&](auto zero) { value = static_cast<double>(widen(tensor.span<decltype(zero)>()[0])); });
  return value;
}

std::vector<ValueType> infer(const OpSite& site) {
  const DType type = site.inputs[0].type.dtype;
  for (const SiteInput& input : site.inputs)
    require(site, input.type.dtype == type, "start, limit and delta have different types");
  const double delta = scalar(site, 2);
  require(site, delta != 0, "delta is 0");
  const double length = std::ceil((scalar(site, 1) - scalar(site, 0)) / delta);
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
