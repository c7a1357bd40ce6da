#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace halftone {

/// Pre-processing as JSON (docs/formats/preprocess.md) and who said it.
struct PreprocessSource {
  Json json;
  std::string source;    ///< names it in errors: a path, or "preset NAME"
  bool guessed = false;  ///< a preset taken because of the model's file name: worth a word to the user
};

/// Names of the presets (data/preprocess/).
std::vector<std::string> preprocess_presets();

/// A preset by name. UsageError, naming the known ones, when there is none.
PreprocessSource preprocess_preset(const std::string& name);

/// What is known of a model's pre-processing, first found:
///   of a folder: preprocess.json (ours), preprocessor_config.json (transformers');
///   of MODEL.onnx: MODEL.preprocess.json, or preprocessor_config.json beside it or in the folder above;
///   the preset with the longest pattern that matches the file's name.
/// Throws InputError for a file that is wrong.
std::optional<PreprocessSource> find_preprocess(const fs::path& model);

/// transformers' preprocessor_config.json in our terms. Throws InputError, UnsupportedError.
Json preprocess_from_hf(const Json& config, const std::string& source);

/// Names of classes that come with the program ("coco80", "cifar10"); empty when there are none of that name.
std::vector<std::string> known_labels(const std::string& name);

}  // namespace halftone
