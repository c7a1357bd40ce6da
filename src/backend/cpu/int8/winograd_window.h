#pragma once

#include <cstdint>

namespace halftone::cpu {

/// Winograd's transform G g G^T of one 3 x 3 window g of s8 weights, in whole numbers: each row of G is
/// multiplied by what makes it whole.

/// For 2 x 2 outputs, from the points 0, 1, -1: rows of G times 2. Sums of products come out four times.
void transform_window_2x2(const int8_t* window, int16_t* parts);

/// For 4 x 4 outputs, from the points 0, 1, -1, 2, -2: the rows of G times 24, -6, -6, 24, 24 and 6. How many
/// times sums come out depends on their row and column: 24, 12, 6 and 6 each way (code_winograd_4x4_avx2.h).
void transform_window_4x4(const int8_t* window, int16_t* parts);

}  // namespace halftone::cpu
