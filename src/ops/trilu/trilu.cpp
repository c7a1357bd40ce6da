#include "ops/trilu/trilu.h"

#include <algorithm>
#include <cstring>

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  require(site, site.input_shape(0).rank() >= 2, "input: expected matrices, found {}",
          site.input_shape(0).str());
  if (site.has_input(1))
    require(
        site,
        site.inputs[1].type.dtype == DType::i64 && site.input_shape(1).checked_elements().value_or(1) == 1,
        "k: expected an i64 scalar, found {} {}", dtype_name(site.inputs[1].type.dtype),
        site.input_shape(1).str());
  return {site.inputs[0].type};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor from = plain(inputs[0]);
  const bool upper = site.attributes->get_int("upper", 1) != 0;
  // Beyond the matrix every k keeps all or nothing.
  const int64_t columns = from.shape().back(), rows = from.shape()[from.shape().rank() - 2];
  const int64_t k = site.has_input(1) ? std::clamp(inputs[1].span<int64_t>()[0], -rows, columns) : 0;
  const size_t size = dtype_bytes(from.dtype());
  for (int64_t i = 0, count = from.shape().elements(); i < count; ++i) {
    const int64_t beyond = i % columns - i / columns % rows - k;
    if (upper ? beyond >= 0 : beyond <= 0)
      copy_element(outputs[0].data, i, from.view().data, i, size);
    else
      std::memset(outputs[0].data + static_cast<size_t>(i) * size, 0, size);
  }
}

}  // namespace

const OpSchema& trilu_schema() {
  static const OpSchema schema = {
      .name = "Trilu",
      .domain = "",
      .inputs = {{"input"}, {"k", true}},
      .outputs = {"output"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
