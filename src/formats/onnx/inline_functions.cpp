#include "formats/onnx/inline_functions.h"

#include <algorithm>

#include "base/error.h"

namespace halftone {
namespace {

constexpr int kDeepestCall = 32;
constexpr size_t kMostNodes = 1'000'000;
constexpr size_t kMostNumbers = size_t{1} << 27;

/// Numbers that a copy of the node takes memory for: those of its attributes that are lists.
size_t listed_numbers(const OnnxNode& node) {
  size_t count = 0;
  for (const OnnxAttribute& a : node.attributes)
    count += a.floats.size() + a.ints.size() + a.t.floats.size() + a.t.doubles.size() + a.t.ints.size();
  return count;
}

using Names = std::map<std::string_view, std::string_view>;

class Inliner {
 public:
  Inliner(const OnnxModel& model, const std::string& source, std::deque<std::string>& made_names)
      : model_(model), source_(source), made_names_(made_names), calls_(made_names.size()) {
    for (const OnnxFunction& f : model.functions) functions_.try_emplace({f.domain, f.name}, &f);
  }

  std::vector<VersionedNode> run(const OnnxGraph& graph) {
    for (const OnnxNode& node : graph.nodes) add(node, model_.opsets, 0);
    return std::move(nodes_);
  }

 private:
  void add(const OnnxNode& node, const std::vector<OnnxOpset>& opsets, int depth) {
    const auto function = functions_.find({node.domain, node.op});
    if (function != functions_.end()) return unfold(node, *function->second, depth);
    if (nodes_.size() == kMostNodes)
      throw InputError("{}: the model's functions unfold to more than {} nodes", source_, kMostNodes);
    nodes_.push_back({node, version(node.domain, opsets)});
  }

  static int64_t version(std::string_view domain, const std::vector<OnnxOpset>& opsets) {
    const auto plain = [](std::string_view name) { return name == "ai.onnx" ? std::string_view() : name; };
    for (const OnnxOpset& opset : opsets)
      if (plain(opset.domain) == plain(domain)) return opset.version;
    return 0;
  }

  /// The function's nodes, with its inputs and outputs named as the call names them and everything else anew.
  void unfold(const OnnxNode& call, const OnnxFunction& function, int depth) {
    if (depth == kDeepestCall)
      throw InputError("{}: function {} calls itself, or calls are more than {} deep", source_, function.name,
                       kDeepestCall);
    if (calls_ >= kMostNodes)
      throw InputError("{}: the model's functions unfold to more than {} calls", source_, kMostNodes);
    Names names;
    const auto bind = [&](const auto& formal, const auto& actual) {
      for (size_t i = 0; i < formal.size(); ++i) names[formal[i]] = i < actual.size() ? actual[i] : "";
    };
    bind(function.inputs, call.inputs);
    bind(function.outputs, call.outputs);
    const std::string prefix = fmt::format("{}.{}.", call.name.empty() ? call.op : call.name, calls_++);
    const auto renamed = [&](std::string_view name) -> std::string_view {
      if (name.empty()) return name;
      const auto [entry, fresh] = names.emplace(name, "");
      if (fresh) entry->second = keep(prefix + std::string(name));
      return entry->second;
    };
    for (const OnnxNode& inner : function.nodes) {
      OnnxNode node = inner;
      node.name = keep(prefix + std::string(inner.name.empty() ? inner.op : inner.name));
      for (std::string_view& name : node.inputs) name = renamed(name);
      for (std::string_view& name : node.outputs) name = renamed(name);
      bind_attributes(node, call, function);
      numbers_ += listed_numbers(node);
      if (numbers_ > kMostNumbers)
        throw InputError("{}: the model's functions unfold to more than {} numbers in attributes", source_,
                         kMostNumbers);
      add(node, function.opsets, depth + 1);
    }
  }

  /// Attributes that refer to those of the call take their values; those that the call leaves out go.
  static void bind_attributes(OnnxNode& node, const OnnxNode& call, const OnnxFunction& function) {
    std::vector<OnnxAttribute> bound;
    for (const OnnxAttribute& attribute : node.attributes) {
      if (attribute.g)
        throw UnsupportedError("function {}: node \"{}\": graphs inside functions", function.name, node.name);
      if (attribute.refers_to.empty()) {
        bound.push_back(attribute);
        continue;
      }
      for (const std::vector<OnnxAttribute>* given : {&call.attributes, &function.defaults}) {
        const auto found = std::find_if(given->begin(), given->end(), [&](const OnnxAttribute& a) {
          return a.name == attribute.refers_to;
        });
        if (found == given->end()) continue;
        bound.push_back(*found);
        bound.back().name = attribute.name;
        break;
      }
    }
    node.attributes = std::move(bound);
  }

  std::string_view keep(std::string name) { return made_names_.emplace_back(std::move(name)); }

  const OnnxModel& model_;
  const std::string& source_;
  std::deque<std::string>& made_names_;
  std::map<std::pair<std::string_view, std::string_view>, const OnnxFunction*>
      functions_;  ///< by domain, name
  std::vector<VersionedNode> nodes_;
  size_t calls_;  ///< so far; each makes a name at least, so that numbers behind names differ
  size_t numbers_ = 0;
};

}  // namespace

std::vector<VersionedNode> inline_functions(const OnnxModel& model, const OnnxGraph& graph,
                                            const std::string& source, std::deque<std::string>& made_names) {
  return Inliner(model, source, made_names).run(graph);
}

}  // namespace halftone
