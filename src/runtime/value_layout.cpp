#include "runtime/value_layout.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <numeric>

#include "runtime/memory_plan.h"

namespace halftone {

namespace {

constexpr size_t kAlignment = 64;

/// A value made inside a larger one.
struct Piece {
  size_t whole;
  size_t offset;  ///< bytes from its beginning
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

Pieces find_pieces(const Graph& graph, const ConcreteGraph& concrete, const std::vector<ValueId>& root,
                   const std::vector<Lifetime>& lifetimes, const std::vector<int>& first) {
  Pieces pieces;
  for (const Node& node : graph.nodes()) {
    if (node.schema->name != "Concat") continue;
    const auto whole = static_cast<size_t>(node.outputs[0]);
    const Shape& shape = concrete.types[whole].shape;
    const auto axis = shape.normalize_axis(node.attributes.get_int("axis", 0));
    const Storage& storage = graph.values()[whole].storage;
    if (!axis || root[whole] != node.outputs[0] || !is_outermost(shape, *axis, storage)) continue;
    size_t offset = 0;
    for (ValueId input : node.inputs) {
      const auto id = static_cast<size_t>(input), owner = static_cast<size_t>(root[id]);
      const size_t bytes = static_cast<size_t>(concrete.types[id].shape.elements()) *
                           dtype_bytes(stored_dtype(concrete.types[whole].dtype, storage));
      if (first[owner] >= 0 && concrete.types[owner].dtype != DType::state && offset % kAlignment == 0 &&
          lifetimes[owner].bytes == bytes && graph.values()[id].storage == storage)
        pieces.try_emplace(owner, Piece{whole, offset});
      offset += bytes;
    }
  }
  return pieces;
}

struct Arena {
  std::vector<size_t> offsets;  ///< by value
  size_t bytes = 0;
};

/// Places all values but pieces, whose wholes live from the first of their pieces to the last use of any.
Arena place(std::vector<Lifetime> lifetimes, const std::vector<int>& first, const Pieces& pieces) {
  const auto outermost = [&](size_t id) {
    Piece place{id, 0};
    for (auto at = pieces.find(id); at != pieces.end(); at = pieces.find(at->second.whole))
      place = {at->second.whole, place.offset + at->second.offset};
    return place;
  };
  for (const auto& [id, piece] : pieces) {
    Lifetime& whole = lifetimes[outermost(id).whole];
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
  for (const auto& [id, piece] : pieces) {
    const Piece at = outermost(id);
    arena.offsets[id] = arena.offsets[at.whole] + at.offset;
  }
  return arena;
}

}  // namespace

ValueLayout lay_out_values(const Graph& graph, const ConcreteGraph& concrete) {
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
    const auto elements = concrete.types[id].shape.checked_elements();
    assert(elements);
    return static_cast<size_t>(*elements) *
           dtype_bytes(stored_dtype(concrete.types[id].dtype, graph.values()[id].storage));
  };
  std::vector<Lifetime> lifetimes(count);
  for (size_t id = 0; id < count; ++id)
    if (first[id] >= 0 && concrete.types[id].dtype != DType::state)
      lifetimes[id] = {bytes_of(id), first[id], last[id]};

  const Arena plain = place(lifetimes, first, {});
  const Pieces pieces = find_pieces(graph, concrete, layout.root, lifetimes, first);
  Arena arena = pieces.empty() ? plain : place(lifetimes, first, pieces);
  const bool in_place = arena.bytes <= plain.bytes;
  if (!in_place) arena = plain;
  layout.offsets = std::move(arena.offsets);
  layout.arena_bytes = arena.bytes;
  layout.pieces_in_place = in_place ? static_cast<int>(pieces.size()) : 0;
  return layout;
}

}  // namespace halftone
