#pragma once

#include <functional>
#include <string>
#include <vector>

#include "formats/halftone_folder.h"
#include "formats/packed/packed_format.h"
#include "graph/graph.h"

namespace halftone {

/// What became of the layers of a model that was written for another tool.
struct PackedExport {
  std::string encoding;             ///< of the packed layers: "int4 g128 affine"
  std::vector<std::string> packed;  ///< modules
  std::vector<std::string> kept;    ///< modules that the tool gets in floating point
};

/// What write_packed() would refuse (UnsupportedError), from encodings and shapes alone.
void check_packable(const Graph& graph, const PackedWriter& writer);

/// Throws InputError unless write_packed() may write there, ResourceError where it cannot.
void check_packed_target(const fs::path& target);

/// Writes an LLM as a Hugging Face folder: layers of the encoding that most weights have as `writer` packs
/// them, all other constants MODULE.weight and MODULE.bias in f16 (norms as they are), config.json of
/// `companions` with a quantization_config, and the other companions. The folder appears whole or not at all,
/// and only when `check` has returned, which gets the files where they lie before. Folders that exist are
/// replaced when they are empty or were written so: any other might be somebody's model.
///
/// Layers of other encodings, tables that are embeddings too, and the output layer are decoded: tools keep
/// them floating. Throws UnsupportedError when the writer cannot hold the encoding, or no layer has one;
/// InputError when the companions have no config.json.
PackedExport write_packed(const Graph& graph, const PackedWriter& writer, const fs::path& target,
                          const std::vector<CompanionFile>& companions, const SaveProgress& progress = {},
                          const std::function<void(const fs::path& folder)>& check = {});

}  // namespace halftone
