#include "backend/cuda/device/functions.h"
#include "backend/cuda/group_normalization/group_normalization_kernels.h"

namespace halftone::cuda {
namespace {

DEVICE int64_t part_begin(int64_t length, int64_t part, int64_t parts) {
  return length * part / parts;
}

/// The sum over the warps of what their lanes have, in warp 0's lanes.
DEVICE float sum_by_lanes(float value, Shared<float> scratch) {
  sync_block();
  scratch[thread()] = value;
  sync_block();
  float sum = 0;
  for (int w = 0; w < block_warps(); ++w) sum += static_cast<float>(scratch[w * kWarp + lane()]);
  return sum;
}

template <class T>
DEVICE void moments_planar(const PieceMomentsArgs& args) {
  const GroupShape& shape = args.shape;
  const int64_t length = cut_length(shape);
  const int64_t begin = part_begin(length, block_x(), shape.parts),
                end = part_begin(length, block_x() + 1, shape.parts);
  const T* x = static_cast<const T*>(args.x) + block_y() * length;
  float sum = 0;
  for (int64_t i = begin + thread(); i < end; i += block_threads()) sum += to_f32(x[i]);
  const float mean = block_sum(sum, shared_memory<float>(0)) / static_cast<float>(end - begin);
  float squares = 0;
  for (int64_t i = begin + thread(); i < end; i += block_threads()) {
    const float off = to_f32(x[i]) - mean;
    squares += off * off;
  }
  squares = block_sum(squares, shared_memory<float>(kWarp * sizeof(float)));
  if (thread() == 0) args.pieces[block_y() * shape.parts + block_x()] = {mean, squares};
}

template <class T>
DEVICE void moments_last(const PieceMomentsArgs& args) {
  const GroupShape& shape = args.shape;
  const int64_t channel = int64_t{block_x()} * kWarp + lane();
  const bool inside = channel < shape.channels;
  const int64_t begin = part_begin(shape.plane, block_y(), shape.parts),
                end = part_begin(shape.plane, block_y() + 1, shape.parts);
  const T* x = static_cast<const T*>(args.x) + block_z() * shape.channels * shape.plane + channel;
  float sum = 0;
  if (inside)
    for (int64_t i = begin + warp(); i < end; i += block_warps()) sum += to_f32(x[i * shape.channels]);
  const float mean = sum_by_lanes(sum, shared_memory<float>(0)) / static_cast<float>(end - begin);
  float squares = 0;
  if (inside)
    for (int64_t i = begin + warp(); i < end; i += block_warps()) {
      const float off = to_f32(x[i * shape.channels]) - mean;
      squares += off * off;
    }
  squares = sum_by_lanes(squares, shared_memory<float>(0));
  if (inside && warp() == 0)
    args.pieces[(block_z() * shape.channels + channel) * shape.parts + block_y()] = {mean, squares};
}

}  // namespace

DEVICE_KERNEL(group_moments_planar_f32, PieceMomentsArgs) {
  moments_planar<float>(args);
}
DEVICE_KERNEL(group_moments_last_f32, PieceMomentsArgs) {
  moments_last<float>(args);
}
DEVICE_KERNEL(group_moments_planar_f16, PieceMomentsArgs) {
  moments_planar<f16>(args);
}
DEVICE_KERNEL(group_moments_last_f16, PieceMomentsArgs) {
  moments_last<f16>(args);
}
DEVICE_KERNEL(group_moments_planar_bf16, PieceMomentsArgs) {
  moments_planar<bf16>(args);
}
DEVICE_KERNEL(group_moments_last_bf16, PieceMomentsArgs) {
  moments_last<bf16>(args);
}

DEVICE_KERNEL(group_join, JoinMomentsArgs) {
  const GroupShape& shape = args.shape;
  const int64_t group = int64_t{block_x()} * block_warps() + warp();
  if (group >= shape.batch * shape.groups) return;
  const int64_t pieces = pieces_of_group(shape), length = cut_length(shape);
  const Moments* own = args.pieces + group * pieces;
  const auto count_of = [&](int64_t piece) {
    const int64_t part = piece % shape.parts;
    return static_cast<float>(part_begin(length, part + 1, shape.parts) -
                              part_begin(length, part, shape.parts));
  };
  const auto total = static_cast<float>(group_channels(shape) * shape.plane);
  float sum = 0;
  for (int64_t i = lane(); i < pieces; i += kWarp) sum += own[i].x * count_of(i);
  const float mean = warp_sum(sum) / total;
  float squares = 0;
  for (int64_t i = lane(); i < pieces; i += kWarp) {
    const float off = own[i].x - mean;
    squares += own[i].y + off * off * count_of(i);
  }
  squares = warp_sum(squares);
  if (lane() == 0) args.groups[group] = {mean, 1 / square_root(squares / total + args.epsilon)};
}

DEVICE_KERNEL(group_normalize, NormalizeArgs) {
  const GroupShape& shape = args.shape;
  const auto channels = static_cast<uint32_t>(shape.channels), plane = static_cast<uint32_t>(shape.plane),
             each = static_cast<uint32_t>(group_channels(shape));
  const uint32_t inside = (static_cast<uint32_t>(block_x()) * static_cast<uint32_t>(block_threads()) +
                           static_cast<uint32_t>(thread())) *
                          (args.wide ? 4 : 1);
  if (inside >= channels * plane) return;
  const uint32_t channel = shape.channels_last ? inside % channels : inside / plane;
  const Moments* groups = args.groups + block_y() * args.group_batch;
  const auto normalized = [&](float x, uint32_t c) {
    const Moments group = groups[c / each];
    const float factor = args.scale ? group.y * args.scale[c] : group.y;
    return (x - group.x) * factor + args.shift[c];
  };
  const int64_t i = block_y() * shape.channels * shape.plane + inside;
  if (!args.wide) {
    args.y.set(i, normalized(args.x[i], channel));
    return;
  }
  const uint32_t next = shape.channels_last ? 1 : 0;
  const Vec4 x = args.x.four(i);
  args.y.set_four(i, {normalized(x.x, channel), normalized(x.y, channel + next),
                      normalized(x.z, channel + 2 * next), normalized(x.w, channel + 3 * next)});
}

}  // namespace halftone::cuda
