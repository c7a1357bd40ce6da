#include "ops/quantize_linear/quantize_linear.h"

#include <algorithm>

#include "ops/elementwise.h"
#include "ops/movement.h"
#include "ops/onnx_type.h"

namespace halftone {
namespace {

enum Input : size_t { kX, kScale, kZero };

bool is_code(DType type) {
  return type == DType::u8 || type == DType::i8 || type == DType::u16 || type == DType::i16;
}

/// Scale and zero lie over x as ScalePlaces says.
void check_scales(const OpSite& site) {
  const Shape& x = site.input_shape(kX);
  const ValueType& scale = site.inputs[kScale].type;
  require(site, is_float(scale.dtype), "{}: expected floating point, found {}",
          site.schema->inputs[kScale].name, dtype_name(scale.dtype));
  const auto is_single = [](const Shape& shape) { return shape.rank() == 0 || shape == Shape{1}; };
  if (site.has_input(kZero))
    require(site,
            shapes_agree(site.input_shape(kZero), scale.shape) ||
                (is_single(scale.shape) && is_single(site.input_shape(kZero))),
            "{} {} and {} {} differ in shape", site.schema->inputs[kScale].name, scale.shape.str(),
            site.schema->inputs[kZero].name, site.input_shape(kZero).str());
  const ScalePlaces places = scale_places(site);
  if (places.single) return;
  const int axis = axis_attribute(site, "axis", 1, x.rank());
  Shape expected{x[axis]};
  if (places.block > 0) {
    expected = x;
    if (x[axis] >= 0) expected[axis] = (x[axis] + places.block - 1) / places.block;
  }
  require(site, shapes_agree(scale.shape, expected), "{}: expected shape {}, found {}",
          site.schema->inputs[kScale].name, expected.str(), scale.shape.str());
}

/// Attribute output_dtype, or `fallback`.
DType output_type(const OpSite& site, DType fallback) {
  const int64_t number = site.attributes->get_int("output_dtype", 0);
  if (number == 0) return fallback;
  const auto type = dtype_from_onnx(number);
  if (!type) throw UnsupportedError("{} ({}): ONNX element type {}", site.name, site.schema->name, number);
  return *type;
}

std::vector<ValueType> infer_quantize(const OpSite& site) {
  const ValueType& x = site.inputs[kX].type;
  require(site, is_float(x.dtype) || x.dtype == DType::i32, "x: expected floating point or i32, found {}",
          dtype_name(x.dtype));
  check_scales(site);
  const bool zero = site.has_input(kZero);
  const DType type = output_type(site, zero ? site.inputs[kZero].type.dtype : DType::u8);
  require(site, is_code(type), "y: expected u8, i8, u16 or i16, found {}", dtype_name(type));
  if (zero)
    require(site, site.inputs[kZero].type.dtype == type, "y_zero_point is {}, y is {}",
            dtype_name(site.inputs[kZero].type.dtype), dtype_name(type));
  return {{type, x.shape}};
}

std::vector<ValueType> infer_dequantize(const OpSite& site) {
  const ValueType& x = site.inputs[kX].type;
  require(site, is_code(x.dtype) || x.dtype == DType::i32, "x: expected u8, i8, u16, i16 or i32, found {}",
          dtype_name(x.dtype));
  require(site, !site.has_input(kZero) || site.inputs[kZero].type.dtype == x.dtype,
          "x_zero_point is not of x's type, {}", dtype_name(x.dtype));
  check_scales(site);
  const DType type = output_type(site, site.inputs[kScale].type.dtype);
  require(site, is_float(type), "y: expected floating point, found {}", dtype_name(type));
  return {{type, x.shape}};
}

Cost cost(const OpSite& site) {
  Cost total = elementwise_cost(site);
  total.flops *= 2;
  return total;
}

/// As many zero points as there are scales; 0 where the input is absent.
std::vector<int64_t> zeros_of(const OpSite& site, std::span<const Operand> inputs) {
  std::vector<int64_t> zeros(static_cast<size_t>(inputs[kScale].tensor.shape.elements()));
  if (!site.has_input(kZero)) return zeros;
  const Tensor tensor = plain(inputs[kZero]);
  visit_number(tensor.dtype(), [&](auto zero) {
    const auto codes = tensor.span<decltype(zero)>();
    std::transform(codes.begin(), codes.end(), zeros.begin(),
                   [](auto code) { return to_number<int64_t>(code); });
  });
  return zeros;
}

void quantize_reference(const OpSite& site, std::span<const Operand> inputs,
                        std::span<const MutableTensorView> outputs) {
  const Tensor x = plain(inputs[kX]), scales = to_f32(plain(inputs[kScale]));
  const std::vector<int64_t> zeros = zeros_of(site, inputs);
  const ScalePlaces places = scale_places(site);
  std::vector<double> codes;
  visit_number(x.dtype(), [&](auto zero) {
    for (auto element : x.span<decltype(zero)>()) {
      const size_t place = places(static_cast<int64_t>(codes.size()));
      const float ratio = to_number<float>(element) / scales.span<float>()[place];
      codes.push_back(double{std::nearbyint(ratio)} + static_cast<double>(zeros[place]));
    }
  });
  visit_number(outputs[0].dtype, [&](auto zero) {
    using Code = decltype(zero);
    std::transform(codes.begin(), codes.end(), outputs[0].span<Code>().begin(), to_number<Code, double>);
  });
}

void dequantize_reference(const OpSite& site, std::span<const Operand> inputs,
                          std::span<const MutableTensorView> outputs) {
  const Tensor x = plain(inputs[kX]), scales = to_f32(plain(inputs[kScale]));
  const std::vector<int64_t> zeros = zeros_of(site, inputs);
  const ScalePlaces places = scale_places(site);
  visit_number(x.dtype(), [&](auto zero) {
    int64_t i = 0;
    for (auto code : x.span<decltype(zero)>()) {
      const size_t place = places(i);
      const float y =
          static_cast<float>(to_number<int64_t>(code) - zeros[place]) * scales.span<float>()[place];
      store_floats({&y, 1}, outputs[0], i++);
    }
  });
}

}  // namespace

ScalePlaces scale_places(const OpSite& site) {
  const Shape& x = site.input_shape(kX);
  const Shape& scale = site.input_shape(kScale);
  ScalePlaces places;
  places.block = site.attributes->get_int("block_size", 0);
  require(site, places.block >= 0, "attribute block_size: found {}", places.block);
  places.single = scale.rank() == 0 || (places.block == 0 && scale == Shape{1});
  if (places.single) return places;
  const int axis = axis_attribute(site, "axis", 1, x.rank());
  places.size = x[axis];
  if (x.is_concrete()) places.inner = row_major_strides(x)[static_cast<size_t>(axis)];
  return places;
}

const OpSchema& quantize_linear_schema() {
  static const OpSchema schema = {.name = "QuantizeLinear",
                                  .domain = "",
                                  .inputs = {{"x"}, {"y_scale"}, {"y_zero_point", true}},
                                  .outputs = {"y"},
                                  .infer = infer_quantize,
                                  .cost = cost,
                                  .reference = quantize_reference};
  return schema;
}

const OpSchema& dequantize_linear_schema() {
  static const OpSchema schema = {.name = "DequantizeLinear",
                                  .domain = "",
                                  .inputs = {{"x"}, {"x_scale"}, {"x_zero_point", true}},
                                  .outputs = {"y"},
                                  .infer = infer_dequantize,
                                  .cost = cost,
                                  .reference = dequantize_reference};
  return schema;
}

}  // namespace halftone
