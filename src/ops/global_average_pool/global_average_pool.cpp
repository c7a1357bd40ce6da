#include "ops/global_average_pool/global_average_pool.h"

#include <algorithm>

#include "ops/pool.h"

namespace halftone {

const OpSchema& global_average_pool_schema() {
  static const OpSchema schema = {
      .name = "GlobalAveragePool",
      .domain = "",
      .inputs = {{"X"}},
      .outputs = {"Y"},
      .infer = infer_global_pool,
      .cost = global_pool_cost,
      .reference =
          [](const OpSite& site, std::span<const Operand> inputs,
             std::span<const MutableTensorView> outputs) {
            pool_reference(inputs, outputs, whole_window(site.input_shape(0)),
                           [](const PoolPlace&, const std::vector<float>& elements) {
                             double sum = 0;
                             for (float x : elements) sum += static_cast<double>(x);
                             return sum / static_cast<double>(std::max<size_t>(elements.size(), 1));
                           });
          },
  };
  return schema;
}

}  // namespace halftone
