#pragma once

#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

/// X [batch, channels, plane] normalized by groups of channels: y = (x - mean) / sqrt(variance + epsilon) *
/// scale[c] + shift[c]. Three launches: moments of pieces, those of groups, results. Everything is summed in
/// f32, means before squares of what they leave, in one order.
///
/// Pieces are shares of what lies together: planar, of a whole group; channels-last, of one channel's places.
struct GroupShape {
  int64_t batch, channels, plane;
  int64_t groups;
  int64_t parts;  ///< of a group's elements, or of a channel's places
  bool channels_last;
};
HOST_AND_DEVICE int64_t group_channels(const GroupShape& shape) {
  return shape.channels / shape.groups;
}
/// Elements of a group, or a channel, that are cut into parts; part p begins at length * p / parts.
HOST_AND_DEVICE int64_t cut_length(const GroupShape& shape) {
  return shape.channels_last ? shape.plane : group_channels(shape) * shape.plane;
}
HOST_AND_DEVICE int64_t pieces_of_group(const GroupShape& shape) {
  return shape.channels_last ? group_channels(shape) * shape.parts : shape.parts;
}

/// Mean, and the sum of the squares of what is off it; of a group, 1 / its deviation.
using Moments = Vec2;

struct PieceMomentsArgs {
  const void* x;    ///< of the type that the kernel is named by
  Moments* pieces;  ///< [batch, groups, pieces of a group]
  GroupShape shape;
};
constexpr int kGroupThreads = 256;
constexpr size_t kGroupShared = kGroupThreads * sizeof(float);
/// Grid: parts, batch * groups (at most 65535).
DECLARE_DEVICE_KERNEL(group_moments_planar_f32, PieceMomentsArgs);
DECLARE_DEVICE_KERNEL(group_moments_planar_f16, PieceMomentsArgs);
DECLARE_DEVICE_KERNEL(group_moments_planar_bf16, PieceMomentsArgs);
/// Grid: 32 channels each, parts, batch: a lane a channel, a warp every eighth place.
DECLARE_DEVICE_KERNEL(group_moments_last_f32, PieceMomentsArgs);
DECLARE_DEVICE_KERNEL(group_moments_last_f16, PieceMomentsArgs);
DECLARE_DEVICE_KERNEL(group_moments_last_bf16, PieceMomentsArgs);

struct JoinMomentsArgs {
  const Moments* pieces;
  Moments* groups;  ///< [batch, groups]: mean and 1 / sqrt(variance + epsilon)
  GroupShape shape;
  float epsilon;
};
/// A warp a group.
DECLARE_DEVICE_KERNEL(group_join, JoinMomentsArgs);

/// y = (x - mean) * factor * scale[c] + shift[c], with the mean and factor of the group of the picture
/// (`group_batch` from picture to picture: 0 where all share them). A thread takes four neighbours where
/// `wide` (of one channel, or four channels of one place), otherwise one; grid: those of a picture, pictures.
struct NormalizeArgs {
  Floats x;
  const Moments* groups;
  Floats scale;  ///< null: 1
  Floats shift;
  FloatsOut y;
  GroupShape shape;
  int64_t group_batch;
  bool wide;
};
DECLARE_DEVICE_KERNEL(group_normalize, NormalizeArgs);

}  // namespace halftone::cuda
