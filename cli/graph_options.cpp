#include "cli/graph_options.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "formats/halftone_folder.h"
#include "formats/npy.h"
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

void add_fixed_options(CLI::App& command, FixedParts& fixed) {
  command.add_option("--dim", fixed.dims, "Fix a dimension that the ONNX model leaves open, by its name")
      ->type_name("NAME=SIZE");
  command
      .add_option("--constant", fixed.constants,
                  "Fix an input of the ONNX model; what follows from it is computed once")
      ->type_name("NAME=NUMBER|FILE.npy");
}

namespace {

Tensor constant_of(const std::string& name, const std::string& text) {
  if (text.ends_with(".npy")) return read_npy(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw UsageError("--constant {}: \"{}\" is no number and no .npy file", name, text);
  return Tensor::from<double>({}, {value});
}

}  // namespace

void require_onnx(const std::string& path, const FixedParts& fixed) {
  require_onnx({path}, fixed);
}

void require_onnx(std::initializer_list<std::string> versions, const FixedParts& fixed) {
  if (!fixed.empty() && std::ranges::none_of(versions, is_onnx_file))
    throw UsageError("{}: only ONNX models are fixed so", fixed.dims.empty() ? "--constant" : "--dim");
}

FixedParts fixed_of(const std::string& path, const FixedParts& fixed) {
  return is_onnx_file(path) ? fixed : FixedParts{};
}

OnnxImportOptions onnx_options(const FixedParts& fixed) {
  OnnxImportOptions options;
  for (const std::string& constant : fixed.constants) {
    const auto [name, value] = split_assignment(constant, "--constant", "NUMBER|FILE.npy");
    options.constants.insert_or_assign(name, constant_of(name, value));
  }
  for (const std::string& dim : fixed.dims) {
    const auto [name, size] = split_assignment(dim, "--dim", "SIZE");
    int64_t value = 0;
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), value);
    if (error != std::errc() || end != size.data() + size.size() || value < 0)
      throw UsageError("--dim {}: \"{}\" is no size", name, size);
    options.sizes[name] = value;
  }
  return options;
}

Graph open_graph_with(const std::string& path, const FixedParts& fixed) {
  require_onnx(path, fixed);
  return open_model_graph(path, onnx_options(fixed));
}

OpenedModel open_either(const std::string& path, const FixedParts& fixed) {
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
    opened.graph = open_graph_with(path, fixed);
  }
  require_onnx(path, fixed);
  return opened;
}

}  // namespace halftone::cli
