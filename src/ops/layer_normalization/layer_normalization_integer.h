#pragma once

#include "ops/integer_meaning.h"

namespace halftone {

/// LayerNormalization over the last axis on codes, in integers alone, as I-BERT has it (arXiv:2101.01321,
/// section 3.6). With n columns, x_i = code - zero, shifted left by the exponent of its channel (0 but for
/// ShiftedLayerNormalization), d_i = n x_i - sum x and r = isqrt(sum d_i^2 / n + n^2 epsilon / scale^2):
///   t_i = d_i 2^12 / r,   y = (t_i G_i + B_i + half) >> shift + zero,
/// G_i and B_i being Scale / (2^12 s) and B / s in 2^shift, s the output's scale. Columns are 2^14 at most,
/// and so few that sum d_i^2 fits 62 bits.
extern const IntegerMeaning layer_normalization_on_codes;

}  // namespace halftone
