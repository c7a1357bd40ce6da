#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "graph/graph.h"

namespace halftone {

/// How a saved model came to be.
struct Provenance {
  std::string source;   ///< the model it was made from, as the user named it
  std::string recipe;   ///< its name, or the YAML text
  std::string program;  ///< "halftone 0.1.0"
  std::string time;     ///< ISO 8601, UTC; empty when saving: now
};

/// A file that goes into the folder beside the model, as it is.
struct CompanionFile {
  std::string name;
  std::string content;
};

/// What a model needs beside its graph: config.json, generation_config.json, tokenizer files and chat
/// templates of a folder, or, of a .gguf, the same configuration written out and its metadata as
/// `tokenizer.gguf`.
std::vector<CompanionFile> companion_files(const fs::path& model);

/// A Halftone folder opened. Constants are views into mapped files; the bytes of each are read when it is
/// loaded.
struct HalftoneModel {
  fs::path path;
  Graph graph;
  Provenance provenance;
  Json config = Json::object();             ///< config.json; empty where there is none
  Json generation_config = Json::object();  ///< generation_config.json
};

/// Whether `path` is a folder that holds halftone.json.
bool is_halftone_folder(const fs::path& path);

/// Called before each constant is loaded, encoded and written.
using SaveProgress = std::function<void(double bytes_done, double bytes_total, const std::string& constant)>;

/// Writes halftone.json, the constants as safetensors and the companions to the folder `target`, which
/// appears whole or not at all; it may exist if it is empty or a Halftone folder. Constants are loaded and
/// encoded one at a time. Throws ResourceError when the disk is full.
void save_halftone(const Graph& graph, const fs::path& target, const Provenance& provenance,
                   const std::vector<CompanionFile>& companions, const SaveProgress& progress = {});

/// Throws InputError or UnsupportedError that names file and place for anything that is not as
/// save_halftone() writes it.
HalftoneModel load_halftone(const fs::path& path);

}  // namespace halftone
