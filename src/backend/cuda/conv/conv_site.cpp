#include "backend/cuda/conv/conv_site.h"

#include <algorithm>
#include <cmath>

#include "backend/cuda/stored_shape.h"
#include "core/float16.h"
#include "core/short_floats.h"

namespace halftone::cuda {
namespace {

constexpr int64_t kMostElements = (int64_t{1} << 31) - 1;

int32_t narrow32(const OpSite& site, int64_t value) {
  if (value > kMostElements) throw UnsupportedError("{}: {} elements are too many at once", site.name, value);
  return static_cast<int32_t>(value);
}

/// Words of the fragments: element(output of the group, column) gives the bits of an element of `bits` bits.
template <class Element>
std::vector<uint32_t> fragments(const ConvColumns& c, int bits, ConvWeights& shape, Element element) {
  const int64_t in_word = 32 / bits, product = 8 * in_word, columns = c.taps * c.group_inputs;
  shape.columns = static_cast<int32_t>(columns);
  shape.chunks = static_cast<int32_t>((columns + 2 * product - 1) / (2 * product));
  shape.tiles = static_cast<int32_t>((c.group_outputs + kConvTile - 1) / kConvTile * (kConvTile / 8));
  std::vector<uint32_t> words;
  words.reserve(static_cast<size_t>(c.groups * shape.tiles * shape.chunks * 128));
  for (int64_t group = 0; group < c.groups; ++group)
    for (int64_t tile = 0; tile < shape.tiles; ++tile)
      for (int64_t chunk = 0; chunk < shape.chunks; ++chunk)
        for (int64_t lane = 0; lane < 32; ++lane)
          for (int64_t word = 0; word < 4; ++word) {
            const int64_t output = tile * 8 + lane / 4;
            const int64_t first = (chunk * 4 + word) * (product / 2) + lane % 4 * in_word;
            uint32_t packed = 0;
            for (int64_t i = 0; i < in_word; ++i)
              if (output < c.group_outputs && first + i < columns)
                packed |= element(group * c.group_outputs + output, first + i) << (i * bits);
            words.push_back(packed);
          }
  return words;
}

/// Of a weight in [outputs][group_inputs][taps].
size_t weight_at(const ConvColumns& c, int64_t output, int64_t column) {
  const int64_t tap = column / c.group_inputs, channel = column % c.group_inputs;
  return static_cast<size_t>((output * c.group_inputs + channel) * c.taps + tap);
}

}  // namespace

Refusal conv_refusal(const OpSite& site) {
  const int rank = site.input_shape(0).rank();
  if (rank > 4) return fmt::format("{} spatial axes", rank - 2);
  if (!site.inputs[1].constant) return "W is no constant";
  if (site.input_shape(1).elements() == 0) return "there are no weights";
  if (site.has_input(2) && !site.inputs[2].constant) return "B is no constant";
  if (site.has_input(3) && site.inputs[3].storage.order != site.storage_of_output(0).order)
    return "R and Y lie in different orders";
  return {};
}

Refusal float_conv_refusal(const OpSite& site) {
  const DType wanted = site.outputs[0].dtype;
  if (!is_f32_or_short(wanted)) return fmt::format("Y is {}", dtype_name(wanted));
  for (size_t i = 0; i < site.inputs.size(); ++i) {
    const SiteInput& input = site.inputs[i];
    if (!input.present) continue;
    const std::string_view name = site.schema->inputs[i].name;
    if (input.encoding) return fmt::format("{} is encoded as {}", name, input.encoding->str());
    if (input.storage.codes) return fmt::format("{} is stored as codes", name);
    if (!input.constant && input.type.dtype != wanted)
      return fmt::format("{} is {}, Y {}", name, dtype_name(input.type.dtype), dtype_name(wanted));
  }
  if (site.storage_of_output(0).codes) return "Y is stored as codes";
  if (site.has_input(kConvGains)) return "it has gains";
  return {};
}

Refusal depthwise_refusal(const OpSite& site) {
  const ConvExtent extent = conv_extent(site);
  if (extent.group_inputs != 1 || extent.group_outputs != 1) return "not one channel a group";
  if (!is_channels_last(site.inputs[0].storage)) return "X is not channels-last";
  if (!is_channels_last(site.storage_of_output(0))) return "Y is not channels-last";
  return {};
}

ConvGeometry conv_geometry(const OpSite& site) {
  const ConvExtent extent = conv_extent(site);
  const Shape &x = site.input_shape(0), &y = site.outputs[0].shape;
  const Window& window = extent.window;
  const bool is_line = window.rank == 1;
  const WindowAxis rows = is_line ? WindowAxis{} : window[0], columns = window[is_line ? 0 : 1];
  const int64_t height = is_line ? 1 : x[2], width = x.back(), out_height = is_line ? 1 : y[2];
  const bool last = is_channels_last(site.inputs[0].storage);
  const bool y_last = is_channels_last(site.storage_of_output(0));
  const auto i32 = [&](int64_t value) { return narrow32(site, value); };

  ConvGeometry at{};
  at.x_picture = i32(x[1] * height * width);
  at.x_channel = i32(last ? 1 : height * width);
  at.x_column = i32(last ? x[1] : 1);
  at.x_row = i32(width * at.x_column);
  at.out_width = i32(y.back());
  at.out_places = i32(out_height * y.back());
  at.places = i32(x[0] * at.out_places);
  at.y_picture = y[1] * at.out_places;
  at.y_channel = y_last ? 1 : at.out_places;
  at.y_place = i32(y_last ? y[1] : 1);
  at.height = i32(height);
  at.width = i32(width);
  at.kernel_width = i32(columns.kernel);
  at.taps = i32(window.taps());
  at.stride_h = i32(rows.stride);
  at.stride_w = i32(columns.stride);
  at.dilation_h = i32(rows.dilation);
  at.dilation_w = i32(columns.dilation);
  at.pad_h = i32(rows.pad_begin);
  at.pad_w = i32(columns.pad_begin);
  at.group_inputs = i32(extent.group_inputs);
  at.group_outputs = i32(extent.group_outputs);
  return at;
}

ConvGeometry row_geometry(const OpSite& site, int64_t rows, int64_t columns, int64_t outputs) {
  ConvGeometry at{};
  at.places = at.out_places = at.out_width = at.width = narrow32(site, rows);
  at.x_column = at.group_inputs = narrow32(site, columns);
  at.y_place = at.group_outputs = narrow32(site, outputs);
  at.height = at.kernel_width = at.taps = at.stride_h = at.stride_w = at.dilation_h = at.dilation_w = 1;
  at.x_channel = 1;
  at.y_channel = 1;
  return at;
}

ConvColumns conv_columns(const ConvExtent& extent) {
  return {extent.groups, extent.group_outputs, extent.group_inputs, extent.window.taps()};
}

int conv_tile(const ConvGeometry& at, int64_t groups, const Chip& chip) {
  const Index3 blocks = conv_launch(at, groups, kConvTile).blocks;
  const bool fills = int64_t{blocks.x} * blocks.y * blocks.z >= chip.multiprocessors;
  return fills && at.group_outputs > kConvSmallTile ? kConvTile : kConvSmallTile;
}

Launch conv_launch(const ConvGeometry& at, int64_t groups, int tile) {
  const auto tiles = [&](int32_t count) { return static_cast<int>((int64_t{count} + tile - 1) / tile); };
  return {{tiles(at.places), tiles(at.group_outputs), static_cast<int>(groups)},
          kConvThreads,
          conv_shared_bytes(tile)};
}

std::vector<uint32_t> pack_f16(const ConvColumns& columns, std::span<const float> weights,
                               std::vector<float>& scales, ConvWeights& shape) {
  const size_t outputs = static_cast<size_t>(columns.groups * columns.group_outputs);
  const size_t each = weights.size() / outputs;
  std::vector<int> exponents(outputs);
  scales.resize(outputs);
  for (size_t o = 0; o < outputs; ++o) {
    float largest = 0;
    for (float w : weights.subspan(o * each, each)) largest = std::max(largest, std::fabs(w));
    if (largest > 0 && std::isfinite(largest)) exponents[o] = std::clamp(std::ilogb(largest), -126, 126);
    scales[o] = std::ldexp(1.0f, exponents[o]);
  }
  return fragments(columns, 16, shape, [&](int64_t output, int64_t column) {
    const float w = weights[weight_at(columns, output, column)];
    return uint32_t{to_half(std::ldexp(w, -exponents[static_cast<size_t>(output)])).bits};
  });
}

std::vector<uint32_t> pack_bf16(const ConvColumns& columns, std::span<const float> weights,
                                std::vector<float>& scales, ConvWeights& shape) {
  scales.assign(static_cast<size_t>(columns.groups * columns.group_outputs), 1.0f);
  return fragments(columns, 16, shape, [&](int64_t output, int64_t column) {
    return uint32_t{to_bfloat16(weights[weight_at(columns, output, column)]).bits};
  });
}

std::vector<uint32_t> pack_s8(const ConvColumns& columns, std::span<const int8_t> weights,
                              ConvWeights& shape) {
  return fragments(columns, 8, shape, [&](int64_t output, int64_t column) {
    return uint32_t{static_cast<uint8_t>(weights[weight_at(columns, output, column)])};
  });
}

}  // namespace halftone::cuda
