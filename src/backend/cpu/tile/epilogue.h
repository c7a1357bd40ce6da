#pragma once

#include "backend/cpu/activation/activation_loops.h"
#include "ops/fused_activation.h"

namespace halftone::cpu {

/// A fused activation as kernels carry it out: bounds in the tile, and a function over what was stored where
/// bounds do not say it all.
struct Epilogue {
  float low, high;
  bool has_map = false;
  Activation map{};
  float a = 1, b = 0;

  void apply(const ActivationLoops& loops, float* y, int64_t count) const {
    if (has_map) loops.apply(map, a, b, y, nullptr, y, count);
  }
};

Epilogue make_epilogue(const FusedActivation& activation);

}  // namespace halftone::cpu
