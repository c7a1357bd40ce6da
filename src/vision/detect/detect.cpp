#include "vision/detect/detect.h"

#include "base/error.h"
#include "graph/concretize.h"

namespace halftone {
namespace {

/// Shapes of the outputs for one picture at the size that pre-processing makes.
HeadSite site_of(const Graph& graph, const Preprocess& preprocess) {
  HeadSite site;
  site.height = preprocess.crop_height ? preprocess.crop_height : preprocess.height;
  site.width = preprocess.crop_width ? preprocess.crop_width : preprocess.width;
  if (site.height == 0 || site.width == 0)
    throw UsageError("a detector's pictures need one size: --resize letterbox or stretch");
  const Shape& input = graph.value(graph.inputs()[0]).type.shape;
  const int64_t wanted[] = {1, input[1], site.height, site.width};
  std::vector<int64_t> sizes(graph.symbols().size(), 1);
  for (int axis = 0; axis < input.rank(); ++axis)
    if (input[axis] <= Shape::symbol_dim(0))
      sizes[static_cast<size_t>(Shape::dim_symbol(input[axis]))] = wanted[axis];
  const ConcreteGraph concrete = concretize(graph, sizes);
  for (ValueId output : graph.outputs()) {
    site.outputs.push_back(concrete.types[static_cast<size_t>(output)].shape);
    if (site.outputs.back().rank() > 0 && input[0] > 1 && site.outputs.back()[0] == input[0])
      site.outputs.back()[0] = 1;  // ImageRunner hands out rows of a batch one by one
  }
  return site;
}

Box on_original(const Box& box, const Placement& placement) {
  auto x = [&](float value) { return static_cast<float>((value - placement.left) / placement.ratio_x); };
  auto y = [&](float value) { return static_cast<float>((value - placement.top) / placement.ratio_y); };
  return {x(box.x0), y(box.y0), x(box.x1), y(box.y1)};
}

}  // namespace

Detector::Detector(const Graph& graph, const Preprocess& preprocess, const std::string& head)
    : site_(site_of(graph, preprocess)), head_(find_head(site_, head)) {}

std::vector<Detection> Detector::detect(const PreparedImage& image, std::span<const TensorView> outputs,
                                        const Settings& settings) const {
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].dtype != DType::f32 || !(outputs[i].shape == site_.outputs[i]))
      throw UnsupportedError("output {}: expected f32 {}, found {} {}", i, site_.outputs[i].str(),
                             dtype_name(outputs[i].dtype), outputs[i].shape.str());
  std::vector<Detection> found;
  head_.decode(site_, outputs, settings.min_score, found);
  found = suppress_overlaps(std::move(found), settings.iou, settings.most);
  for (Detection& detection : found) detection.box = on_original(detection.box, image.placement);
  return found;
}

}  // namespace halftone
