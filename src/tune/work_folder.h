#pragma once

#include <string>

#include "base/json.h"
#include "quant/quantize_graph.h"

namespace halftone {

/// Finished blocks of a quantization, kept beside the output while it is made: each a Halftone folder
/// `block-0003` with a record `block-0003.json` of its notes and of the content of its files. Killed at any
/// moment, the folder holds whole blocks and at most one half one, which has no record.
class WorkFolder final : public BlockStore {
 public:
  /// `key` says what is being done (model, recipe, samples): a folder made for something else is not gone on
  /// with. `resume`: go on with a folder that is there (UsageError, naming what differs, if it was made for
  /// something else); without, it is emptied.
  WorkFolder(fs::path folder, const Json& key, bool resume);

  /// A block whose files are not as its record says is nothing, and warnings() tells of it.
  std::optional<FinishedBlock> load(int index, const std::string& name) override;
  FinishedBlock save(int index, const std::string& name, FinishedBlock block) override;

  const fs::path& path() const { return folder_; }
  int blocks_found() const { return found_; }  ///< load() gave this many
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// Removes the folder: the output is in place.
  void remove();

 private:
  fs::path folder_;
  int found_ = 0;
  std::vector<std::string> warnings_;
};

/// `OUTPUT.halftone-work`: the work folder of an output.
fs::path work_folder_of(const fs::path& output);

/// Names, sizes and contents of a model's files (a folder's own, or one file): what a work folder knows its
/// model by. Reads them all.
Json model_fingerprint(const fs::path& model);

}  // namespace halftone
