#include "llm/check_export.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "models/model.h"

namespace halftone {
namespace {

constexpr std::string_view kEmbedding = "embed_tokens.weight";
/// Readers round it to the type in which they hold the embedding.
constexpr std::string_view kEmbeddingScale = "embed_scale.factor";

bool same_codes(const QuantizedTensor& a, const QuantizedTensor& b) {
  std::vector<uint8_t> codes_a(static_cast<size_t>(a.columns())), codes_b(codes_a.size());
  std::vector<float> values_a(codes_a.size()), values_b(codes_a.size());
  for (int64_t row = 0; row < a.rows(); ++row) {
    a.row_codes(row, codes_a);
    b.row_codes(row, codes_b);
    a.decode_row(row, values_a);
    b.decode_row(row, values_b);
    if (codes_a != codes_b || values_a != values_b) return false;
  }
  return true;
}

bool close_in_f16(float x, float y) {
  return std::abs(x - y) <= 0x1p-10f * std::abs(x) + 0x1p-24f;
}

bool close_weights(const Constant& a, const Constant& b, const std::string& name) {
  if (a.shape() != b.shape()) return false;
  if (b.encoding()) return a.encoding() && same_codes(*a.load_encoded(name), *b.load_encoded(name));
  const Tensor left = to_f32(a.load()), right = to_f32(b.load());
  return std::ranges::equal(left.span<float>(), right.span<float>(), close_in_f16);
}

/// Shapes, factors, and tables with a row a position, of which one model may have more than the other.
bool close_tables(const Constant& a, const Constant& b, float tolerance) {
  if (a.shape().rank() != b.shape().rank() || a.shape().rank() == 0 || a.shape().back() != b.shape().back())
    return false;
  if (!is_float(a.dtype()) || !is_float(b.dtype())) {
    const Tensor left = a.load(), right = b.load();
    return left.dtype() == right.dtype() && left.shape() == right.shape() &&
           std::ranges::equal(left.view().bytes(), right.view().bytes());
  }
  const Tensor left = to_f32(a.load()), right = to_f32(b.load());
  const auto x = left.span<float>(), y = right.span<float>();
  const auto width = static_cast<size_t>(a.shape().back());
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
    if (std::abs(x[i] - y[i]) >
        tolerance * std::max(1.0f, std::abs(x[i])) * static_cast<float>(1 + i / width))
      return false;
  return true;
}

bool close_attributes(const Attributes& a, const Attributes& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    const float* left = std::get_if<float>(&x.second);
    const float* right = std::get_if<float>(&y.second);
    if (left && right) return x.first == y.first && std::abs(*left - *right) <= 1e-6f * std::abs(*left);
    return x == y;
  });
}

/// A graph's nodes and constants by their names, those of a language model inside another as if it stood
/// alone.
class Named {
 public:
  explicit Named(const Graph& graph) : graph_(graph) {
    for (const Value& value : graph.values())
      if (value.name.ends_with(kEmbedding))
        prefix_ = value.name.substr(0, value.name.size() - kEmbedding.size());
    for (const Value& value : graph.values())
      if (value.constant) constants[short_name(value.name)] = &*value.constant;
    for (const Node& node : graph.nodes()) nodes[short_name(node.name)] = &node;
  }

  std::vector<std::string> inputs(const Node& node) const {
    std::vector<std::string> names;
    for (const ValueId input : node.inputs)
      names.push_back(input == kNoValue ? "" : short_name(graph_.value(input).name));
    return names;
  }

  std::map<std::string, const Constant*> constants;
  std::map<std::string, const Node*> nodes;

 private:
  std::string short_name(const std::string& name) const {
    return !prefix_.empty() && name.starts_with(prefix_) ? name.substr(prefix_.size()) : name;
  }

  const Graph& graph_;
  std::string prefix_;
};

[[noreturn]] void refuse_constant(const std::string& name) {
  throw UnsupportedError(
      "{}: reads back other than it was written: this family's checkpoints hold it in another form", name);
}

[[noreturn]] void refuse_node(const Node& node) {
  throw UnsupportedError("{}: readers of the format do not compute this {} as the model does", node.name,
                         node.schema->name);
}

void compare_nodes(const Named& written, const Named& back) {
  for (const auto& [name, node] : written.nodes) {
    const auto found = back.nodes.find(name);
    if (found == back.nodes.end()) refuse_node(*node);
    const Node& other = *found->second;
    if (node->schema != other.schema || !close_attributes(node->attributes, other.attributes) ||
        written.inputs(*node) != back.inputs(other))
      refuse_node(*node);
  }
  for (const auto& [name, node] : back.nodes)
    if (!written.nodes.contains(name)) refuse_node(*node);
}

void compare_constants(const Named& written, const Named& back) {
  for (const auto& [name, constant] : back.constants) {
    const auto found = written.constants.find(name);
    const float tolerance = name.ends_with(kEmbeddingScale) ? 0x1p-8f : 1e-6f;
    const bool weights = name.ends_with(".weight") || name.ends_with(".bias");
    if (found == written.constants.end() || !(weights ? close_weights(*found->second, *constant, name)
                                                      : close_tables(*found->second, *constant, tolerance)))
      refuse_constant(name);
  }
}

}  // namespace

Graph check_export(const Graph& graph, const fs::path& path) {
  Graph read;
  try {
    read = build_llm(open_checkpoint(path));
  } catch (const InputError& error) {
    throw UnsupportedError("this family's checkpoints hold its weights in another form than its graph: {}",
                           error.what());
  }
  const Named written(graph), back(read);
  compare_nodes(written, back);
  compare_constants(written, back);
  return read;
}

}  // namespace halftone
