#pragma once

#include "ops/integer_meaning.h"

namespace halftone {

/// LayerNormalization over the last axis on codes (the input's may be wide), in integers alone, as I-BERT has
/// it (arXiv:2101.01321, section 3.6). With n columns, 2^14 at most, x_i = code - zero, d_i = n x_i - sum x
/// and r = isqrt(sum d_i^2 / n + n^2 epsilon / scale^2):
///   t_i = d_i 2^12 / r,   y = (t_i G_i + B_i + half) >> shift + zero,
/// G_i and B_i being Scale / (2^12 s) and B / s in 2^shift, s the output's scale. Where sum d_i^2 would leave
/// 62 bits, d_i loses its last ones before it is squared.
extern const IntegerMeaning layer_normalization_on_codes;

}  // namespace halftone
