#include "cli/graph_options.h"

#include <charconv>

#include "base/error.h"
#include "formats/halftone_folder.h"
#include "models/open_model.h"
#include "models/vision_model.h"
#include "tune/plan.h"

namespace halftone::cli {

std::pair<std::string, std::string> split_assignment(const std::string& text, std::string_view flag,
                                                     std::string_view what) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    throw UsageError("{}: expected NAME={}, found \"{}\"", flag, what, text);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void add_dim_option(CLI::App& command, std::vector<std::string>& dims) {
  command.add_option("--dim", dims, "Fix a dimension that the ONNX model leaves open, by its name")
      ->type_name("NAME=SIZE");
}

OnnxImportOptions onnx_options(const std::vector<std::string>& dims) {
  OnnxImportOptions options;
  for (const std::string& dim : dims) {
    const auto [name, size] = split_assignment(dim, "--dim", "SIZE");
    int64_t value = 0;
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), value);
    if (error != std::errc() || end != size.data() + size.size() || value < 0)
      throw UsageError("--dim {}: \"{}\" is no size", name, size);
    options.sizes[name] = value;
  }
  return options;
}

Graph open_graph_with(const std::string& path, const std::vector<std::string>& dims) {
  const OnnxImportOptions options = onnx_options(dims);
  if (!dims.empty() && !is_onnx_file(path)) throw UsageError("--dim: only ONNX models leave dimensions open");
  return open_model_graph(path, options);
}

OpenedModel open_either(const std::string& path, const std::vector<std::string>& dims) {
  OpenedModel opened;
  if (is_halftone_folder(path)) {
    HalftoneModel stored = load_halftone(path);
    if (keeps_state(stored.graph))
      opened.folder = std::move(stored);
    else
      opened.graph = std::move(stored.graph);
  } else if (const fs::path config = fs::path(path) / "config.json";
             is_onnx_file(path) ||
             (fs::exists(config) && is_vision_config(read_json(config), config.string()))) {
    opened.graph = open_graph_with(path, dims);
  }
  if (!dims.empty() && !is_onnx_file(path)) throw UsageError("--dim: only ONNX models leave dimensions open");
  return opened;
}

}  // namespace halftone::cli
