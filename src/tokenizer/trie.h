#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace halftone {

/// Finds which of a fixed set of byte strings begin at a place of a text.
class Trie {
 public:
  /// Keys must differ and not be empty; values must not be negative.
  explicit Trie(std::vector<std::pair<std::string_view, int32_t>> entries);

  /// Calls found(length, value) for each key that `text` begins with, the shortest first.
  template <class Found>
  void for_each_prefix(std::string_view text, Found found) const {
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      const uint8_t* first = labels_.data() + nodes_[node].first_child;
      const uint8_t* last = first + nodes_[node].children;
      auto label = static_cast<uint8_t>(text[i]);
      const uint8_t* child =
          last - first > 8 ? std::lower_bound(first, last, label) : std::find(first, last, label);
      if (child == last || *child != label) return;
      node = static_cast<uint32_t>(child - labels_.data());
      if (nodes_[node].value >= 0) found(i + 1, nodes_[node].value);
    }
  }

 private:
  struct Node {
    uint32_t first_child = 0;
    uint32_t children = 0;
    int32_t value = -1;
  };
  std::vector<Node> nodes_;      // the children of a node stand side by side, by label
  std::vector<uint8_t> labels_;  // of the step into each node
};

}  // namespace halftone
