#pragma once

#include "ops/constant.h"

namespace halftone {

/// A constant of f16 or bf16 as f32 of the same shape, converted when it is loaded.
Constant widened(const Constant& constant);

}  // namespace halftone
