#include "ops/cast/cast.h"

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

void reference(const OpSite&, std::span<const Operand> inputs, std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  visit_element(from.dtype(), [&](auto from_zero) {
    using From = decltype(from_zero);
    visit_element(outputs[0].dtype, [&](auto to_zero) {
      using To = decltype(to_zero);
      const auto source = from.span<From>();
      const auto target = outputs[0].span<To>();
      for (size_t i = 0; i < source.size(); ++i) target[i] = to_number<To>(source[i]);
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
