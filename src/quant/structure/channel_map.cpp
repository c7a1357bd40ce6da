#include "quant/structure/channel_map.h"

#include <algorithm>
#include <numeric>

namespace halftone {
namespace {

/// Sizes of the axes that matter, and walks over their indices.
struct Extent {
  std::vector<int64_t> sizes;
  explicit Extent(const ChannelMap& map, const Shape& shape) {
    for (int axis : map.axes) sizes.push_back(shape[axis]);
  }
  explicit Extent(std::vector<int64_t> sizes_) : sizes(std::move(sizes_)) {}
  int64_t count() const {
    return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
  }
  /// Index along each axis of the element at `place`.
  std::vector<int64_t> index(int64_t place) const {
    std::vector<int64_t> result(sizes.size());
    for (size_t i = sizes.size(); i-- > 0; place /= sizes[i]) result[i] = place % sizes[i];
    return result;
  }
  int64_t place(std::span<const int64_t> index) const {
    int64_t result = 0;
    for (size_t i = 0; i < sizes.size(); ++i) result = result * sizes[i] + index[i];
    return result;
  }
};

bool is_concrete(const Shape& shape, int begin, int end) {
  for (int axis = begin; axis < end; ++axis)
    if (shape[axis] < 0) return false;
  return true;
}

int64_t product(const Shape& shape, int begin, int end) {
  int64_t result = 1;
  for (int axis = begin; axis < end; ++axis) result *= shape[axis];
  return result;
}

/// Runs of axes of two shapes with as many elements each.
struct AxisRuns {
  int from_begin, from_end, to_begin, to_end;
};

/// Cuts two shapes of as many elements, from the back, into the shortest runs that agree. What is left in
/// front (where a symbol stands) is one run.
std::vector<AxisRuns> matching_runs(const Shape& from, const Shape& to) {
  std::vector<AxisRuns> runs;
  int f = from.rank(), t = to.rank();
  while (f > 0 && t > 0) {
    int fb = f - 1, tb = t - 1;
    while (is_concrete(from, fb, f) && is_concrete(to, tb, t)) {
      const int64_t a = product(from, fb, f), b = product(to, tb, t);
      if (a == b) break;
      if ((a < b ? fb : tb) == 0) break;
      --(a < b ? fb : tb);
    }
    const bool agree =
        is_concrete(from, fb, f) && is_concrete(to, tb, t) && product(from, fb, f) == product(to, tb, t);
    const bool same_symbol =
        fb == f - 1 && tb == t - 1 && from[fb] == to[tb] && from[fb] != Shape::kUnknownDim;
    if (!agree && !same_symbol) break;
    runs.push_back({fb, f, tb, t});
    f = fb;
    t = tb;
  }
  if (f > 0 || t > 0) runs.push_back({0, f, 0, t});
  std::reverse(runs.begin(), runs.end());
  return runs;
}

}  // namespace

ChannelTies::ChannelTies(int64_t channels) : parent_(static_cast<size_t>(channels)) {
  std::iota(parent_.begin(), parent_.end(), 0);
}

int32_t ChannelTies::root(int32_t channel) const {
  while (parent_[static_cast<size_t>(channel)] != channel) channel = parent_[static_cast<size_t>(channel)];
  return channel;
}

void ChannelTies::tie(int32_t a, int32_t b) {
  const int32_t low = std::min(root(a), root(b)), high = std::max(root(a), root(b));
  parent_[static_cast<size_t>(high)] = low;
}

ChannelMap ChannelMap::along(int axis, int64_t size) {
  ChannelMap map{{axis}, std::vector<int32_t>(static_cast<size_t>(size))};
  std::iota(map.channels.begin(), map.channels.end(), 0);
  return map;
}

std::optional<ChannelMap> before_reshape(const ChannelMap& after, const Shape& from, const Shape& to) {
  ChannelMap before;
  std::vector<int64_t> wide_sizes;  // of `to`, with all axes of the runs that matter
  std::vector<int> wide_axes;
  for (const AxisRuns& run : matching_runs(from, to)) {
    const bool matters = std::any_of(after.axes.begin(), after.axes.end(),
                                     [&](int axis) { return axis >= run.to_begin && axis < run.to_end; });
    if (!matters) continue;
    if (!is_concrete(from, run.from_begin, run.from_end) || !is_concrete(to, run.to_begin, run.to_end))
      return std::nullopt;
    for (int axis = run.from_begin; axis < run.from_end; ++axis) before.axes.push_back(axis);
    for (int axis = run.to_begin; axis < run.to_end; ++axis) {
      wide_axes.push_back(axis);
      wide_sizes.push_back(to[axis]);
    }
  }
  // Elements keep their row-major order inside the runs, so the widened map is the map before.
  const Extent wide(wide_sizes), narrow(after, to);
  before.channels.resize(static_cast<size_t>(wide.count()));
  for (int64_t place = 0; place < wide.count(); ++place) {
    const std::vector<int64_t> index = wide.index(place);
    std::vector<int64_t> picked;
    for (size_t i = 0; i < wide_axes.size(); ++i)
      if (std::find(after.axes.begin(), after.axes.end(), wide_axes[i]) != after.axes.end())
        picked.push_back(index[i]);
    before.channels[static_cast<size_t>(place)] = after.channels[static_cast<size_t>(narrow.place(picked))];
  }
  return before;
}

ChannelMap before_transpose(const ChannelMap& after, const Shape& to, std::span<const int64_t> order) {
  ChannelMap before;
  std::vector<std::pair<int, size_t>> moved;  // axis before, position among after.axes
  for (size_t i = 0; i < after.axes.size(); ++i)
    moved.emplace_back(static_cast<int>(order[static_cast<size_t>(after.axes[i])]), i);
  std::sort(moved.begin(), moved.end());
  const Extent extent(after, to);
  std::vector<int64_t> sizes;
  for (const auto& [axis, i] : moved) {
    before.axes.push_back(axis);
    sizes.push_back(extent.sizes[i]);
  }
  const Extent turned(sizes);
  before.channels.resize(after.channels.size());
  for (int64_t place = 0; place < extent.count(); ++place) {
    const std::vector<int64_t> index = extent.index(place);
    std::vector<int64_t> there;
    for (const auto& [axis, i] : moved) there.push_back(index[i]);
    before.channels[static_cast<size_t>(turned.place(there))] = after.channels[static_cast<size_t>(place)];
  }
  return before;
}

ChannelMap before_broadcast(const ChannelMap& after, const Shape& from, const Shape& to, ChannelTies& ties) {
  const int shift = to.rank() - from.rank();
  ChannelMap before;
  std::vector<int64_t> sizes;
  std::vector<size_t> kept;  // positions among after.axes
  for (size_t i = 0; i < after.axes.size(); ++i) {
    const int axis = after.axes[i] - shift;
    if (axis < 0 || (from[axis] == 1 && to[after.axes[i]] != 1)) continue;
    before.axes.push_back(axis);
    sizes.push_back(to[after.axes[i]]);
    kept.push_back(i);
  }
  const Extent wide(after, to), narrow(sizes);
  before.channels.assign(static_cast<size_t>(narrow.count()), kNoChannel);
  for (int64_t place = 0; place < wide.count(); ++place) {
    const std::vector<int64_t> index = wide.index(place);
    std::vector<int64_t> there;
    for (size_t i : kept) there.push_back(index[i]);
    const int32_t channel = after.channels[static_cast<size_t>(place)];
    int32_t& known = before.channels[static_cast<size_t>(narrow.place(there))];
    if (known == kNoChannel)
      known = channel;
    else if (channel != kNoChannel)
      ties.tie(known, channel);
  }
  return before;
}

ChannelMap before_cut(const ChannelMap& part, const Shape& part_shape, int axis, int64_t begin,
                      int64_t whole_size) {
  ChannelMap before{part.axes, {}};
  std::vector<int64_t> sizes = Extent(part, part_shape).sizes;
  auto found = std::find(before.axes.begin(), before.axes.end(), axis);
  const bool matters = found != before.axes.end();
  if (!matters) {
    found = std::lower_bound(before.axes.begin(), before.axes.end(), axis);
    sizes.insert(sizes.begin() + (found - before.axes.begin()), 0);
    found = before.axes.insert(found, axis);
  }
  const auto at = static_cast<size_t>(found - before.axes.begin());
  const int64_t part_size = part_shape[axis];
  sizes[at] = whole_size;
  const Extent whole(sizes), cut(part, part_shape);
  before.channels.assign(static_cast<size_t>(whole.count()), kNoChannel);
  for (int64_t place = 0; place < whole.count(); ++place) {
    std::vector<int64_t> index = whole.index(place);
    index[at] -= begin;
    if (index[at] < 0 || index[at] >= part_size) continue;
    if (!matters) index.erase(index.begin() + static_cast<ptrdiff_t>(at));
    before.channels[static_cast<size_t>(place)] = part.channels[static_cast<size_t>(cut.place(index))];
  }
  return before;
}

std::optional<std::vector<int32_t>> channels_along(const ChannelMap& map, int axis) {
  if (map.axes.size() != 1 || map.axes[0] != axis) return std::nullopt;
  return map.channels;
}

}  // namespace halftone
