#include "vision/vision_model.h"

#include <algorithm>

#include "base/error.h"
#include "core/short_floats.h"
#include "models/open_model.h"

namespace halftone {
namespace {

constexpr size_t kMaxLabelBytes = size_t{16} << 20;
constexpr int kMaxLabels = 1 << 20;

/// {"0": "tench", "1": "goldfish", ...}
std::vector<std::string> labels_of_config(const Json& config, const std::string& source) {
  auto found = config.find("id2label");
  if (found == config.end() || !found->is_object()) return {};
  std::vector<std::string> labels(found->size());
  for (const auto& [key, name] : found->items()) {
    char* end = nullptr;
    const long index = std::strtol(key.c_str(), &end, 10);
    if (key.empty() || *end != '\0' || index < 0 || index >= static_cast<long>(labels.size()) ||
        !name.is_string())
      throw InputError("{}: id2label: expected names of the classes 0 to {}, found \"{}\"", source,
                       labels.size() - 1, key);
    labels[static_cast<size_t>(index)] = name.get<std::string>();
  }
  return labels;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(std::move(line));
    at = end + 1;
  }
  return lines;
}

}  // namespace

VisionModel load_vision_model(const fs::path& path, const OnnxImportOptions& onnx) {
  if (!fs::exists(path)) throw InputError("{}: no such file or folder", path.string());
  VisionModel model;
  model.name = fs::weakly_canonical(path).filename().string();
  model.preprocess = find_preprocess(path);
  const fs::path config = path / "config.json";
  const bool has_config = fs::is_directory(path) && fs::exists(config);
  if (has_config) model.labels = labels_of_config(read_json(config), config.string());
  model.graph = open_model_graph(path, onnx);
  if (model.labels.empty() && model.preprocess)
    model.labels = known_labels(
        json_get_or<std::string>(model.preprocess->json, "labels", "", model.preprocess->source));
  return model;
}

std::vector<CompanionFile> image_companion_files(const fs::path& model) {
  std::vector<CompanionFile> files = companion_files(model);
  const std::optional<PreprocessSource> preprocess = find_preprocess(model);
  auto is_preprocess = [](const CompanionFile& file) {
    return file.name == "preprocess.json" || file.name == "preprocessor_config.json";
  };
  if (preprocess && std::none_of(files.begin(), files.end(), is_preprocess))
    files.push_back({"preprocess.json", preprocess->json.dump(2) + "\n"});
  return files;
}

std::vector<std::string> read_labels(const fs::path& path) {
  const std::string text = read_text(path, kMaxLabelBytes);
  std::vector<std::string> labels;
  if (const size_t first = text.find_first_not_of(" \t\r\n");
      first != std::string::npos && text[first] == '{') {
    labels = labels_of_config(parse_json(text, path.string()), path.string());
  } else if (first != std::string::npos && text[first] == '[') {
    const Json list = parse_json(text, path.string());
    for (const Json& name : list) {
      if (!name.is_string())
        throw InputError("{}: expected a list of names, found {}", path.string(), name.type_name());
      labels.push_back(name.get<std::string>());
    }
  } else {
    labels = lines_of(text);
  }
  if (labels.empty() || labels.size() > kMaxLabels)
    throw InputError("{}: expected names of classes, one a line, found {}", path.string(), labels.size());
  return labels;
}

std::string label_name(const std::vector<std::string>& labels, int index) {
  const bool known = index >= 0 && static_cast<size_t>(index) < labels.size();
  return known ? labels[static_cast<size_t>(index)] : fmt::format("class {}", index);
}

ImageInput image_input(const Graph& graph) {
  if (graph.inputs().size() != 1)
    throw UnsupportedError("graph {}: expected one input of pictures, found {} inputs", graph.name,
                           graph.inputs().size());
  const Value& input = graph.value(graph.inputs()[0]);
  const Shape& shape = input.type.shape;
  const bool fits =
      is_f32_or_short(input.type.dtype) && shape.rank() == 4 && (shape[1] == 1 || shape[1] == 3);
  if (!fits)
    throw UnsupportedError(
        "input \"{}\": expected f32, f16 or bf16 [batch, 1 or 3, height, width], found {} {}", input.name,
        dtype_name(input.type.dtype), shape.str());
  return {input.name, input.type.dtype, shape[0], shape[1], shape[2], shape[3]};
}

Preprocess fit_to_model(Preprocess preprocess, const ImageInput& input, const std::string& source) {
  if (input.channels != preprocess.channel_count())
    throw InputError("{}: pictures of {} channels, where the model's input \"{}\" has {}", source,
                     preprocess.channel_count(), input.name, input.channels);
  preprocess.dtype = input.dtype;
  const bool sized = preprocess.fit == Fit::stretch || preprocess.fit == Fit::letterbox;
  if (sized && preprocess.height == 0 && preprocess.crop_height == 0) {
    if (input.height < 0 || input.width < 0)
      throw UsageError("{} names no size, and the model takes any: say --size HEIGHTxWIDTH", source);
    preprocess.height = static_cast<int>(std::min<int64_t>(input.height, kMaxFittedSide));
    preprocess.width = static_cast<int>(std::min<int64_t>(input.width, kMaxFittedSide));
  }
  const int height = preprocess.crop_height ? preprocess.crop_height : sized ? preprocess.height : 0;
  const int width = preprocess.crop_width ? preprocess.crop_width : sized ? preprocess.width : 0;
  const bool agrees = (height == 0 || input.height < 0 || height == input.height) &&
                      (width == 0 || input.width < 0 || width == input.width);
  if (!agrees)
    throw InputError("{}: pictures of {} x {}, where the model's input \"{}\" is {} x {}", source, height,
                     width, input.name, input.height, input.width);
  return preprocess;
}

}  // namespace halftone
