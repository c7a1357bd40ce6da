#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// The constant that input `input` of `site` is, as f32: decoded where it has an encoding.
Tensor constant_floats(const OpSite& site, size_t input);

}  // namespace halftone
