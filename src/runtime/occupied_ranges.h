#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace halftone {

/// Addresses that are taken, as ranges [begin, end) that neither meet nor touch.
class OccupiedRanges {
 public:
  void add(size_t begin, size_t end);
  /// The lowest begin >= `from` at which `size` > 0 addresses are free.
  size_t first_free(size_t from, size_t size) const;
  bool empty() const { return ranges_.empty(); }

 private:
  std::vector<std::pair<size_t, size_t>> ranges_;
};

/// Addresses that are taken through some steps of a run each. A tree over the steps, so that both calls look
/// at twice the logarithm of the steps, and at the ranges that what is placed leaves (few: holes are filled).
class OccupiedOverTime {
 public:
  explicit OccupiedOverTime(size_t steps);
  /// Takes [begin, end) from step `first` to step `last`, both counted.
  void add(size_t first, size_t last, size_t begin, size_t end);
  /// The lowest begin at which `size` > 0 addresses are free from step `first` to step `last`.
  size_t first_free(size_t first, size_t last, size_t size) const;

 private:
  std::vector<size_t> covering(size_t first, size_t last) const;
  std::vector<size_t> above(size_t first, size_t last) const;

  size_t leaves_;  // a power of two: node 1 has all steps, nodes 2 n and 2 n + 1 have the halves of node n's
  std::vector<OccupiedRanges> always_;     // by node: at all of its steps
  std::vector<OccupiedRanges> sometimes_;  // by node: at any of its steps, unless always at those above
};

}  // namespace halftone
