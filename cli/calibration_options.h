#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "eval/calibration_text.h"

namespace halftone::cli {

/// Where calibration samples come from and what they may cost: options of the commands that calibrate.
struct CalibrationOptions {
  std::string path;        ///< empty: none
  std::string input_list;  ///< tensors for a graph, in place of it
  CalibrationTextOptions text;
  std::optional<int> samples;  ///< as given; else 128 of text and all of pictures and tensors
  size_t memory = size_t{2} << 30;

  /// Adds --calib, --input-list, --calib-samples, --calib-length, --seed and --memory.
  void add_to(CLI::App& command);
};

/// "512M", "2G", "1.5GB", "100000": bytes, powers of 1024. Throws UsageError.
size_t parse_bytes(const std::string& text);

}  // namespace halftone::cli
