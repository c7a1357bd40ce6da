#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/shape.h"

namespace halftone {

/// Channels whose factors must be one and the same: a head of values that several heads of queries read.
class ChannelTies {
 public:
  explicit ChannelTies(int64_t channels);
  void tie(int32_t a, int32_t b);
  /// The lowest channel of the set that `channel` belongs to.
  int32_t root(int32_t channel) const;

 private:
  std::vector<int32_t> parent_;
};

/// No channel: elements that keep their factor of 1.
inline constexpr int32_t kNoChannel = -1;

/// Which channel of a later value each element of a value turns into: where elements lie along the `axes`
/// decides alone.
struct ChannelMap {
  std::vector<int> axes;          ///< ascending; their sizes are concrete
  std::vector<int32_t> channels;  ///< over the sizes of these axes, row-major

  static ChannelMap along(int axis, int64_t size);  ///< channel i at index i
};

/// The map of the value before a Reshape (and Squeeze, Unsqueeze, Flatten) from that of the value after it.
/// Nothing where axes that matter mix with symbolic ones.
std::optional<ChannelMap> before_reshape(const ChannelMap& after, const Shape& from, const Shape& to);

/// The same of a Transpose: axis i of its output is axis order[i] of its input.
ChannelMap before_transpose(const ChannelMap& after, const Shape& to, std::span<const int64_t> order);

/// The map of an operand of shape `from` that broadcasts to `to`, axes aligned at the back; channels that
/// meet in one element are tied.
ChannelMap before_broadcast(const ChannelMap& after, const Shape& from, const Shape& to, ChannelTies& ties);

/// The map of the whole where `part` covers [begin, begin + its size) of `axis` (Split, Slice, Gather of one
/// index, Concat turned round): no channel elsewhere. `axis` need not matter to the part.
ChannelMap before_cut(const ChannelMap& part, const Shape& part_shape, int axis, int64_t begin,
                      int64_t whole_size);

/// Each index of one axis alone, when only this axis matters.
std::optional<std::vector<int32_t>> channels_along(const ChannelMap& map, int axis);

}  // namespace halftone
