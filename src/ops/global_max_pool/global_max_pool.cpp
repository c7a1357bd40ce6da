#include "ops/global_max_pool/global_max_pool.h"

#include <algorithm>
#include <limits>

#include "ops/pool.h"

namespace halftone {

const OpSchema& global_max_pool_schema() {
  static const OpSchema schema = {
      .name = "GlobalMaxPool",
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
                             float best = -std::numeric_limits<float>::infinity();
                             for (float x : elements) best = std::max(best, x);
                             return static_cast<double>(best);
                           });
          },
  };
  return schema;
}

}  // namespace halftone
