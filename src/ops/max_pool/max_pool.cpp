#include "ops/max_pool/max_pool.h"

#include <limits>

#include "ops/elementwise.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  const ValueType& x = site.inputs[0].type;
  require_spatial(site, x.shape);
  require(site, x.dtype != DType::boolean && x.dtype != DType::state, "no order on {}", dtype_name(x.dtype));
  const Shape y =
      window_output_shape(site, read_window(site, x.shape, pool_kernel(site)), x.shape, x.shape[1]);
  return {{x.dtype, y}, {DType::i64, y}};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = static_cast<double>(site.outputs[0].shape.elements()) *
                static_cast<double>(read_window(site, site.input_shape(0), pool_kernel(site)).taps());
  return total;
}

template <class T>
T lowest() {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    return narrow<T>(-std::numeric_limits<float>::infinity());
  else if constexpr (std::is_floating_point_v<T>)
    return -std::numeric_limits<T>::infinity();
  else
    return std::numeric_limits<T>::lowest();
}

/// A place in the plane, counted with the last two axes exchanged.
int64_t column_major(const Shape& spatial, int64_t offset) {
  if (spatial.rank() < 2) return offset;
  const int64_t rows = spatial[spatial.rank() - 2], columns = spatial.back();
  const int64_t plane = offset / (rows * columns) * rows * columns;
  return plane + offset % columns * rows + offset / columns % rows;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor xs = plain(inputs[0]);
  const Window window = read_window(site, xs.shape(), pool_kernel(site));
  const bool by_columns = site.attributes->get_int("storage_order", 0) != 0;
  const Shape from = spatial_shape(xs.shape()), to = spatial_shape(outputs[0].shape);
  const int64_t plane = from.elements(), places = to.elements();
  visit_number(xs.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto x = xs.span<T>();
    for (int64_t i = 0; i < outputs[0].shape.elements(); ++i) {
      const int64_t first = i / places * plane;
      T best = lowest<T>();
      int64_t index = -1;
      visit_taps(window, from, spatial_index(to, i % places), [&](int64_t offset, int64_t) {
        const T value = x[static_cast<size_t>(first + offset)];
        if (index >= 0 && !(widen(value) > widen(best))) return;
        best = value;
        index = first + (by_columns ? column_major(from, offset) : offset);
      });
      outputs[0].span<T>()[static_cast<size_t>(i)] = best;
      if (outputs.size() > 1) outputs[1].span<int64_t>()[static_cast<size_t>(i)] = index;
    }
  });
}

}  // namespace

const OpSchema& max_pool_schema() {
  static const OpSchema schema = {.name = "MaxPool",
                                  .domain = "",
                                  .inputs = {{"X"}},
                                  .outputs = {"Y", "Indices"},
                                  .optional_outputs = 1,
                                  .infer = infer,
                                  .cost = cost,
                                  .reference = reference};
  return schema;
}

}  // namespace halftone
