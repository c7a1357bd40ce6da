#pragma once

#include <functional>

#include "models/decoder.h"

namespace halftone {

/// What Gemma 2 and 3 share: norms around both blocks of a layer, norm weights stored less 1, embeddings
/// scaled by sqrt(hidden), query_pre_attn_scalar, soft caps.
Graph build_gemma_decoder(Decoder& decoder, const std::function<AttentionOptions(int layer)>& attention);

}  // namespace halftone
