#include "runtime/value_layout.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"
#include "runtime/memory_plan.h"

namespace halftone {

namespace {

/// Of one value: no machine holds more, and sums of what is less do not overflow.
constexpr int64_t kMostElements = int64_t{1} << 40;

constexpr size_t kAlignment = 64;

/// A value made inside a larger one.
struct Piece {
  size_t whole;
  size_t offset;         ///< bytes from its beginning
  int64_t row_step = 0;  ///< elements; 0: in one piece
};
using Pieces = std::map<size_t, Piece>;  // by value

/// Whether all axes that are stored outside of `axis` have one index.
bool is_outermost(const Shape& shape, int axis, const Storage& storage) {
  const bool last = storage.order == Storage::Order::channels_last;
  for (int a = 0; a < shape.rank(); ++a) {
    const bool outside = last && axis == 1 ? a != 1 : last && a == 1 ? false : a < axis;
    if (outside && shape[a] != 1) return false;
  }
  return true;
}

/// Finds what may be made in the place where a Concat wants it.
class PieceFinder {
 public:
  PieceFinder(const Graph& graph, const ConcreteGraph& concrete, const std::vector<ValueId>& root,
              std::span<const Step> steps)
      : graph_(graph), concrete_(concrete), root_(root), steps_(steps) {
    uses_.resize(root.size());
    spaced_.resize(root.size());
    for (ValueId output : graph.outputs()) ++uses_[index(output)];
    for (size_t n = 0; n < graph.nodes().size(); ++n) {
      const Node& node = graph.nodes()[n];
      for (ValueId input : node.inputs)
        if (input != kNoValue) ++uses_[index(input)];
      if (n < steps.size() && steps[n].prepared && steps[n].prepared->spaces_rows())
        spaced_[index(node.outputs[0])] = true;
    }
  }

  Pieces find(const std::vector<Lifetime>& lifetimes, const std::vector<int>& first) const {
    Pieces pieces;
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      const Node& node = graph_.nodes()[n];
      if (node.schema->name != "Concat") continue;
      const size_t whole = index(node.outputs[0]);
      const Shape& shape = concrete_.types[whole].shape;
      const auto axis = shape.normalize_axis(node.attributes.get_int("axis", 0));
      const Storage& storage = graph_.values()[whole].storage;
      if (!axis || root_[whole] != node.outputs[0]) continue;
      const size_t element = dtype_bytes(stored_dtype(concrete_.types[whole].dtype, storage));
      if (is_outermost(shape, *axis, storage))
        add_blocks(node, element, lifetimes, first, pieces);
      else if (storage.order == Storage::Order::channels_last && *axis == 1 && n < steps_.size() &&
               steps_[n].prepared && steps_[n].prepared->keeps_rows())
        add_rows(node, element, pieces);
    }
    return pieces;
  }

 private:
  static size_t index(ValueId id) { return static_cast<size_t>(id); }

  /// Along the outermost axis: each lies in one piece.
  void add_blocks(const Node& node, size_t element, const std::vector<Lifetime>& lifetimes,
                  const std::vector<int>& first, Pieces& pieces) const {
    const size_t whole = index(node.outputs[0]);
    size_t offset = 0;
    for (ValueId input : node.inputs) {
      const size_t owner = index(root_[index(input)]);
      const size_t bytes = static_cast<size_t>(concrete_.types[index(input)].shape.elements()) * element;
      if (first[owner] >= 0 && concrete_.types[owner].dtype != DType::state && offset % kAlignment == 0 &&
          lifetimes[owner].bytes == bytes && same_storage(input, whole))
        pieces.try_emplace(owner, Piece{whole, offset});
      offset += bytes;
    }
  }

  /// Along the channels of channels-last values. Only the Concat reads rows that lie apart.
  void add_rows(const Node& node, size_t element, Pieces& pieces) const {
    const size_t whole = index(node.outputs[0]);
    const int64_t channels = concrete_.types[whole].shape[1];
    size_t offset = 0;
    for (ValueId input : node.inputs) {
      const size_t id = index(input);
      if (spaced_[id] && uses_[id] == 1 && same_storage(input, whole))
        pieces.try_emplace(id, Piece{whole, offset, channels});
      offset += static_cast<size_t>(concrete_.types[id].shape[1]) * element;
    }
  }

  bool same_storage(ValueId input, size_t whole) const {
    return graph_.value(input).storage == graph_.values()[whole].storage;
  }

