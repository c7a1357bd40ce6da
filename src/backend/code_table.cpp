#include "backend/code_table.h"

#include <vector>

namespace halftone {

std::array<uint8_t, 256> code_table(const OpSite& site) {
  OpSite all = site;
  all.inputs[0].type.shape = all.outputs[0].shape = Shape{256};
  all.inputs[0].storage.order = all.output_storage[0].order = Storage::Order::planar;
  std::array<uint8_t, 256> codes;
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i);
  std::vector<Operand> inputs(site.inputs.size());
  std::vector<Tensor> constants;
  inputs[0] = {
      {DType::u8, Shape{256}, reinterpret_cast<const std::byte*>(codes.data())}, nullptr, nullptr, true};
  for (size_t i = 1; i < inputs.size(); ++i) {
    if (!site.has_input(i)) continue;
    constants.push_back(site.inputs[i].constant->load());
    inputs[i] = {constants.back().view(), nullptr, nullptr, true};
  }
  std::array<uint8_t, 256> table;
  const MutableTensorView to{DType::u8, Shape{256}, reinterpret_cast<std::byte*>(table.data())};
  run_reference(all, inputs, {&to, 1});
  return table;
}

}  // namespace halftone
