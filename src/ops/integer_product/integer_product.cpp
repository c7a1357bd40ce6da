#include "ops/integer_product/integer_product.h"

#include "ops/elementwise.h"

namespace halftone {

Shape spread_shape(const Shape& shape, int axis, int rank) {
  if (shape.elements() == 1) return Shape{};
  if (shape.rank() != 1) return shape;
  Shape spread{shape[0]};
  for (int a = axis + 1; a < rank; ++a) spread.push_back(1);
  return spread;
}

std::vector<int32_t> centred(const Tensor& x, const Operand* zero, int axis) {
  std::vector<int32_t> codes(static_cast<size_t>(x.shape().elements()));
  visit_number(x.dtype(), [&](auto type) {
    using Code = decltype(type);
    if constexpr (sizeof(Code) == 1) {
      const auto xs = x.span<Code>();
      std::copy(xs.begin(), xs.end(), codes.begin());
      if (!zero) return;
      const Tensor zeros = plain(*zero);
      const Shape over = spread_shape(zeros.shape(), axis, x.shape().rank());
      walk<1>(x.shape(), {broadcast_strides(over, x.shape())},
              [&](int64_t i, const std::array<int64_t, 1>& at) {
                codes[static_cast<size_t>(i)] -= zeros.span<Code>()[static_cast<size_t>(at[0])];
              });
    }
  });
  return codes;
}

namespace {

double scalar_of(const Operand& operand) {
  double value = 0;
  const Tensor tensor = plain(operand);
  visit_number(tensor.dtype(),
               [&](auto zero) { value = static_cast<double>(widen(tensor.span<decltype(zero)>()[0])); });
  return value;
}

}  // namespace

Requantizer::Requantizer(const Operand& first, int first_axis, const Operand& second, int second_axis,
                         const Operand& y_scale, const Operand& y_zero)
    : first_(to_f32(plain(first))),
      second_(to_f32(plain(second))),
      first_axis_(first_axis),
      second_axis_(second_axis),
      y_scale_(static_cast<float>(scalar_of(y_scale))),
      y_zero_(scalar_of(y_zero)) {}

void Requantizer::write(std::span<const int32_t> sums, const MutableTensorView& y) const {
  const int rank = y.shape.rank();
  const Shape first = spread_shape(first_.shape(), first_axis_, rank);
  const Shape second = spread_shape(second_.shape(), second_axis_, rank);
  visit_number(y.dtype, [&](auto type) {
    using Code = decltype(type);
    const auto ys = y.span<Code>();
    walk<2>(y.shape, {broadcast_strides(first, y.shape), broadcast_strides(second, y.shape)},
            [&](int64_t i, const std::array<int64_t, 2>& at) {
              const float factor = first_.span<float>()[static_cast<size_t>(at[0])] *
                                   second_.span<float>()[static_cast<size_t>(at[1])] / y_scale_;
              const float scaled = static_cast<float>(sums[static_cast<size_t>(i)]) * factor;
              ys[static_cast<size_t>(i)] =
                  to_number<Code>(static_cast<double>(std::nearbyint(scaled)) + y_zero_);
            });
  });
}

void require_codes(const OpSite& site, size_t input) {
  const DType type = site.inputs[input].type.dtype;
  require(site, type == DType::u8 || type == DType::i8, "{}: expected u8 or i8, found {}",
          site.schema->inputs[input].name, dtype_name(type));
}

void require_scale_and_zero(const OpSite& site, size_t scale, size_t zero, size_t codes) {
  if (site.has_input(scale))
    require(site, is_float(site.inputs[scale].type.dtype), "{}: expected floating point, found {}",
            site.schema->inputs[scale].name, dtype_name(site.inputs[scale].type.dtype));
  if (site.has_input(zero))
    require(site, site.inputs[zero].type.dtype == site.inputs[codes].type.dtype, "{} is {}, {} is {}",
            site.schema->inputs[zero].name, dtype_name(site.inputs[zero].type.dtype),
            site.schema->inputs[codes].name, dtype_name(site.inputs[codes].type.dtype));
}

}  // namespace halftone
