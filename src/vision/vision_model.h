#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/halftone_folder.h"
#include "formats/onnx/import_onnx.h"
#include "graph/graph.h"
#include "vision/preprocess/find_preprocess.h"
#include "vision/preprocess/preprocess.h"

namespace halftone {

/// A model of pictures ready to be compiled, with what its files say about using it.
struct VisionModel {
  std::string name;  ///< the folder's or file's own, for people
  Graph graph;
  std::optional<PreprocessSource> preprocess;
  std::vector<std::string> labels;  ///< by class; empty where nothing says them
};

/// An .onnx file, a Hugging Face folder of an image classifier, or a Halftone folder. Labels are those of
/// config.json (id2label), or those that the pre-processing names. `onnx`: what is fixed of an .onnx file.
/// Throws InputError, UnsupportedError, UsageError for what it fixes in vain.
VisionModel load_vision_model(const fs::path& path, const OnnxImportOptions& onnx = {});

/// companion_files() of a model of pictures, and its pre-processing as preprocess.json where that is known
/// and no file of the folder says it already: so that a quantized copy sees the same pictures.
std::vector<CompanionFile> image_companion_files(const fs::path& model);

/// Names of classes from a file: a line each, a JSON list of names, or a config.json with id2label. Throws
/// InputError.
std::vector<std::string> read_labels(const fs::path& path);

/// The name of a class; "class N" where there is none.
std::string label_name(const std::vector<std::string>& labels, int index);

/// The one input that takes pictures, [batch, channels, height, width] of f32, f16 or bf16.
struct ImageInput {
  std::string name;
  DType dtype;
  int64_t batch;  ///< negative: any
  int64_t channels;
  int64_t height;  ///< negative: any
  int64_t width;
};

/// Throws UnsupportedError, naming what was found, for a graph that takes something else.
ImageInput image_input(const Graph& graph);

/// Pre-processing to the type of the model's input and, where it left them open, its sizes. Throws UsageError
/// when both leave them open, InputError when they contradict each other.
Preprocess fit_to_model(Preprocess preprocess, const ImageInput& input, const std::string& source);

}  // namespace halftone
