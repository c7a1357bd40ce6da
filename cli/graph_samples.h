#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "quant/calib/calibration.h"
#include "vision/vision_model.h"

namespace halftone::cli {

/// What a graph without states is run on by commands that calibrate or look at layers: pictures of a folder,
/// prepared as the model wants them, or tensors of a list (cli/tensor_files.h).
struct GraphSampleOptions {
  std::string images;
  std::string input_list;
  std::optional<int> most;  ///< draw so many of them; nothing: all
  uint64_t seed = 1;        ///< of the draw

  /// Adds --images and --input-list.
  void add_to(CLI::App& command);
  bool any() const { return !images.empty() || !input_list.empty(); }
};

struct GraphSamples {
  std::unique_ptr<CalibrationData> data;
  std::string protocol;  ///< "128 pictures of DIR", "16 of the 128 pictures of DIR, seed 1"
};

/// Throws UsageError when both are given, or nothing says how the model wants its pictures. `model` must
/// outlive the samples.
GraphSamples open_graph_samples(const GraphSampleOptions& options, const VisionModel& model);

}  // namespace halftone::cli
