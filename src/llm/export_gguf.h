#pragma once

#include <string>
#include <vector>

#include "formats/gguf_type.h"
#include "formats/halftone_folder.h"
#include "graph/graph.h"

namespace halftone {

/// What an LLM becomes as a GGUF file.
struct GgufExport {
  /// The graph with each weight as the file holds it: under the encoding of its type, codes made when loaded.
  Graph graph;
  std::vector<std::pair<std::string, int64_t>> types{};  ///< "Q4_0" and how many matrices have it
  std::vector<std::string> remarks{};                    ///< what changes on the way, and of how many weights
};

/// Gives each weight of an LLM its GGUF type (see ggml_weight()): `type` where it is not quantized yet, empty
/// for its own. Embedding and output layer get 8 bits under types of 4, vectors are F32. Throws
/// UnsupportedError for weights that models of the architecture do not have in a GGUF.
GgufExport plan_gguf(const Graph& graph, const Json& config, const std::string& type);

/// Writes plan.graph with hyper-parameters, vocabulary and chat template of the model at `source` (a folder
/// or a .gguf file) to one file.
void write_gguf(const GgufExport& plan, const fs::path& source, const std::vector<CompanionFile>& companions,
                const fs::path& target, const SaveProgress& progress = {});

}  // namespace halftone
