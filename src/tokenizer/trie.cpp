#include "tokenizer/trie.h"

namespace halftone {

Trie::Trie(std::vector<std::pair<std::string_view, int32_t>> entries) {
  std::sort(entries.begin(), entries.end());
  struct Pending {  // entries [begin, end) share the first `depth` bytes, which lead to the node of the same
                    // index
    size_t begin, end, depth;
  };
  std::vector<Pending> queue = {{0, entries.size(), 0}};
  nodes_.emplace_back();
  labels_.push_back(0);
  for (size_t node = 0; node < nodes_.size(); ++node) {
    auto [begin, end, depth] = queue[node];
    if (begin < end && entries[begin].first.size() == depth) nodes_[node].value = entries[begin++].second;
    nodes_[node].first_child = static_cast<uint32_t>(nodes_.size());
    while (begin < end) {
      char label = entries[begin].first[depth];
      size_t next = begin;
      while (next < end && entries[next].first[depth] == label) ++next;
      queue.push_back({begin, next, depth + 1});
      nodes_.emplace_back();
      labels_.push_back(static_cast<uint8_t>(label));
      ++nodes_[node].children;
      begin = next;
    }
  }
}

}  // namespace halftone
