#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "formats/halftone_folder.h"
#include "graph/graph.h"

namespace halftone::cli {

/// A model on its way to another tool.
struct ExportJob {
  const Graph& graph;                            ///< with the encodings in which it is to be written
  const std::vector<CompanionFile>& companions;  ///< of the model that it was made from
  fs::path source;                               ///< that model
  std::string type;                              ///< of weights that have no encoding; empty: their own
  fs::path output;                               ///< put into place when complete
  SaveProgress progress{};
  std::string target{};  ///< what will run it: one of the format's targets, or empty
};

/// What became of the layers.
struct ExportReport {
  std::string encoding;                               ///< of the packed layers: "int4 g128 affine"
  std::vector<std::string> packed;                    ///< modules
  std::vector<std::string> kept;                      ///< modules that the tool gets in floating point
  std::vector<std::string> remarks;                   ///< what the user should know of the file
  Graph read_back;                                    ///< the model as its readers see it
  std::string checked = "read back and found equal";  ///< what was done to be sure of the file
};

/// A form in which other tools read models: a value of --format.
struct ExportFormat {
  std::string name;
  std::string description;         ///< what reads it
  std::vector<std::string> types;  ///< values of --type; empty: it has none
  /// Throws UnsupportedError naming what the format cannot hold, and what write() would throw of the output,
  /// before anything dear is done: the graph has its encodings, but its codes need not be final.
  std::function<void(const ExportJob& job)> check;
  /// Writes the model and reads it back. Throws UnsupportedError and leaves nothing when it comes back other
  /// than it was written.
  std::function<ExportReport(const ExportJob& job)> write;
  bool any_graph = false;              ///< not only language models
  std::string extension{};             ///< of the file that is written; empty: a folder
  std::vector<std::string> targets{};  ///< values of --target
};

/// All of them, in the order in which --help lists them.
std::span<const ExportFormat> export_formats();

/// Throws UsageError for an unknown name, or a type that the format does not have, with the nearest.
const ExportFormat& find_export_format(const std::string& name, const std::string& type = {});

/// Checks -o and --target against the format. Throws UsageError.
void check_export_names(const ExportFormat& format, const fs::path& output, const std::string& target);

/// "awq, gptq, ...", for --help.
std::string export_format_names();

/// "35 layers as int4 g32 in awq, 2 in floating point (lm_head, model.embed_tokens); read back and found
/// equal".
std::string export_summary(const ExportReport& report, const std::string& format);

}  // namespace halftone::cli
