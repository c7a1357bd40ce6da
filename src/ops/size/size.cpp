#include "ops/size/size.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite&) {
  return {{DType::i64, Shape{}}};
}

void reference(const OpSite& site, std::span<const Operand>, std::span<const MutableTensorView> outputs) {
  outputs[0].span<int64_t>()[0] = site.input_shape(0).elements();
}

Cost cost(const OpSite&) {
  return {};
}

}  // namespace

const OpSchema& size_schema() {
  static const OpSchema schema = {
      .name = "Size",
      .domain = "",
      .inputs = {{"data"}},
      .outputs = {"size"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
      .of_shapes = true,
  };
  return schema;
}

}  // namespace halftone
