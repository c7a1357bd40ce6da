#pragma once

#include "backend/cpu/activation/activation_loops.h"
#include "base/thread_pool.h"
#include "ops/fused_activation.h"

namespace halftone::cpu {

/// A fused activation as kernels carry it out: bounds in the tile, and a function over what was stored where
/// bounds do not say it all.
struct Epilogue {
  float low, high;
  bool has_map = false;
  Activation map{};
  float a = 1, b = 0;

  bool is_hard_swish() const { return has_map && map == Activation::hard_swish; }
  /// Whether windows (window_loops.h), which store HardSwish themselves, leave something to apply().
  bool goes_on() const { return has_map && !is_hard_swish(); }

  void apply(const ActivationLoops& loops, float* y, int64_t count) const {
    if (has_map) loops.apply(map, a, b, y, nullptr, y, count);
  }
};

Epilogue make_epilogue(const FusedActivation& activation);

/// The whole of it, bounds too, over stored floats.
void apply_all(const Epilogue& epilogue, const ActivationLoops& loops, float* y, int64_t count);
/// The same over `rows` rows of `width` on all threads.
void finish_rows(ThreadPool& threads, const Epilogue& epilogue, const ActivationLoops& loops, float* y,
                 int64_t rows, int64_t width);

}  // namespace halftone::cpu
