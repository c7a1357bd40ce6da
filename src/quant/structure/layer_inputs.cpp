#include "quant/structure/layer_inputs.h"

#include <algorithm>
#include <vector>

#include "ops/conv/conv.h"

namespace halftone {
namespace {

constexpr int64_t kChunkElements = int64_t{1} << 22;

void visit_windows(const OpSite& site, const float* x, int64_t part,
                   const std::function<void(MatrixView)>& see) {
  const ConvExtent extent = conv_extent(site);
  const Shape& shape = site.input_shape(0);
  const Shape spatial = spatial_shape(shape);
  const Shape places = spatial_shape(window_output_shape(site, extent.window, shape, 1));
  const int64_t taps = extent.window.taps(), width = extent.group_inputs * taps;
  const int64_t image = spatial.elements(), count = shape[0] * places.elements();
  const int64_t most = std::max<int64_t>(1, kChunkElements / width);
  std::vector<float> rows(static_cast<size_t>(std::min(count, most) * width));
  for (int64_t first = 0; first < count; first += most) {
    const int64_t chunk = std::min(most, count - first);
    std::fill(rows.begin(), rows.end(), 0.0f);
    for (int64_t r = 0; r < chunk; ++r) {
      const int64_t n = (first + r) / places.elements(), place = (first + r) % places.elements();
      const float* channels = x + (n * shape[1] + part * extent.group_inputs) * image;
      float* row = rows.data() + r * width;
      visit_taps(extent.window, spatial, spatial_index(places, place), [&](int64_t offset, int64_t tap) {
        for (int64_t c = 0; c < extent.group_inputs; ++c) row[c * taps + tap] = channels[c * image + offset];
      });
    }
    see(matrix(rows.data(), chunk, width));
  }
}

}  // namespace

int64_t input_parts(const Node& layer) {
  return layer.schema->name == "Conv" ? layer.attributes.get_int("group", 1) : 1;
}

void visit_layer_inputs(const Graph& graph, const Node& layer, const TensorView& activation, int64_t part,
                        const std::function<void(MatrixView rows)>& see) {
  const float* x = activation.span<float>().data();
  if (layer.schema->name == "Conv") {
    OpSite site = graph.site(layer);
    site.inputs[0].type.shape = activation.shape;
    return visit_windows(site, x, part, see);
  }
  const int64_t width = activation.shape.back();
  const int64_t count = activation.shape.elements() / std::max<int64_t>(width, 1);
  const int64_t most = std::max<int64_t>(1, kChunkElements / std::max<int64_t>(width, 1));
  for (int64_t first = 0; first < count; first += most)
    see(matrix(x + first * width, std::min(most, count - first), width));
}

}  // namespace halftone
