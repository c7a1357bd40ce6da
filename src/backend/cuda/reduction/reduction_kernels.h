#pragma once

#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

/// Of the elements of a tensor of up to 8 dimensions, runs of axes that are reduced and of axes that stay lie
/// by turns: at most four of either.
constexpr int kReductionDims = 4;

/// Axes of `extents`, outermost first, whose neighbours lie `steps` elements apart.
struct ReductionAxes {
  uint32_t extents[kReductionDims];
  int64_t steps[kReductionDims];
  uint32_t count;  ///< of places: the product of the extents
  int32_t dims;
};

enum class Fold : int32_t {
  sum,
  mean,
  max,  ///< NaN if one is; of nothing: the least number
  min,
  product,
  sum_of_squares,
  sum_of_magnitudes,
  root_of_squares,  ///< L2; f32 alone, as what follows
  log_of_sum,
  log_of_exps,  ///< top + log(sum of e^(x - top)); `tops` [kept.count] holds the largest x of each
};

/// Which threads take the elements of one output.
enum class Team : int32_t {
  warp,    ///< a warp of a block of eight
  block,   ///< a block
  columns  ///< eight warps, one lane of each: a block has 32 neighbouring outputs
};

/// y[o] = fold of x at kept[o] + reduced[r] for all r. Each thread folds every n-th element in order, then
/// what the threads have is joined in a tree: the same bits each time. Floats are summed in f32, integers in
/// i64.
template <class T>
struct ReductionArgs {
  const T* x;
  const T* tops;
  T* y;
  ReductionAxes kept, reduced;
  Fold fold;
  Team team;
};
using FloatReductionArgs = ReductionArgs<float>;
using HalfReductionArgs = ReductionArgs<f16>;
using BrainReductionArgs = ReductionArgs<bf16>;
using IntReductionArgs = ReductionArgs<int32_t>;
using LongReductionArgs = ReductionArgs<int64_t>;
constexpr int kReductionThreads = 256;
constexpr size_t kReductionShared = kReductionThreads * sizeof(int64_t);

DECLARE_DEVICE_KERNEL(reduce_f32, FloatReductionArgs);
DECLARE_DEVICE_KERNEL(reduce_f16, HalfReductionArgs);
DECLARE_DEVICE_KERNEL(reduce_bf16, BrainReductionArgs);
DECLARE_DEVICE_KERNEL(reduce_i32, IntReductionArgs);
DECLARE_DEVICE_KERNEL(reduce_i64, LongReductionArgs);

/// places[o] = the index along one axis of the largest (`smallest`: smallest) of the `length` elements at
/// kept[o] + i step. NaN comes before any number; of equals the first wins, or with `last` the last. A
/// thread an output.
template <class T>
struct ArgAxisArgs {
  const T* x;
  int64_t* places;
  ReductionAxes kept;
  int64_t length, step;
  bool smallest, last;
};
using FloatArgAxisArgs = ArgAxisArgs<float>;
using HalfArgAxisArgs = ArgAxisArgs<f16>;
using BrainArgAxisArgs = ArgAxisArgs<bf16>;
using IntArgAxisArgs = ArgAxisArgs<int32_t>;
using LongArgAxisArgs = ArgAxisArgs<int64_t>;
DECLARE_DEVICE_KERNEL(arg_axis_f32, FloatArgAxisArgs);
DECLARE_DEVICE_KERNEL(arg_axis_f16, HalfArgAxisArgs);
DECLARE_DEVICE_KERNEL(arg_axis_bf16, BrainArgAxisArgs);
DECLARE_DEVICE_KERNEL(arg_axis_i32, IntArgAxisArgs);
DECLARE_DEVICE_KERNEL(arg_axis_i64, LongArgAxisArgs);

}  // namespace halftone::cuda
