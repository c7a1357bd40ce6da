#include "scheme/dynamic.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

#include "base/checked.h"
#include "scheme/rounding.h"

namespace halftone {

void quantize_token(std::span<const float> row, std::span<int8_t> codes, float& scale) {
  assert(codes.size() == row.size());
  int32_t magnitude = 0;
  for (float x : row) magnitude = std::max(magnitude, std::bit_cast<int32_t>(x) & 0x7fffffff);
  const float absmax = std::bit_cast<float>(magnitude);

  const bool finite = magnitude < 0x7f800000;
  if (!finite || absmax < kSmallestAbsmax) {
    std::fill(codes.begin(), codes.end(), int8_t{0});
    scale = finite ? 0.0f : std::numeric_limits<float>::quiet_NaN();
    return;
  }
  scale = absmax / 127.0f;
  const float inverse = 127.0f / absmax;
  for (size_t i = 0; i < row.size(); ++i) codes[i] = static_cast<int8_t>(round_to_int(row[i] * inverse));
}

void quantize_token_groups(std::span<const float> row, int64_t group, std::span<int8_t> codes,
                           std::span<float> scales) {
  assert(codes.size() == row.size());
  const size_t step = static_cast<size_t>(group);
  assert(group > 0 && scales.size() == ceil_div(row.size(), step));
  for (size_t begin = 0, g = 0; begin < row.size(); begin += step, ++g) {
    const size_t count = std::min(step, row.size() - begin);
    quantize_token(row.subspan(begin, count), codes.subspan(begin, count), scales[g]);
  }
}

std::vector<int64_t> outlier_columns(std::span<const float> rows, int64_t columns, float threshold) {
  const auto width = static_cast<size_t>(columns);
  std::vector<uint8_t> flags(width);
  for (size_t begin = 0; begin < rows.size(); begin += width)
    for (size_t c = 0; c < width; ++c)
      flags[c] |= static_cast<uint8_t>(std::abs(rows[begin + c]) >= threshold);
  std::vector<int64_t> found;
  for (size_t c = 0; c < width; ++c)
    if (flags[c]) found.push_back(static_cast<int64_t>(c));
  return found;
}

}  // namespace halftone
