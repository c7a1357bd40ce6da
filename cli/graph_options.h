#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <optional>
#include <string>

#include "formats/halftone_folder.h"
#include "formats/open_graph.h"

namespace halftone::cli {

/// What the command line fixes of an ONNX model.
struct FixedParts {
  std::vector<std::string> dims;       ///< "N=1": dimensions that it leaves open
  std::vector<std::string> constants;  ///< "sr=16000", "mask=mask.npy": inputs
  bool empty() const { return dims.empty() && constants.empty(); }
};

/// A model that may be a graph of pictures or a language model, opened once to see which. Neither is set for
/// what only a language model can be (a .gguf, a Hugging Face folder of one): load_llm() opens those.
struct OpenedModel {
  std::optional<Graph> graph;           ///< of a model that keeps no state
  std::optional<HalftoneModel> folder;  ///< our folder of a language model
};
OpenedModel open_either(const std::string& path, const FixedParts& fixed);

/// What `fixed` says of an ONNX model.
OnnxImportOptions onnx_options(const FixedParts& fixed);

/// UsageError where `fixed` is not empty and the model is no .onnx file, or none of several versions of it
/// is.
void require_onnx(const std::string& path, const FixedParts& fixed);
void require_onnx(std::initializer_list<std::string> versions, const FixedParts& fixed);

/// What `fixed` says of one version of a model: nothing of one that is no .onnx file.
FixedParts fixed_of(const std::string& path, const FixedParts& fixed);

/// The graph that `path` names.
Graph open_graph_with(const std::string& path, const FixedParts& fixed);

/// Adds --dim and --constant.
void add_fixed_options(CLI::App& command, FixedParts& fixed);

/// "NAME=VALUE" in two; UsageError "FLAG: expected NAME=WHAT, found ..." when it is not.
std::pair<std::string, std::string> split_assignment(const std::string& text, std::string_view flag,
                                                     std::string_view what);

}  // namespace halftone::cli
