#include "backend/cpu/int8/code_depthwise_lines.h"

namespace halftone::cpu {

void pack_depthwise_lines(const int8_t* const* channels, int16_t* to) {
  for (int64_t vector = 0; vector < 4; ++vector)
    for (int64_t column = 0; column < 3; ++column)
      for (int64_t line = 0; line < 2; ++line)
        for (int64_t half = 0; half < 2; ++half)
          for (int64_t channel = 0; channel < 4; ++channel)
            for (int64_t side = 0; side < 2; ++side) {
              const int64_t row = 2 * half + side - line;
              const bool inside = row >= 0 && row < 3;
              *to++ = inside ? channels[4 * vector + channel][3 * row + column] : int16_t{0};
            }
}

}  // namespace halftone::cpu
