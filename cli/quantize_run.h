#pragma once

#include <optional>
#include <string>
#include <utility>

#include "cli/calibration_options.h"
#include "cli/graph_options.h"
#include "tune/receipt.h"

namespace halftone::cli {

/// What flags say of a recipe's static activations, or of how it rounds to nearest; empty: what the recipe
/// has.
struct StaticFlags {
  std::string observer;        ///< of recipes that round to nearest: of the weights of each scale
  double percentile = 0;       ///< of the observer percentile; 0: its own
  std::string requantization;  ///< "floating" or "fixed"
  bool measure = true, even_channels = true;
  bool integer_only = false;
  std::string softmax;  ///< "exact" or "log2"
  std::string gelu;     ///< "one", "twin" or "polynomial"

  bool only_ranges() const {
    return requantization.empty() && measure && even_channels && !integer_only && softmax.empty() &&
           gelu.empty();
  }
  bool any() const { return !observer.empty() || percentile != 0 || !only_ranges(); }
};

/// What `quantize` was asked for.
struct QuantizeCommand {
  std::string model;
  std::string output;  ///< empty with `blocks`: nothing is written
  std::string recipe;
  std::string format;     ///< one of export_formats(); empty: Halftone's own folder
  std::string encodings;  ///< a file of scales that take the place of calibrated ones; empty: none
  std::string target;     ///< what will run it; empty: nothing in particular
  FixedParts fixed{};     ///< of an ONNX model
  CalibrationOptions calibration;
  StaticFlags static_flags{};
  bool resume = false;
  std::optional<std::pair<int, int>> blocks{};  ///< these blocks only, to see what they cost
  std::string eval_text;
  std::string eval_images;  ///< labelled pictures; empty: none
  std::string annotations;  ///< of them, for a detector
  bool evaluate = true;
  int threads = 0;
  bool layers = false;
  bool json = false;
};

/// Quantizes, writes the output, measures it against the original, writes the receipt beside the weights.
Receipt run_quantize(const QuantizeCommand& command);

}  // namespace halftone::cli
