#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "ops/constant.h"

namespace halftone {

/// Rotary positions of one kind of layer: the angle of pair i at position p is p * inverse[i].
struct RopeFrequencies {
  std::vector<float> inverse;  ///< [rotary dimensions / 2]
  float magnitude = 1;         ///< cos and sin are multiplied by it (yarn, longrope)

  /// How many of a head's leading dimensions turn.
  int64_t rotary_dim() const { return 2 * static_cast<int64_t>(inverse.size()); }
};

/// The rope settings of a configuration: `rope_parameters` (transformers 5), or `rope_scaling`, `rope_theta`
/// and `partial_rotary_factor` (before). Where rope_parameters has one set for each layer type, `layer_type`
/// chooses. The result always holds rope_theta, rope_type and partial_rotary_factor.
Json rope_settings(const Json& config, const std::string& layer_type, const std::string& source);

/// Frequencies under any scaling that transformers knows for decoders: default, linear, dynamic, llama3,
/// yarn, longrope. (Formulas: transformers, modeling_rope_utils.py; yarn: arXiv 2309.00071; longrope: arXiv
/// 2402.13753.) longrope takes its long factors, and dynamic its base, from `context`, fixed for the graph,
/// so that keys of one sequence always agree. Throws InputError, UnsupportedError for another rope_type.
RopeFrequencies rope_frequencies(const Json& settings, int64_t head_dim, int64_t max_positions,
                                 int64_t context, const std::string& source);

/// The longest context that the settings allow: what the model was trained for, or what its scaling stretches
/// it to.
int64_t longest_context(const Json& config, int64_t max_positions, const std::string& source);

/// Constants cos and sin f32 [context, rotary_dim / 2], computed when loaded.
struct RopeTables {
  Constant cos;
  Constant sin;
};
RopeTables rope_tables(const RopeFrequencies& frequencies, int64_t context);

}  // namespace halftone
