#include "backend/cpu/int8/winograd_window.h"

namespace halftone::cpu {
namespace {

/// rows g rows^T.
template <int kIn>
void transform(const int32_t (&rows)[kIn][3], const int8_t* g, int16_t* parts) {
  int32_t down[kIn][3];
  for (int i = 0; i < kIn; ++i)
    for (int x = 0; x < 3; ++x)
      down[i][x] = rows[i][0] * g[x] + rows[i][1] * g[3 + x] + rows[i][2] * g[6 + x];
  for (int i = 0; i < kIn; ++i)
    for (int j = 0; j < kIn; ++j)
      parts[kIn * i + j] =
          static_cast<int16_t>(rows[j][0] * down[i][0] + rows[j][1] * down[i][1] + rows[j][2] * down[i][2]);
}

}  // namespace

void transform_window_2x2(const int8_t* window, int16_t* parts) {
  constexpr int32_t kRows[4][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};
  transform(kRows, window, parts);
}

void transform_window_4x4(const int8_t* window, int16_t* parts) {
  constexpr int32_t kRows[6][3] = {{6, 0, 0}, {1, 1, 1}, {1, -1, 1}, {1, 2, 4}, {1, -2, 4}, {0, 0, 6}};
  transform(kRows, window, parts);
}

}  // namespace halftone::cpu
