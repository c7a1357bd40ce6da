#pragma once

#include <functional>

#include "ops/window.h"

namespace halftone {

// What the pools that reduce floating elements share.

/// The window of a pool, from kernel_shape.
Window pool_window(const OpSite& site);
/// X [N, C, spatial...], floating; Y of its type.
std::vector<ValueType> infer_float_pool(const OpSite& site);
/// Traffic, and an operation for each tap of each output.
Cost pool_cost(const OpSite& site);

/// X [N, C, spatial...], floating; Y [N, C, 1...].
std::vector<ValueType> infer_global_pool(const OpSite& site);
/// Traffic, and an operation for each element.
Cost global_pool_cost(const OpSite& site);

/// One output of a pool: where its window stands over a tensor of dimensions `spatial`.
struct PoolPlace {
  const Window& window;
  const Shape& spatial;
  const SpatialIndex& at;
};

/// Y = reduce(place, the elements of X under the window) for each channel and place, rounded once.
void pool_reference(std::span<const Operand> inputs, std::span<const MutableTensorView> outputs,
                    const Window& window,
                    const std::function<double(const PoolPlace&, const std::vector<float>&)>& reduce);

/// The window that covers all of [N, C, spatial...].
Window whole_window(const Shape& input);

}  // namespace halftone
