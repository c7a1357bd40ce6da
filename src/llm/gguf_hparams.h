#pragma once

#include <string>

#include "base/json.h"
#include "formats/gguf_names.h"
#include "formats/gguf_writer.h"
#include "graph/graph.h"

namespace halftone {

/// What a GGUF says of rotary positions by tensors: factors by which frequencies are divided, f32.
struct GgufRopeTensor {
  std::string name;  ///< "rope_freqs.weight"
  std::vector<float> factors;
};

/// The architecture by which a GGUF calls the model of this config.json. Throws UnsupportedError naming those
/// that there are.
const GgufArchitecture& gguf_architecture(const Json& config, const std::string& source);

/// Adds ARCH.* keys: sizes, heads, window, caps and epsilon as the graph has them, rotary positions and the
/// length as `config` (that of the language model) has them. Returns the tensors that go with them. Throws
/// UnsupportedError for a rope scaling that GGUF has no word for.
std::vector<GgufRopeTensor> add_hparams(GgufFields& fields, const GgufArchitecture& architecture,
                                        const Graph& graph, const Json& config, const std::string& source);

}  // namespace halftone
