// Where the graph of a plan comes from, and what is published of a recipe's loss.
#include <algorithm>

#include "base/embedded.h"
#include "base/error.h"
#include "base/suggest.h"
#include "formats/checkpoint.h"
#include "formats/halftone_folder.h"
#include "models/open_model.h"
#include "models/synthetic.h"
#include "models/vision_model.h"
#include "tune/plan.h"

namespace halftone {

extern const EmbeddedFile kPriorFiles[];

namespace {

/// A weight of which only type and shape are known.
class NoBytes : public ConstantSource {
 public:
  Tensor load() const override { throw InputError("a plan from a configuration alone has no weights"); }
};

Constant weight_without_bytes(const std::string& /*name*/, const Shape& shape) {
  // Builders read small vectors (norms, biases), and kernels of convolutions are small, so those are there.
  if (shape.rank() != 2) {
    Tensor vector = Tensor::allocate(DType::f32, shape);
    std::fill(vector.mutable_view().span<float>().begin(), vector.mutable_view().span<float>().end(), 1.0f);
    return Constant(vector);
  }
  return Constant(DType::bf16, shape, std::make_shared<NoBytes>());
}

Graph graph_of_config(const fs::path& path, BuildOptions options) {
  Checkpoint checkpoint;
  checkpoint.path = path.filename() == "config.json" ? path.parent_path() : path;
  checkpoint.config = read_json(path);
  options.weights = weight_without_bytes;
  if (is_vision_config(checkpoint.config, path.string())) return build_vision_model(checkpoint, options);
  return build_llm(checkpoint, options);
}

bool has_weights_files(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") return true;
    if (entry.path().filename() == "model.safetensors.index.json") return true;
  }
  return false;
}

}  // namespace

PlannedModel open_for_plan(const std::string& model, int64_t context, const OnnxImportOptions& onnx) {
  BuildOptions options;
  options.context = context;
  const std::vector<std::string> shapes = synthetic_shapes();
  if (std::find(shapes.begin(), shapes.end(), model) != shapes.end())
    return {build_synthetic_llm(model, options), build_synthetic_vision(model), synthetic_note(model)};
  const fs::path path = model;
  if (!fs::exists(path))
    throw UsageError("{}: neither a file or folder nor a known shape{}", model, did_you_mean(model, shapes));
  if ((!onnx.sizes.empty() || !onnx.constants.empty()) && !is_onnx_file(path))
    throw UsageError("{}: only ONNX models are fixed so", onnx.sizes.empty() ? "--constant" : "--dim");
  if (is_onnx_file(path) || is_halftone_folder(path)) return {open_graph(path, onnx)};
  if (!fs::is_directory(path))
    return {path.extension() == ".json" ? graph_of_config(path, options)
                                        : build_llm(open_checkpoint(path), options)};
  const fs::path config = path / "config.json";
  if (!has_weights_files(path) && fs::exists(config)) return {graph_of_config(config, options)};
  const Checkpoint checkpoint = open_checkpoint(path);
  return {is_vision_config(checkpoint.config, config.string()) ? build_vision_model(checkpoint)
                                                               : build_llm(checkpoint, options)};
}

std::optional<AccuracyPrior> accuracy_prior(const Recipe& recipe) {
  if (recipe.rules.empty() || !recipe.rules.front().weights || recipe.static_activations ||
      recipe.algorithms.size() != 1)
    return {};
  const std::string& algorithm = recipe.algorithms.front().name;
  const bool activations = recipe.rules.front().activations.has_value();
  const Encoding& weights = *recipe.rules.front().weights;
  if (!weights.format->is_integer()) return {};
  const bool grouped = weights.granularity.kind == Granularity::Kind::per_group;
  if (!grouped && weights.granularity.kind != Granularity::Kind::per_axis) return {};
  const int64_t group = grouped ? weights.granularity.group : 0;

  const std::string source = "data/accuracy_prior.json";
  const Json file = parse_json(kPriorFiles[0].text, source);
  const auto base = json_get<double>(file, "fp16_perplexity", source);
  std::optional<AccuracyPrior> best;
  for (const Json& entry : file.at("entries")) {
    if (json_get_or<std::string>(entry, "algorithm", "rtn", source) != algorithm) continue;
    if (json_get_or<bool>(entry, "activations", false, source) != activations) continue;
    // Fewer numbers under a scale, or more bits, lose no more.
    const auto bits = json_get<int>(entry, "bits", source);
    const auto listed = json_get<int64_t>(entry, "group", source);
    if (bits > weights.format->bits()) continue;
    if (listed != 0 && (group == 0 || group > listed)) continue;
    const double loss = (json_get<double>(entry, "perplexity", source) / base - 1) * 100;
    if (best && best->loss_percent <= loss) continue;
    best = AccuracyPrior{loss, bits != weights.format->bits() || listed != group,
                         json_get<std::string>(entry, "source", source)};
  }
  return best;
}

}  // namespace halftone
