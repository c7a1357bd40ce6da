#include "ops/rotary_embedding/rotary_embedding.h"

#include <cmath>

#include "ops/elementwise.h"

namespace halftone {
namespace {

enum Input : size_t { kX, kCos, kSin, kPositions };

std::vector<ValueType> infer(const OpSite& site) {
  const ValueType& x = site.inputs[kX].type;
  require(site, is_float(x.dtype), "X: expected floating point, found {}", dtype_name(x.dtype));
  const RotaryExtent extent = rotary_extent(site);

  Shape rows = x.shape.rank() == 2 ? Shape{extent.length} : Shape{extent.batch, extent.length};
  Shape cache =
      extent.by_position ? Shape{site.input_shape(kCos).rank() == 2 ? site.input_shape(kCos)[0] : 0} : rows;
  cache.push_back(extent.rotary / 2);
  for (size_t i : {kCos, kSin})
    require(site, site.input_shape(i) == cache && is_float(site.inputs[i].type.dtype),
            "{}: expected floating {}, found {} {}", site.schema->inputs[i].name, cache.str(),
            dtype_name(site.inputs[i].type.dtype), site.input_shape(i).str());
  if (extent.by_position) {
    const ValueType& positions = site.inputs[kPositions].type;
    require(site, positions.shape == rows && (positions.dtype == DType::i64 || positions.dtype == DType::i32),
            "position_ids: expected i64 or i32 {}, found {} {}", rows.str(), dtype_name(positions.dtype),
            positions.shape.str());
  }
  return {x};
}

Cost cost(const OpSite& site) {
  const RotaryExtent extent = rotary_extent(site);
  const double rows = static_cast<double>(extent.batch * extent.length);
  Cost total;
  for (const ValueType& type : {site.inputs[kX].type, site.outputs[0]})
    total.activation_bytes +=
        static_cast<double>(type.shape.elements()) * static_cast<double>(dtype_bytes(type.dtype));
  total.weight_bytes = rows * static_cast<double>(extent.rotary) *
                       static_cast<double>(dtype_bytes(site.inputs[kCos].type.dtype));
  total.flops = rows * static_cast<double>(extent.heads * extent.rotary) * 3;
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const RotaryExtent extent = rotary_extent(site);
  const auto half = static_cast<size_t>(extent.rotary / 2);
  std::vector<float> head(static_cast<size_t>(extent.head_dim));
  std::vector<float> cosine(half);
  std::vector<float> sine(half);
  for (int64_t row = 0; row < extent.batch * extent.length; ++row) {
    const int64_t line = rotary_cache_row(extent, inputs, row);
    if (line < 0) {
      std::fill(cosine.begin(), cosine.end(), NAN);
      std::fill(sine.begin(), sine.end(), NAN);
    } else {
      load_floats(inputs[kCos].tensor, line * static_cast<int64_t>(half), cosine);
      load_floats(inputs[kSin].tensor, line * static_cast<int64_t>(half), sine);
    }
    for (int64_t h = 0; h < extent.heads; ++h) {
      load_floats(inputs[kX].tensor, extent.offset(row, h), head);
      for (size_t i = 0; i < half; ++i) {
        const size_t first = extent.interleaved ? 2 * i : i;
        const size_t second = extent.interleaved ? 2 * i + 1 : i + half;
        const float a = head[first];
        const float b = head[second];
        head[first] = cosine[i] * a - sine[i] * b;
        head[second] = sine[i] * a + cosine[i] * b;
      }
      store_floats(head, outputs[0], extent.offset(row, h));
    }
  }
}

}  // namespace

RotaryExtent rotary_extent(const OpSite& site) {
  const Shape& x = site.input_shape(kX);
  require(site, x.rank() >= 2 && x.rank() <= 4, "X: expected 2 to 4 dimensions, found {}", x.str());
  RotaryExtent extent{};
  extent.heads_first = x.rank() == 4;
  extent.batch = x.rank() == 2 ? 1 : x[0];
  extent.length = x.rank() == 2 ? x[0] : x.rank() == 3 ? x[1] : x[2];
  const int64_t num_heads = site.attributes->get_int("num_heads", 0);
  if (extent.heads_first) {
    extent.heads = x[1];
    extent.head_dim = x[3];
  } else {
    require(site, num_heads > 0 && x.back() > 0 && x.back() % num_heads == 0,
            "X {}: the width is not attribute num_heads ({}) heads of equal size", x.str(), num_heads);
    extent.heads = num_heads;
    extent.head_dim = x.back() / num_heads;
  }
  const int64_t rotary = site.attributes->get_int("rotary_embedding_dim", 0);
  extent.rotary = rotary == 0 ? extent.head_dim : rotary;
  require(site, extent.rotary > 0 && extent.rotary <= extent.head_dim && extent.rotary % 2 == 0,
          "attribute rotary_embedding_dim: expected an even number up to {}, found {}", extent.head_dim,
          extent.rotary);
  extent.interleaved = site.attributes->get_int("interleaved", 0) != 0;
  extent.by_position = site.has_input(kPositions);
  return extent;
}

int64_t rotary_cache_row(const RotaryExtent& extent, std::span<const Operand> inputs, int64_t row) {
  if (!extent.by_position) return row;
  const auto at = static_cast<size_t>(row);
  const Operand& positions = inputs[kPositions];
  const int64_t position =
      positions.tensor.dtype == DType::i64 ? positions.span<int64_t>()[at] : positions.span<int32_t>()[at];
  return position >= 0 && position < inputs[kCos].tensor.shape[0] ? position : -1;
}

const OpSchema& rotary_embedding_schema() {
  static const OpSchema schema = {
      .name = "RotaryEmbedding",
      .domain = "",
      .inputs = {{"X"}, {"cos_cache"}, {"sin_cache"}, {"position_ids", true}},
      .outputs = {"Y"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
