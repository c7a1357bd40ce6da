#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/checkpoint.h"
#include "models/model.h"

namespace halftone {

/// What decoder families share in their configuration, checked. Families change what is theirs.
struct DecoderConfig {
  std::string source;  ///< names the configuration in errors
  Json json;           ///< the rest
  int64_t hidden = 0;
  int64_t intermediate = 0;
  int64_t vocab = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t max_positions = 0;  ///< that the model was trained for
  int64_t context = 0;        ///< that the graph is built for
  int layers = 0;
  float norm_epsilon = 0;
  std::string activation;  ///< as the configuration names it
  bool tied_embeddings = false;
};

/// Reads the common keys of `json` (a model's config.json or the part of it that speaks of its text model).
/// Keys that are optional for one family are given to it as `defaults`. Throws InputError for a missing key,
/// a value out of range, heads that do not divide; UsageError for a context beyond the model's.
DecoderConfig read_decoder_config(const Checkpoint& checkpoint, const BuildOptions& options,
                                  const Json& defaults = Json::object());

/// The same for a part of the configuration.
DecoderConfig read_decoder_config(Json json, std::string source, const BuildOptions& options,
                                  const Json& defaults);

/// What names the configuration in errors: the path of config.json, or of the one file that holds all.
std::string config_source(const Checkpoint& checkpoint);

/// Which layers look through a window only: the key `layer_types`, or where it is absent `otherwise(layer)`.
/// Throws InputError for a wrong length, UnsupportedError for another kind of layer.
std::vector<bool> sliding_layers(const DecoderConfig& config,
                                 const std::function<bool(int layer)>& otherwise);

/// The key `sliding_window`; 0 when absent, null or no shorter than the context.
int sliding_window(const DecoderConfig& config);

}  // namespace halftone
