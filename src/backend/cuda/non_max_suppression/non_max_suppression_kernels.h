#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// NonMaxSuppression (ops/non_max_suppression), a class of a picture a block. Scalars are read on the device;
/// null means what the operator says of an absent one.
struct SuppressArgs {
  const float* boxes;   ///< [batch, count, 4]
  const float* scores;  ///< [batch, classes, count]
  const int64_t* most;
  const float* overlap;
  const float* least_score;
  uint8_t* alive;   ///< [batch, classes, count]: scratch
  int32_t* chosen;  ///< [batch, classes, count]: boxes, the best first
  int32_t* counts;  ///< [batch, classes]
  int32_t count, classes;
  bool centre;
};
constexpr int kSuppressThreads = 256;
constexpr size_t kSuppressShared = 2 * kWarp * 4 + 16;
/// Grid: classes, batch. Takes the best box alive, again and again, and strikes out those that overlap it.
DECLARE_DEVICE_KERNEL(suppress_kernel, SuppressArgs);

/// Puts the chosen boxes one behind the other: `rows` of (batch, class, box).
struct GatherChosenArgs {
  const int32_t* chosen;
  const int32_t* counts;
  int64_t* selected;
  int64_t rows;
  int32_t count, classes;
};
/// Grid: classes, batch.
DECLARE_DEVICE_KERNEL(gather_chosen_kernel, GatherChosenArgs);

}  // namespace halftone::cuda
