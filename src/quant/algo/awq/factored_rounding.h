#pragma once

#include <span>
#include <string>

#include "base/thread_pool.h"
#include "ops/constant.h"
#include "scheme/encoding.h"

namespace halftone {

/// Weights as a layer whose input is divided by `factors` (by index of `axis`) has them when they come back
/// from codes of the multiplied weights, seen from the undivided input: round(w * factor) / factor, in f32.
/// Products that overflow stay infinite, or throw quantize()'s InputError.
Tensor round_under_factors(const Constant& weights, const Encoding& encoding, int axis,
                           std::span<const float> factors, const std::string& name, ThreadPool& threads);

}  // namespace halftone
