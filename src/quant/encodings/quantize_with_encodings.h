#pragma once

#include "quant/encodings/apply_encodings.h"

namespace halftone {

/// What came of a recipe under the scales of a file.
struct QuantizationWithEncodings {
  QuantReport report;
  /// Without calibration data nothing tells the scales of `unnamed` values.
  AppliedEncodings applied;
  /// Without calibration data: values that the file does not name and that no layer reads. They stay
  /// floating, as calibration leaves sums with masks of -infinity.
  std::vector<std::string> floating;
};

/// quantize_graph() by a recipe with static activations, with the file's scales where it names some. Throws
/// what both throw.
QuantizationWithEncodings quantize_with_encodings(Graph& graph, const Recipe& recipe, QuantizeOptions options,
                                                  const EncodingFile& file);

}  // namespace halftone
