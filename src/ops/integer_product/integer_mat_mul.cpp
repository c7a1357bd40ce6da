#include "ops/integer_product/integer_product.h"
#include "ops/mat_mul/mat_mul.h"

namespace halftone {
namespace {

/// Where the two operators have their inputs.
struct Places {
  size_t b, a_zero, b_zero;
};
constexpr Places kInteger{1, 2, 3}, kLinear{3, 2, 5};
enum Linear : size_t { kAScale = 1, kBScale = 4, kYScale = 6, kYZero = 7 };

MatMulExtent extent_of(const OpSite& site, const Places& places) {
  return mat_mul_extent(site, site.input_shape(0), site.input_shape(places.b));
}

/// Zeros and scales of one operand: one, a vector along `axis`, or what broadcasts to the operand.
void check_spread(const OpSite& site, size_t input, const Shape& over, int axis) {
  if (!site.has_input(input) || !site.input_shape(input).is_concrete()) return;
  const Shape& shape = site.input_shape(input);
  require(site, broadcasts_to(spread_shape(shape, axis, over.rank()), over), "{}: {} does not lie over {}",
          site.schema->inputs[input].name, shape.str(), over.str());
}

Shape check_product(const OpSite& site, const Places& places) {
  require_codes(site, 0);
  require_codes(site, places.b);
  const Shape& a = site.input_shape(0);
  const Shape& b = site.input_shape(places.b);
  const Shape out = extent_of(site, places).output();
  check_spread(site, places.a_zero, a, a.rank() - 2);
  check_spread(site, places.b_zero, b, b.rank() - 1);
  return out;
}

std::vector<ValueType> infer_integer(const OpSite& site) {
  for (auto [zero, codes] : {std::pair{2, 0}, std::pair{3, 1}})
    require_scale_and_zero(site, SIZE_MAX, static_cast<size_t>(zero), static_cast<size_t>(codes));
  return {{DType::i32, check_product(site, kInteger)}};
}

std::vector<ValueType> infer_linear(const OpSite& site) {
  require_scale_and_zero(site, kAScale, kLinear.a_zero, 0);
  require_scale_and_zero(site, kBScale, kLinear.b_zero, kLinear.b);
  require_scale_and_zero(site, kYScale, kYZero, kYZero);
  require_codes(site, kYZero);
  for (size_t i : {kYScale, kYZero})
    require(site, !site.input_shape(i).is_concrete() || site.input_shape(i).elements() == 1,
            "{}: expected one element, found {}", site.schema->inputs[i].name, site.input_shape(i).str());
  const Shape out = check_product(site, kLinear);
  check_spread(site, kAScale, out, out.rank() - 2);
  check_spread(site, kBScale, out, out.rank() - 1);
  return {{site.inputs[kYZero].type.dtype, out}};
}

template <const Places& kPlaces>
Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = 2 * static_cast<double>(site.outputs[0].shape.elements()) *
                static_cast<double>(extent_of(site, kPlaces).k);
  return total;
}

void sum_products(const OpSite& site, const Places& places, std::span<const Operand> inputs,
                  std::span<int32_t> sums) {
  auto codes = [&](size_t input, size_t zero, int axis_from_back) {
    const Tensor x = plain(inputs[input]);
    return centred(x, site.has_input(zero) ? &inputs[zero] : nullptr, x.shape().rank() - axis_from_back);
  };
  const std::vector<int32_t> a = codes(0, places.a_zero, 2), b = codes(places.b, places.b_zero, 1);
  multiply<int32_t>(extent_of(site, places), a, b, sums);
}

void integer_reference(const OpSite& site, std::span<const Operand> inputs,
                       std::span<const MutableTensorView> outputs) {
  sum_products(site, kInteger, inputs, outputs[0].span<int32_t>());
}

void linear_reference(const OpSite& site, std::span<const Operand> inputs,
                      std::span<const MutableTensorView> outputs) {
  const int rank = outputs[0].shape.rank();
  std::vector<int32_t> sums(static_cast<size_t>(outputs[0].shape.elements()));
  sum_products(site, kLinear, inputs, sums);
  Requantizer(inputs[kAScale], rank - 2, inputs[kBScale], rank - 1, inputs[kYScale], inputs[kYZero])
      .write(sums, outputs[0]);
}

}  // namespace

std::span<const OpSchema> integer_mat_mul_schemas() {
  static const OpSchema schemas[] = {
      {.name = "MatMulInteger",
       .domain = "",
       .inputs = {{"A"}, {"B"}, {"a_zero_point", true}, {"b_zero_point", true}},
       .outputs = {"Y"},
       .infer = infer_integer,
       .cost = cost<kInteger>,
       .reference = integer_reference},
      {.name = "QLinearMatMul",
       .domain = "",
       .inputs = {{"a"},
                  {"a_scale"},
                  {"a_zero_point"},
                  {"b"},
                  {"b_scale"},
                  {"b_zero_point"},
                  {"y_scale"},
                  {"y_zero_point"}},
       .outputs = {"y"},
       .infer = infer_linear,
       .cost = cost<kLinear>,
       .reference = linear_reference},
  };
  return schemas;
}

}  // namespace halftone
