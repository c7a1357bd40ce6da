#include "graph/evaluate.h"

namespace halftone {

std::vector<Tensor> evaluate(const OpSite& site, std::span<const Tensor> inputs) {
  if (site.schema->alias) return {inputs[0].reshaped(site.outputs[0].shape)};
  std::vector<Operand> operands;
  for (size_t i = 0; i < site.inputs.size(); ++i) {
    const ValueType& type = site.inputs[i].type;
    operands.push_back(
        {{type.dtype, type.shape, inputs[i].view().data}, nullptr, nullptr, site.inputs[i].present});
  }
  std::vector<Tensor> outputs;
  std::vector<MutableTensorView> views;
  for (const ValueType& type : site.outputs) {
    outputs.push_back(Tensor::allocate(type.dtype, type.shape));
    views.push_back(outputs.back().mutable_view());
  }
  site.schema->reference(site, operands, views);
  return outputs;
}

}  // namespace halftone
