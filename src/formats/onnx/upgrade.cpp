#include "formats/onnx/upgrade.h"

#include <algorithm>
#include <limits>
#include <span>

#include "base/error.h"
#include "formats/onnx/einsum.h"
#include "ops/elementwise.h"
#include "ops/onnx_type.h"

namespace halftone {
namespace {

Tensor vector_of(const std::vector<int64_t>& values) {
  return Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values);
}

/// A scalar of a number type.
Tensor scalar_of(DType dtype, double value) {
  Tensor scalar = Tensor::allocate(dtype, {});
  visit_number(dtype, [&](auto zero) {
    using T = decltype(zero);
    scalar.mutable_view().span<T>()[0] = narrow<T>(value);
  });
  return scalar;
}

void erase(Attributes& attributes, std::string_view name) {
  Attributes kept;
  for (const auto& [key, value] : attributes)
    if (key != name) kept.set(key, value);
  attributes = std::move(kept);
}

void set_input(ImportedNode& node, size_t slot, ValueId value) {
  if (node.inputs.size() <= slot) node.inputs.resize(slot + 1, kNoValue);
  node.inputs[slot] = value;
}

/// What was an attribute is an input today.
void ints_become_input(ImportedNode& node, NodeAppender& graph, const char* attribute, size_t slot) {
  if (!node.attributes.has(attribute)) return;
  set_input(node, slot, graph.constant(node, attribute, vector_of(node.attributes.get_ints(attribute, {}))));
  erase(node.attributes, attribute);
}

void number_becomes_input(ImportedNode& node, NodeAppender& graph, const char* attribute, size_t slot) {
  if (!node.attributes.has(attribute) || !node.has_input(0)) return;
  const DType dtype = graph.type(node.inputs[0]).dtype;
  set_input(node, slot,
            graph.constant(node, attribute, scalar_of(dtype, node.attributes.get_float(attribute, 0))));
  erase(node.attributes, attribute);
}

void axes_to_input(ImportedNode& node, NodeAppender& graph) {
  ints_become_input(node, graph, "axes", 1);
}

void clip_bounds_to_inputs(ImportedNode& node, NodeAppender& graph) {
  number_becomes_input(node, graph, "min", 1);
  number_becomes_input(node, graph, "max", 2);
}

void slice_to_inputs(ImportedNode& node, NodeAppender& graph) {
  ints_become_input(node, graph, "starts", 1);
  ints_become_input(node, graph, "ends", 2);
  ints_become_input(node, graph, "axes", 3);
}

void split_to_inputs(ImportedNode& node, NodeAppender& graph) {
  ints_become_input(node, graph, "split", 1);
  if (!node.has_input(1) && !node.attributes.has("num_outputs"))
    node.attributes.set("num_outputs", static_cast<int64_t>(node.outputs));
}

void pad_to_inputs(ImportedNode& node, NodeAppender& graph) {
  ints_become_input(node, graph, "pads", 1);
  number_becomes_input(node, graph, "value", 2);
}

void top_k_to_input(ImportedNode& node, NodeAppender& graph) {
  if (!node.attributes.has("k")) return;
  set_input(node, 1, graph.constant(node, "k", vector_of({node.attributes.get_int("k", 0)})));
  erase(node.attributes, "k");
}

/// Before 13, Softmax and its like took the axes from `axis` (1) on as one. Today's takes one axis, so the
/// input becomes a matrix and the output gets its shape back.
void softmax_over_matrix(ImportedNode& node, NodeAppender& graph) {
  if (!node.has_input(0)) return;
  const Shape& shape = graph.type(node.inputs[0]).shape;
  const int64_t axis = node.attributes.get_int("axis", 1);
  node.attributes.set("axis", axis);
  const auto from_front = shape.normalize_axis(axis);
  if (!from_front || *from_front == shape.rank() - 1) return;
  const ValueId x = node.inputs[0];
  const ValueId matrix = graph.append_before(node, "Flatten", {x}, {{"axis", axis}});
  const ValueId soft = graph.append_before(node, node.op, {matrix}, {{"axis", int64_t{1}}});
  const ValueId sizes = graph.append_before(node, "Shape", {x});
  node.op = "Reshape";
  node.inputs = {soft, sizes};
  node.attributes = {{"allowzero", int64_t{1}}};
}

void resize_of_opset_10(ImportedNode& node, NodeAppender&) {
  if (node.inputs.size() == 2) node.inputs.insert(node.inputs.begin() + 1, kNoValue);
  node.attributes.set("coordinate_transformation_mode", "asymmetric");
  node.attributes.set("nearest_mode", "floor");
}

void upsample_to_resize(ImportedNode& node, NodeAppender& graph) {
  for (const auto& [name, value] : Attributes(node.attributes)) {
    const auto* scales = std::get_if<std::vector<float>>(&value);
    if (name != "scales" || !scales) continue;
    set_input(
        node, 1,
        graph.constant(node, "scales", Tensor::from<float>({static_cast<int64_t>(scales->size())}, *scales)));
    erase(node.attributes, "scales");
  }
  node.op = "Resize";
  resize_of_opset_10(node, graph);
}

/// Inference drops nothing.
void dropout_to_identity(ImportedNode& node, NodeAppender& graph) {
  if (node.has_input(2) && !graph.is_false(node.inputs[2]))
    throw UnsupportedError("node \"{}\": Dropout in training mode", node.name);
  if (node.outputs > 1) throw UnsupportedError("node \"{}\": the mask of Dropout", node.name);
  node.op = "Identity";
  node.inputs.resize(std::min<size_t>(node.inputs.size(), 1));
  node.attributes = {};
}

void batch_normalization(ImportedNode& node, NodeAppender&) {
  if (node.attributes.get_int("spatial", 1) != 1)
    throw UnsupportedError("node \"{}\": BatchNormalization with spatial = 0", node.name);
  if (node.outputs > 1)
    throw UnsupportedError("node \"{}\": BatchNormalization in the training mode of opset {}", node.name,
                           node.opset);
  for (const char* gone : {"spatial", "is_test", "momentum", "consumed_inputs"}) erase(node.attributes, gone);
}

/// Before 7 the second input was laid onto the axes from `axis` on, and only when asked to.
void legacy_broadcast(ImportedNode& node, NodeAppender& graph) {
  const bool asked = node.attributes.get_int("broadcast", 0) != 0;
  if (asked && node.attributes.has("axis") && node.has_input(0) && node.has_input(1)) {
    const Shape& a = graph.type(node.inputs[0]).shape;
    const int64_t rank = graph.type(node.inputs[1]).shape.rank();
    const auto axis = a.normalize_axis(node.attributes.get_int("axis", 0));
    if (!axis || *axis + rank > a.rank())
      throw InputError("node \"{}\": attribute axis does not fit shape {}", node.name, a.str());
    std::vector<int64_t> behind;
    for (int64_t i = rank; i < a.rank() - *axis; ++i) behind.push_back(i);
    node.inputs[1] = graph.append_before(node, "Unsqueeze",
                                         {node.inputs[1], graph.constant(node, "axes", vector_of(behind))});
  }
  erase(node.attributes, "broadcast");
  erase(node.attributes, "axis");
}

/// Before 7 a slope of one dimension belonged to the channels.
void channel_slope(ImportedNode& node, NodeAppender& graph) {
  if (!node.has_input(0) || !node.has_input(1)) return;
  const int rank = graph.type(node.inputs[0]).shape.rank();
  const Shape& slope = graph.type(node.inputs[1]).shape;
  if (rank <= 2 || slope.rank() != 1 || slope[0] == 1) return;
  std::vector<int64_t> behind;
  for (int64_t i = 1; i < rank - 1; ++i) behind.push_back(i);
  node.inputs[1] = graph.append_before(node, "Unsqueeze",
                                       {node.inputs[1], graph.constant(node, "axes", vector_of(behind))});
}

/// Before 21 scale and bias belonged to the groups; today to the channels: each is repeated for its group's.
void group_parameters_to_channels(ImportedNode& node, NodeAppender& graph) {
  if (!node.has_input(0)) return;
  const int64_t groups = node.attributes.get_int("num_groups", 0);
  const Shape x = graph.type(node.inputs[0]).shape;
  if (x.rank() < 2 || x[1] < 0 || groups <= 0 || x[1] % groups != 0)
    throw UnsupportedError("node \"{}\": GroupNormalization of {} in {} groups", node.name, x.str(), groups);
  for (size_t slot : {1, 2}) {
    if (!node.has_input(slot)) continue;
    const auto ints = [&](std::string_view what, const std::vector<int64_t>& values) {
      return graph.constant(node, what, vector_of(values));
    };
    const ValueId column = graph.append_before(node, "Unsqueeze", {node.inputs[slot], ints("axes", {1})});
    const ValueId repeated =
        graph.append_before(node, "Expand", {column, ints("repeats", {groups, x[1] / groups})});
    node.inputs[slot] = graph.append_before(node, "Reshape", {repeated, ints("channels", {x[1]})});
  }
}

void cast_like_to_cast(ImportedNode& node, NodeAppender& graph) {
  if (!node.has_input(1))
    throw InputError("node \"{}\": input \"target_type\" of CastLike is missing", node.name);
  node.attributes.set("to", onnx_from_dtype(graph.type(node.inputs[1]).dtype));
  node.op = "Cast";
  node.inputs.resize(1);
}

void constant_of_shape_to_expand(ImportedNode& node, NodeAppender& graph) {
  const Tensor value = node.tensor ? *node.tensor : Tensor::zeros(DType::f32, {1});
  if (value.shape().elements() != 1)
    throw InputError("node \"{}\": attribute value: expected one element, found shape {}", node.name,
                     value.shape().str());
  node.op = "Expand";
  node.inputs.insert(node.inputs.begin(), graph.constant(node, "value", value.reshaped({})));
  node.attributes = {};
}

/// Names for pictures became names for any number of axes.
void grid_sample_modes(ImportedNode& node, NodeAppender&) {
  const std::string mode = node.attributes.get_string("mode", "bilinear");
  if (mode == "bilinear" || mode == "bicubic") node.attributes.set("mode", mode.substr(2));
}

/// An attribute that is ours alone.
void without_known_dims(ImportedNode& node, NodeAppender&) {
  erase(node.attributes, "known_dims");
}

void scatter_to_scatter_elements(ImportedNode& node, NodeAppender&) {
  node.op = "ScatterElements";
}

void without_broadcast(ImportedNode& node, NodeAppender&) {
  erase(node.attributes, "broadcast");
}

struct Rule {
  std::string_view op;
  int64_t before;  ///< applies to operator sets older than this
  void (*apply)(ImportedNode& node, NodeAppender& graph);
};
constexpr int64_t kAlways = std::numeric_limits<int64_t>::max();

constexpr Rule kRules[] = {
    {"Add", 7, legacy_broadcast},
    {"And", 7, legacy_broadcast},
    {"BatchNormalization", 14, batch_normalization},
    {"CastLike", kAlways, cast_like_to_cast},
    {"Clip", 11, clip_bounds_to_inputs},
    {"ConstantOfShape", kAlways, constant_of_shape_to_expand},
    {"Div", 7, legacy_broadcast},
    {"Einsum", kAlways, spell_out_einsum},
    {"Dropout", kAlways, dropout_to_identity},
    {"Equal", 7, legacy_broadcast},
    {"Expand", kAlways, without_known_dims},
    {"Gemm", 7, without_broadcast},
    {"Greater", 7, legacy_broadcast},
    {"GridSample", 20, grid_sample_modes},
    {"GroupNormalization", 21, group_parameters_to_channels},
    {"Hardmax", 13, softmax_over_matrix},
    {"Less", 7, legacy_broadcast},
    {"LogSoftmax", 13, softmax_over_matrix},
    {"Mul", 7, legacy_broadcast},
    {"Or", 7, legacy_broadcast},
    {"PRelu", 7, channel_slope},
    {"Pad", 11, pad_to_inputs},
    {"Pow", 7, legacy_broadcast},
    {"ReduceL1", 18, axes_to_input},
    {"ReduceL2", 18, axes_to_input},
    {"ReduceLogSum", 18, axes_to_input},
    {"ReduceLogSumExp", 18, axes_to_input},
    {"ReduceMax", 18, axes_to_input},
    {"ReduceMean", 18, axes_to_input},
    {"ReduceMin", 18, axes_to_input},
    {"ReduceProd", 18, axes_to_input},
    {"ReduceSum", 13, axes_to_input},
    {"ReduceSumSquare", 18, axes_to_input},
    {"Reshape", kAlways, without_known_dims},
    {"Resize", 11, resize_of_opset_10},
    {"Scatter", kAlways, scatter_to_scatter_elements},
    {"Slice", 10, slice_to_inputs},
    {"Softmax", 13, softmax_over_matrix},
    {"Split", kAlways, split_to_inputs},
    {"Squeeze", 13, axes_to_input},
    {"Sub", 7, legacy_broadcast},
    {"TopK", 10, top_k_to_input},
    {"Unsqueeze", 13, axes_to_input},
    {"Upsample", kAlways, upsample_to_resize},
    {"Xor", 7, legacy_broadcast},
};

}  // namespace

void upgrade(ImportedNode& node, NodeAppender& graph) {
  for (const Rule& rule : kRules)
    if (rule.op == node.op && node.opset < rule.before) return rule.apply(node, graph);
}

}  // namespace halftone
