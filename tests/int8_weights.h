#pragma once

#include "op_run.h"

namespace halftone {

/// Random weights as symmetric int8 with a scale for each output, which run along `axis`.
inline Constant int8_weights(const Shape& shape, unsigned seed, int axis = 0) {
  Constant weights(random_tensor(shape, seed, 0.2f));
  weights.set_encoding({.format = find_number_format("int8"),
                        .granularity = Granularity::per_axis(axis),
                        .scale_dtype = DType::f32});
  return weights;
}

}  // namespace halftone
