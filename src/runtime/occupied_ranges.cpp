#include "runtime/occupied_ranges.h"

#include <algorithm>
#include <bit>

namespace halftone {

using Range = std::pair<size_t, size_t>;

void OccupiedRanges::add(size_t begin, size_t end) {
  const auto from = std::ranges::lower_bound(ranges_, begin, {}, &Range::second);
  auto to = from;
  for (; to != ranges_.end() && to->first <= end; ++to) {
    begin = std::min(begin, to->first);
    end = std::max(end, to->second);
  }
  if (from == to) {
    ranges_.insert(from, {begin, end});
  } else {
    *from = {begin, end};
    ranges_.erase(from + 1, to);
  }
}

size_t OccupiedRanges::first_free(size_t from, size_t size) const {
  for (auto range = std::ranges::upper_bound(ranges_, from, {}, &Range::second);
       range != ranges_.end() && range->first < from + size; ++range)
    from = range->second;
  return from;
}

OccupiedOverTime::OccupiedOverTime(size_t steps)
    : leaves_(std::bit_ceil(steps)), always_(2 * leaves_), sometimes_(2 * leaves_) {}

/// The fewest nodes that have the steps between them and no others.
std::vector<size_t> OccupiedOverTime::covering(size_t first, size_t last) const {
  std::vector<size_t> nodes;
  for (size_t left = leaves_ + first, right = leaves_ + last + 1; left < right; left /= 2, right /= 2) {
    if (left % 2 == 1) nodes.push_back(left++);
    if (right % 2 == 1) nodes.push_back(--right);
  }
  return nodes;
}

/// The nodes that have the first or the last step, and so all that have some of the steps and others too.
std::vector<size_t> OccupiedOverTime::above(size_t first, size_t last) const {
  std::vector<size_t> nodes;
  for (size_t left = leaves_ + first, right = leaves_ + last; left > 0; left /= 2, right /= 2) {
    nodes.push_back(left);
    if (left != right) nodes.push_back(right);
  }
  return nodes;
}

void OccupiedOverTime::add(size_t first, size_t last, size_t begin, size_t end) {
  for (size_t node : covering(first, last)) {
    always_[node].add(begin, end);
    sometimes_[node].add(begin, end);
  }
  for (size_t node : above(first, last)) sometimes_[node].add(begin, end);
}

size_t OccupiedOverTime::first_free(size_t first, size_t last, size_t size) const {
  std::vector<const OccupiedRanges*> taken;
  for (size_t node : covering(first, last)) taken.push_back(&sometimes_[node]);
  for (size_t node : above(first, last)) taken.push_back(&always_[node]);
  std::erase_if(taken, [](const OccupiedRanges* ranges) { return ranges->empty(); });
  size_t begin = 0;
  for (bool moved = true; moved;) {
    const size_t before = begin;
    for (const OccupiedRanges* ranges : taken) begin = ranges->first_free(begin, size);
    moved = begin != before;
  }
  return begin;
}

}  // namespace halftone
