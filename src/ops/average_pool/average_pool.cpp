#include "ops/average_pool/average_pool.h"

#include <algorithm>

#include "ops/elementwise.h"
#include "ops/pool.h"

namespace halftone {
namespace {

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const bool include = site.attributes->get_int("count_include_pad", 0) != 0;
  pool_reference(
      inputs, outputs, pool_window(site), [&](const PoolPlace& place, const std::vector<float>& elements) {
        double sum = 0;
        for (float x : elements) sum += static_cast<double>(x);
        return sum /
               static_cast<double>(average_pool_divisor(place.window, place.spatial, place.at, include));
      });
}

}  // namespace

const OpSchema& average_pool_schema() {
  static const OpSchema schema = {.name = "AveragePool",
                                  .domain = "",
                                  .inputs = {{"X"}},
                                  .outputs = {"Y"},
                                  .infer = infer_float_pool,
                                  .cost = pool_cost,
                                  .reference = reference};
  return schema;
}

int64_t average_pool_divisor(const Window& window, const Shape& spatial, const SpatialIndex& at,
                             bool count_include_pad) {
  int64_t count = 1;
  for (int a = 0; a < window.rank; ++a) {
    const WindowAxis& axis = window[a];
    const int64_t first = at[static_cast<size_t>(a)] * axis.stride - axis.pad_begin;
    const int64_t least = count_include_pad ? -axis.pad_begin : 0;
    const int64_t end = spatial[a] + (count_include_pad ? axis.pad_end : 0);
    int64_t taps = 0;
    for (int64_t t = 0; t < axis.kernel; ++t) {
      const int64_t place = first + t * axis.dilation;
      taps += place >= least && place < end;
    }
    count *= taps;
  }
  return std::max<int64_t>(count, 1);
}

}  // namespace halftone
