#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <optional>
#include <string>

#include "formats/halftone_folder.h"
#include "formats/open_graph.h"

namespace halftone::cli {

/// A model that may be a graph of pictures or a language model, opened once to see which. Neither is set for
/// what only a language model can be (a .gguf, a Hugging Face folder of one): load_llm() opens those.
struct OpenedModel {
  std::optional<Graph> graph;           ///< of a model that keeps no state
  std::optional<HalftoneModel> folder;  ///< our folder of a language model
};
OpenedModel open_either(const std::string& path, const std::vector<std::string>& dims);

/// The open dimensions of an ONNX model that `dims` ("N=1", --dim) fixes.
OnnxImportOptions onnx_options(const std::vector<std::string>& dims);

/// The graph that `path` names, with the open dimensions that `dims` ("N=1", --dim) fixes.
Graph open_graph_with(const std::string& path, const std::vector<std::string>& dims);

/// Adds --dim NAME=SIZE.
void add_dim_option(CLI::App& command, std::vector<std::string>& dims);

/// "NAME=VALUE" in two; UsageError "FLAG: expected NAME=WHAT, found ..." when it is not.
std::pair<std::string, std::string> split_assignment(const std::string& text, std::string_view flag,
                                                     std::string_view what);

}  // namespace halftone::cli
