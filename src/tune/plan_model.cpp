// Where the graph of a plan comes from, and what is published of a recipe's loss.
#include <algorithm>

#include "base/embedded.h"
#include "base/error.h"
#include "base/suggest.h"
#include "formats/checkpoint.h"
#include "formats/halftone_folder.h"
#include "models/synthetic.h"
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
  // Builders read small vectors (norms, biases), so those are there.
  if (shape.rank() == 1) {
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

Graph graph_for_plan(const std::string& model, int64_t context) {
  BuildOptions options;
  options.context = context;
  const std::vector<std::string> shapes = synthetic_shapes();
  if (std::find(shapes.begin(), shapes.end(), model) != shapes.end())
    return build_synthetic_llm(model, options);
  const fs::path path = model;
  if (!fs::exists(path))
    throw UsageError("{}: neither a file or folder nor a known shape{}", model, did_you_mean(model, shapes));
  if (!fs::is_directory(path)) {
    if (path.extension() == ".json") return graph_of_config(path, options);
    return build_llm(open_checkpoint(path), options);
  }
  if (is_halftone_folder(path)) return load_halftone(path).graph;
  if (!has_weights_files(path) && fs::exists(path / "config.json"))
    return graph_of_config(path / "config.json", options);
  return build_llm(open_checkpoint(path), options);
}

std::optional<AccuracyPrior> accuracy_prior(const Recipe& recipe) {
  if (recipe.rules.empty() || !recipe.rules.front().weights || recipe.rules.front().activations ||
      recipe.algorithms != Recipe().algorithms)
    return {};
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
