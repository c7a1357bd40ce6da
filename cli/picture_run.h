#pragma once

#include <functional>

#include "base/json.h"
#include "cli/vision_options.h"

namespace halftone::cli {

/// Adds MODEL (`model_help` says what it may be) and IMAGE..., which list_images() reads.
void add_picture_arguments(CLI::App& command, VisionOptions& options, const char* model_help,
                           std::vector<std::string>& images);

/// What a command says of one picture: an entry of its report, and a text for a person.
struct PictureAnswer {
  OrderedJson entry;
  std::string text;
};
using AnswerPicture =
    std::function<PictureAnswer(const PreparedImage& image, std::span<const TensorView> outputs)>;

/// Runs the model over pictures (past broken ones: BrokenPictures) with a progress bar labelled `label`.
/// Prints each answer as it comes, then throughput and memory; or, under `json`, `report` with "preprocess",
/// "images", "seconds", "planned_memory_bytes" and "peak_memory_bytes" behind what it holds.
void show_pictures(const std::string& label, OpenVisionModel& model, const std::vector<std::string>& paths,
                   OrderedJson report, bool json, const AnswerPicture& answer);

}  // namespace halftone::cli
