#include "ops/cast/cast.h"

#include <limits>

#include "ops/elementwise.h"

namespace halftone {
namespace {

/// TensorProto.DataType numbers (onnx.proto3).
struct OnnxType {
  int64_t number;
  DType dtype;
};
constexpr OnnxType kOnnxTypes[] = {
    {1, DType::f32},  {2, DType::u8},   {3, DType::i8},      {4, DType::u16},  {5, DType::i16},
    {6, DType::i32},  {7, DType::i64},  {9, DType::boolean}, {10, DType::f16}, {11, DType::f64},
    {12, DType::u32}, {13, DType::u64}, {16, DType::bf16},
};

std::vector<ValueType> infer(const OpSite& site) {
  const int64_t to = site.attributes->get_int("to", 0);
  require(site, site.inputs[0].type.dtype != DType::state, "a state has no elements");
  for (const OnnxType& type : kOnnxTypes)
    if (type.number == to) return {{type.dtype, site.input_shape(0)}};
  throw UnsupportedError("{} (Cast): ONNX element type {}", site.name, to);
}

template <class To, class From>
To convert(From from) {
  const auto value = widen(from);
  if constexpr (std::is_same_v<To, bool>) {
    return value != 0;
  } else if constexpr (std::is_floating_point_v<decltype(value)> && std::is_integral_v<To>) {
    constexpr double kLeast = static_cast<double>(std::numeric_limits<To>::min());
    constexpr double kBeyond = 2.0 * static_cast<double>(std::numeric_limits<To>::max() / 2 + 1);
    if (std::isnan(value)) return 0;
    if (value <= kLeast) return std::numeric_limits<To>::min();
    if (value >= kBeyond) return std::numeric_limits<To>::max();
    return static_cast<To>(value);
  } else {
    return narrow<To>(value);
  }
}

template <class F>
void visit_element(DType dtype, F f) {
  if (dtype == DType::boolean) return f(bool{});
  visit_number(dtype, f);
}

void reference(const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  visit_element(from.dtype(), [&](auto from_zero) {
    using From = decltype(from_zero);
    visit_element(outputs[0].dtype, [&](auto to_zero) {
      using To = decltype(to_zero);
      const auto source = from.span<From>();
      const auto target = outputs[0].span<To>();
      for (size_t i = 0; i < source.size(); ++i) target[i] = convert<To>(source[i]);
    });
  });
}

}  // namespace

const OpSchema& cast_schema() {
  static const OpSchema schema = {
      .name = "Cast",
      .domain = "",
      .inputs = {{"input"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = elementwise_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
