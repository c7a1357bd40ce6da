#include "formats/packed/write_packed.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/write_file.h"
#include "formats/hf_config.h"

namespace halftone {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kBias = ".bias";
/// Tells a folder of ours from any other that has a config.json.
constexpr const char* kMark = "halftone-export.json";

/// A constant that goes into the folder; `module` is set where it is packed.
struct Entry {
  ValueId value;
  std::string module;
};

struct Plan {
  Encoding encoding;  ///< of the packed layers
  std::vector<PlannedTensor> tensors;
  std::vector<Entry> entries;
  std::vector<std::string> kept;
  double bytes = 0;
};

/// Weights that layers inside the model multiply with: neither tables that are read by rows too, nor the
/// layer that makes the graph's output.
std::vector<bool> packable(const Graph& graph) {
  std::vector<bool> layers(graph.values().size(), false), others(layers.size(), false);
  for (const Node& node : graph.nodes()) {
    const bool last = std::ranges::find(graph.outputs(), node.outputs[0]) != graph.outputs().end();
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue)
        (node.schema->name == "Gemm" && i == 1 && !last ? layers
                                                        : others)[static_cast<size_t>(node.inputs[i])] = true;
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::optional<Constant>& constant = graph.values()[i].constant;
    layers[i] = layers[i] && !others[i] && constant && constant->encoding() &&
                graph.values()[i].name.ends_with(kWeight);
  }
  return layers;
}

/// The encoding that most elements have.
Encoding main_encoding(const Graph& graph, const std::vector<bool>& layers) {
  std::vector<std::pair<Encoding, int64_t>> sizes;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!layers[i]) continue;
    const Value& value = graph.values()[i];
    const Encoding& encoding = *value.constant->encoding();
    auto found = std::ranges::find(sizes, encoding, &std::pair<Encoding, int64_t>::first);
    if (found == sizes.end()) found = sizes.insert(found, {encoding, 0});
    found->second += value.type.shape.elements();
  }
  if (sizes.empty())
    throw UnsupportedError("{}: no layer is quantized; quantize the model first, or give --recipe",
                           graph.name);
  return std::ranges::max_element(sizes, {}, &std::pair<Encoding, int64_t>::second)->first;
}

DType kept_dtype(const Constant& constant) {
  return constant.encoding() || constant.dtype() == DType::f32 ? DType::f16 : constant.dtype();
}

Tensor rounded(const Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype) return tensor;
  Tensor result = Tensor::allocate(dtype, tensor.shape());
  store_floats(to_f32(tensor).span<float>(), result.mutable_view(), 0);
  return result;
}

std::string packed_config(const std::vector<CompanionFile>& companions, const PackedWriter& writer,
                          const Encoding& encoding, const std::vector<std::string>& kept) {
  const auto found = std::ranges::find(companions, "config.json", &CompanionFile::name);
  if (found == companions.end()) throw InputError("the model has no config.json to go with its layers");
  OrderedJson config = OrderedJson::parse(found->content);
  config["quantization_config"] = writer.config(encoding, kept);
  config["torch_dtype"] = "float16";
  config.erase("dtype");
  return config.dump(2) + "\n";
}

/// What goes into the folder, in its order.
Plan make_plan(const Graph& graph, const PackedWriter& writer) {
  const std::vector<bool> layers = packable(graph);
  Plan plan{.encoding = main_encoding(graph, layers), .tensors = {}, .entries = {}, .kept = {}};
  for (size_t i = 0; i < layers.size(); ++i) {
    const Value& value = graph.values()[i];
    if (!value.constant) continue;
    if (value.name.ends_with(".input_order"))
      throw UnsupportedError("{}: the layer's inputs are in an order of their own (GPTQ with act-order)",
                             value.name);
    if (!value.name.ends_with(kWeight) && !value.name.ends_with(kBias)) continue;
    const Constant& constant = *value.constant;
    Entry entry{static_cast<ValueId>(i), {}};
    const std::string module = value.name.substr(0, value.name.rfind('.'));
    if (layers[i] && *constant.encoding() == plan.encoding) {
      if (const std::string reason = writer.refusal(plan.encoding, constant.shape()); !reason.empty())
        throw UnsupportedError("{}: {}", value.name, reason);
      entry.module = module;
      std::ranges::copy(writer.plan(module, plan.encoding, constant.shape()),
                        std::back_inserter(plan.tensors));
    } else {
      if (constant.shape().rank() == 2) plan.kept.push_back(module);
      plan.tensors.push_back({value.name, kept_dtype(constant), constant.shape()});
    }
    plan.entries.push_back(std::move(entry));
    plan.bytes += constant.stored_bytes();
  }
  return plan;
}

}  // namespace

void check_packable(const Graph& graph, const PackedWriter& writer) {
  make_plan(graph, writer);
}

void check_packed_target(const fs::path& target) {
  AtomicFolder(target, kMark);
}

PackedExport write_packed(const Graph& graph, const PackedWriter& writer, const fs::path& target,
                          const std::vector<CompanionFile>& companions, const SaveProgress& progress,
                          const std::function<void(const fs::path& folder)>& check) {
  const Plan plan = make_plan(graph, writer);
  PackedExport report{.encoding = plan.encoding.str(), .packed = {}, .kept = plan.kept};
  for (const Entry& entry : plan.entries)
    if (!entry.module.empty()) report.packed.push_back(entry.module);
  std::vector<std::string> kept = plan.kept;
  if (std::ranges::find(kept, "lm_head") == kept.end())
    kept.emplace_back("lm_head");  // tied to the embedding

  AtomicFolder folder(target, kMark);
  SafetensorsWriter file(folder.path(), "model", plan.tensors, {{"format", "pt"}});
  double done = 0;
  size_t next = 0;
  for (const Entry& entry : plan.entries) {
    const Value& value = graph.value(entry.value);
    if (progress) progress(done, plan.bytes, value.name);
    if (entry.module.empty()) {
      file.write(plan.tensors[next].name, rounded(value.constant->load(), plan.tensors[next].dtype).view());
      ++next;
    } else {
      for (const Tensor& tensor : writer.pack(*value.constant->load_encoded(value.name))) {
        file.write(plan.tensors[next].name, tensor.view());
        ++next;
      }
    }
    done += value.constant->stored_bytes();
  }
  file.finish();
  for (const CompanionFile& companion : companions)
    write_file(folder.path() / companion.name, companion.name == "config.json"
                                                   ? packed_config(companions, writer, plan.encoding, kept)
                                                   : companion.content);
  write_file(folder.path() / kMark, OrderedJson{{"format", writer.name}}.dump() + "\n");
  if (check) check(folder.path());
  folder.commit();
  if (progress) progress(plan.bytes, plan.bytes, "");
  return report;
}

}  // namespace halftone
