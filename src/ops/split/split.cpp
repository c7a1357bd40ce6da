#include "ops/split/split.h"

#include <cstring>
#include <limits>

#include "base/checked.h"
#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

/// Sizes of the pieces of an axis of `size`; Shape::kUnknownDim for what is not known yet.
std::vector<int64_t> sizes_of(const OpSite& site, int64_t size) {
  if (site.has_input(1)) {
    const auto sizes = known_ints(site, 1);
    const int64_t length = site.input_shape(1).rank() == 1 ? site.input_shape(1)[0] : Shape::kUnknownDim;
    if (!sizes && length < 0)
      throw UnsupportedError("{} (Split): the number of pieces depends on data", site.name);
    if (!sizes) return std::vector<int64_t>(static_cast<size_t>(length), Shape::kUnknownDim);
    int64_t left = size < 0 ? std::numeric_limits<int64_t>::max() : size;
    for (int64_t piece : *sizes) {
      require(site, piece >= 0 && piece <= left, "split: pieces do not add up to {}", size);
      left -= piece;
    }
    require(site, left == 0 || size < 0, "split: pieces do not add up to {}", size);
    return *sizes;
  }
  const int64_t count = site.attributes->get_int("num_outputs", 0);
  constexpr int64_t kMostPieces = 1 << 16;
  require(site, count > 0 && count <= kMostPieces, "attribute num_outputs: found {}", count);
  if (size < 0) return std::vector<int64_t>(static_cast<size_t>(count), Shape::kUnknownDim);
  const int64_t piece = ceil_div(size, count);
  require(site, piece * (count - 1) <= size, "{} does not make {} pieces", size, count);
  std::vector<int64_t> sizes(static_cast<size_t>(count), piece);
  sizes.back() = size - piece * (count - 1);
  return sizes;
}

std::vector<ValueType> infer(const OpSite& site) {
  const Shape& shape = site.input_shape(0);
  const int axis = axis_attribute(site, "axis", 0, shape.rank());
  std::vector<ValueType> outputs;
  for (int64_t size : sizes_of(site, shape[axis])) {
    outputs.push_back(site.inputs[0].type);
    outputs.back().shape[axis] = size;
  }
  return outputs;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor data = plain(inputs[0]);
  const int axis = axis_attribute(site, "axis", 0, data.shape().rank());
  int64_t outer = 1;
  for (int a = 0; a < axis; ++a) outer *= data.shape()[a];
  const std::byte* from = data.view().data;
  for (int64_t o = 0; o < outer; ++o)
    for (const MutableTensorView& out : outputs) {
      const size_t piece = out.size_bytes() / static_cast<size_t>(outer);
      if (piece > 0) std::memcpy(out.data + static_cast<size_t>(o) * piece, from, piece);
      from += piece;
    }
}

}  // namespace

const OpSchema& split_schema() {
  static const OpSchema schema = {
      .name = "Split",
      .domain = "",
      .inputs = {{"input"}, {"split", true}},
      .outputs = {"outputs"},
      .infer = infer,
      .cost = movement_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