  const Graph& graph_;
  const ConcreteGraph& concrete_;
  const std::vector<ValueId>& root_;
  std::span<const Step> steps_;
  std::vector<int> uses_;     // by value: readers, and the graph's outputs
  std::vector<bool> spaced_;  // by value: its kernel can leave room between rows
};

struct Arena {
  std::vector<size_t> offsets;  ///< by value
  size_t bytes = 0;
};

/// Where each piece lies in the outermost whole that has it.
Pieces in_outermost(const Pieces& pieces) {
  Pieces found;
  std::vector<size_t> inner;  // each a piece of the next
  for (const auto& [id, piece] : pieces) {
    for (size_t at = id; pieces.contains(at) && !found.contains(at); at = pieces.at(at).whole)
      inner.push_back(at);
    for (; !inner.empty(); inner.pop_back()) {
      Piece at = pieces.at(inner.back());
      if (const auto outer = found.find(at.whole); outer != found.end())
        at = {outer->second.whole, outer->second.offset + at.offset};
      found.emplace(inner.back(), at);
    }
  }
  return found;
}

/// Places all values but pieces, whose wholes live from the first of their pieces to the last use of any.
Arena place(std::vector<Lifetime> lifetimes, const std::vector<int>& first, const Pieces& pieces) {
  const Pieces outermost = in_outermost(pieces);
  for (const auto& [id, at] : outermost) {
    Lifetime& whole = lifetimes[at.whole];
    whole.first = std::min(whole.first, lifetimes[id].first);
    whole.last = std::max(whole.last, lifetimes[id].last);
  }
  std::vector<Lifetime> placed;
  std::vector<size_t> owners;
  for (size_t id = 0; id < lifetimes.size(); ++id) {
    if (first[id] < 0 || pieces.contains(id)) continue;
    placed.push_back(lifetimes[id]);
    owners.push_back(id);
  }
  const MemoryPlan memory = plan_memory(placed);
  Arena arena{std::vector<size_t>(lifetimes.size()), memory.arena_bytes};
  for (size_t i = 0; i < owners.size(); ++i) arena.offsets[owners[i]] = memory.offsets[i];
  for (const auto& [id, at] : outermost) arena.offsets[id] = arena.offsets[at.whole] + at.offset;
  return arena;
}

/// Values that may be placed in search of the pieces that fit: enough for each Concat of a graph of a few
/// thousand.
constexpr size_t kMostPlacings = size_t{1} << 20;

/// Adds the pieces of those Concats with which `fits` says yes: all at once, else one half after the other.
template <class Fits>
void keep_what_fits(std::span<const Pieces> concats, const Fits& fits, size_t& tries, Pieces& kept) {
  if (concats.empty() || tries == 0) return;
  --tries;
  Pieces more = kept;
  for (const Pieces& parts : concats) more.insert(parts.begin(), parts.end());
  if (fits(more)) {
    kept = std::move(more);
  } else if (concats.size() > 1) {
    keep_what_fits(concats.first(concats.size() / 2), fits, tries, kept);
    keep_what_fits(concats.subspan(concats.size() / 2), fits, tries, kept);
  }
}

/// Those of Concats with which the arena stays within `limit`.
template <class Bytes>
Pieces pieces_that_fit(const Pieces& pieces, size_t values, size_t limit, const Bytes& arena_bytes) {
  std::map<size_t, Pieces> by_whole;
  for (const auto& [id, piece] : pieces) by_whole[piece.whole].emplace(id, piece);
  std::vector<Pieces> concats;
  for (auto& [whole, parts] : by_whole) concats.push_back(std::move(parts));
  Pieces kept;
  size_t tries = kMostPlacings / values + 1;
  keep_what_fits(
      concats, [&](const Pieces& some) { return arena_bytes(some) <= limit; }, tries, kept);
  return kept;
}

}  // namespace

ValueLayout lay_out_values(const Graph& graph, const ConcreteGraph& concrete,
                           std::span<const Step> steps_of) {
  const auto index = [](ValueId id) { return static_cast<size_t>(id); };
  const size_t count = graph.values().size();
  const int steps = static_cast<int>(graph.nodes().size());
  ValueLayout layout;
  layout.root.resize(count);
  std::iota(layout.root.begin(), layout.root.end(), ValueId{0});

  std::vector<int> first(count, -1), last(count, -1);
  for (int n = 0; n < steps; ++n) {
    const Node& node = graph.nodes()[static_cast<size_t>(n)];
    for (ValueId input : node.inputs)
      if (input != kNoValue) last[index(layout.root[index(input)])] = n;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const size_t id = index(node.outputs[i]);
      if (i == 0 && concrete.sites[static_cast<size_t>(n)].is_alias())
        layout.root[id] = layout.root[index(node.inputs[0])];
      else
        first[id] = last[id] = n;
    }
  }
  for (ValueId output : graph.outputs()) last[index(layout.root[index(output)])] = steps;

  const auto bytes_of = [&](size_t id) {
    const Shape& shape = concrete.types[id].shape;
    const auto elements = shape.checked_elements();
    if (!elements || *elements > kMostElements)
      throw ResourceError("value \"{}\": more memory than there is for a tensor of shape {}",
                          graph.values()[id].name, shape.str());
    return static_cast<size_t>(*elements) *
           dtype_bytes(stored_dtype(concrete.types[id].dtype, graph.values()[id].storage));
  };
  std::vector<Lifetime> lifetimes(count);
  for (size_t id = 0; id < count; ++id)
    if (first[id] >= 0 && concrete.types[id].dtype != DType::state)
      lifetimes[id] = {bytes_of(id), first[id], last[id]};

  const Arena plain = place(lifetimes, first, {});
  Pieces pieces = PieceFinder(graph, concrete, layout.root, steps_of).find(lifetimes, first);
  Arena arena = pieces.empty() ? plain : place(lifetimes, first, pieces);
  if (arena.bytes > plain.bytes) {
    pieces = pieces_that_fit(pieces, count, plain.bytes,
                             [&](const Pieces& some) { return place(lifetimes, first, some).bytes; });
    arena = place(lifetimes, first, pieces);
  }
  layout.in_place.resize(count);
  layout.row_steps.resize(count);
  for (const auto& [id, piece] : pieces) {
    layout.in_place[id] = true;
    layout.row_steps[id] = piece.row_step;
  }
  layout.offsets = std::move(arena.offsets);
  layout.arena_bytes = arena.bytes;
  return layout;
}

}  // namespace halftone
