#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/graph_options.h"
#include "cli/model_options.h"
#include "vision/image_runner.h"

namespace halftone::cli {

/// What every command that shows pictures to a model takes.
struct VisionOptions {
  ModelOptions model;
  FixedParts fixed;
  std::string preset;
  std::string labels;
  std::string channels, resize, size, resampler, place, rounding, crop;
  std::vector<double> mean, std;
  double scale = 0;  ///< 0: not given
  int pad = -1;      ///< -1: not given
  bool passes = false;
};

/// Adds --dim, --constant, --passes, --preset, --labels, the flags that override pre-processing, and what any
/// graph takes (not the model itself).
void add_vision_options(CLI::App& command, VisionOptions& options);

/// A model of pictures, compiled.
struct OpenVisionModel {
  std::string name;
  std::vector<std::string> labels;
  Preprocess preprocess;
  std::string preprocess_source;
  std::unique_ptr<ThreadPool> threads;
  std::unique_ptr<ImageRunner> runner;
  double planned_bytes = 0;  ///< peak of memory that the plan foresaw
};

/// Loads and compiles; says on standard error which preset a file's name chose. Throws UsageError naming the
/// presets when nothing says how the model wants its pictures, ResourceError when memory will not do.
OpenVisionModel open_vision_model(const VisionOptions& options);

/// Throws InputError where --labels names more or fewer classes than the model has.
void check_label_count(const VisionOptions& options, const OpenVisionModel& model, size_t classes);

/// How the model of these options wants its pictures, flags and all, and who says so.
PreprocessSource asked_preprocess(const VisionOptions& options, const VisionModel& model);

/// "12 pictures, 0.53 s: 22.6 pictures/s (reading and fitting 8.1 ms a picture, inference 36.2 ms)"
std::string throughput_text(const ImageRunner& runner, size_t pictures, double seconds);

}  // namespace halftone::cli
