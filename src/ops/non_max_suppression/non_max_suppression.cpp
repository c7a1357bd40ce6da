#include "ops/non_max_suppression/non_max_suppression.h"

#include <algorithm>
#include <array>
#include <functional>

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

enum Input : size_t { kBoxes, kScores, kMostBoxes, kOverlap, kLeastScore };

struct Box {
  float y1, x1, y2, x2;
  float area() const { return (y2 - y1) * (x2 - x1); }
};

Box read_box(const float* box, bool centre) {
  if (centre) {
    const float half_width = box[2] / 2, half_height = box[3] / 2;
    return {box[1] - half_height, box[0] - half_width, box[1] + half_height, box[0] + half_width};
  }
  return {std::min(box[0], box[2]), std::min(box[1], box[3]), std::max(box[0], box[2]),
          std::max(box[1], box[3])};
}

/// Intersection over union; 0 for boxes without area.
float overlap(const Box& a, const Box& b) {
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  if (!(height > 0 && width > 0) || a.area() <= 0 || b.area() <= 0) return 0;
  const float both = height * width;
  const float either = a.area() + b.area() - both;
  return either > 0 ? both / either : 0;
}

/// What one use selects from, and how.
struct Inputs {
  Tensor boxes, scores;
  int64_t most_boxes = 0;
  float most_overlap = 0;
  std::optional<float> least_score;
  bool centre = false;
};

using Selected = std::array<int64_t, 3>;

void select_class(const Inputs& in, int64_t batch, int64_t row, int64_t class_index,
                  std::vector<Selected>& out) {
  const auto count = static_cast<size_t>(in.boxes.shape()[1]);
  const float* scores = in.scores.span<float>().data() + static_cast<size_t>(row) * count;
  const float* boxes = in.boxes.span<float>().data() + static_cast<size_t>(batch) * count * 4;
  std::vector<size_t> order;
  for (size_t i = 0; i < count; ++i)
    if (!std::isnan(scores[i]) && (!in.least_score || scores[i] > *in.least_score)) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  std::vector<Box> kept;
  for (size_t i : order) {
    if (static_cast<int64_t>(kept.size()) >= in.most_boxes) return;
    const Box box = read_box(boxes + i * 4, in.centre);
    if (std::any_of(kept.begin(), kept.end(),
                    [&](const Box& other) { return overlap(box, other) > in.most_overlap; }))
      continue;
    kept.push_back(box);
    out.push_back({batch, class_index, static_cast<int64_t>(i)});
  }
}

std::vector<Selected> select(const Inputs& in) {
  std::vector<Selected> selected;
  const int64_t classes = in.scores.shape()[1];
  for (int64_t batch = 0; batch < in.boxes.shape()[0]; ++batch)
    for (int64_t c = 0; c < classes; ++c) select_class(in, batch, batch * classes + c, c, selected);
  return selected;
}

/// From each input's tensor, where it has one.
Inputs read_inputs(const OpSite& site, const std::function<std::optional<Tensor>(size_t)>& tensor_of) {
  auto given = [&](size_t input) -> std::optional<Tensor> {
    auto tensor = site.has_input(input) ? tensor_of(input) : std::nullopt;
    return tensor && tensor->shape().elements() > 0 ? tensor : std::nullopt;
  };
  Inputs in;
  in.boxes = *tensor_of(kBoxes);
  in.scores = *tensor_of(kScores);
  if (const auto most = given(kMostBoxes)) in.most_boxes = most->span<int64_t>()[0];
  if (const auto most = given(kOverlap)) in.most_overlap = most->span<float>()[0];
  if (const auto least = given(kLeastScore)) in.least_score = least->span<float>()[0];
  in.centre = site.attributes->get_int("center_point_box", 0) != 0;
  return in;
}

bool all_known(const OpSite& site) {
  for (size_t i = 0; i < site.inputs.size(); ++i)
    if (site.has_input(i) && !known_value(site, i)) return false;
  return true;
}

std::vector<ValueType> infer(const OpSite& site) {
  const Shape& boxes = site.input_shape(kBoxes);
  const Shape& scores = site.input_shape(kScores);
  require(site,
          boxes.rank() == 3 && scores.rank() == 3 && sizes_may_agree(boxes[0], scores[0]) &&
              sizes_may_agree(boxes[1], scores[2]) && sizes_may_agree(boxes[2], 4),
          "boxes {} and scores {} do not fit together", boxes.str(), scores.str());
  for (size_t i : {kBoxes, kScores, kOverlap, kLeastScore})
    if (site.has_input(i))
      require(site, site.inputs[i].type.dtype == DType::f32, "{}: expected f32, found {}",
              site.schema->inputs[i].name, dtype_name(site.inputs[i].type.dtype));
  if (site.has_input(kMostBoxes))
    require(site, site.inputs[kMostBoxes].type.dtype == DType::i64,
            "max_output_boxes_per_class: expected i64, found {}",
            dtype_name(site.inputs[kMostBoxes].type.dtype));
  int64_t count = Shape::kUnknownDim;
  if (all_known(site)) {
    const auto selected = select(read_inputs(site, [&](size_t input) { return known_value(site, input); }));
    count = static_cast<int64_t>(selected.size());
  }
  return {{DType::i64, Shape{count, 3}}};
}

Cost cost(const OpSite& site) {
  constexpr double kOverlapFlops = 12;
  Cost total = traffic(site);
  total.flops = kOverlapFlops * static_cast<double>(site.input_shape(kScores).elements()) *
                static_cast<double>(site.outputs[0].shape[0]);
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const auto selected = select(read_inputs(site, [&](size_t input) { return plain(inputs[input]); }));
  auto to = outputs[0].span<int64_t>().begin();
  for (const Selected& box : selected) to = std::copy(box.begin(), box.end(), to);
}

}  // namespace

const OpSchema& non_max_suppression_schema() {
  static const OpSchema schema = {.name = "NonMaxSuppression",
                                  .domain = "",
                                  .inputs = {{"boxes"},
                                             {"scores"},
                                             {"max_output_boxes_per_class", true},
                                             {"iou_threshold", true},
                                             {"score_threshold", true}},
                                  .outputs = {"selected_indices"},
                                  .infer = infer,
                                  .cost = cost,
                                  .reference = reference};
  return schema;
}

}  // namespace halftone
