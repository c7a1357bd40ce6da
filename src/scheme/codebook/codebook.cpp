#include "scheme/codebook/codebook.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>

#include "scheme/codebook/nearest.h"

namespace halftone {

CodebookFormat::CodebookFormat(std::string_view name, std::span<const float> codebook)
    : name_(name), bits_(std::bit_width(codebook.size() - 1)), codebook_(codebook) {}

float CodebookFormat::fit_scale(const ValueRange& range, bool) const {
  return range.absmax();
}

std::span<const float> CodebookFormat::entries(const CodeParams& params) const {
  const std::span<const float> entries = codebook_.empty() ? params.codebook : codebook_;
  assert(entries.size() == size_t{1} << bits_);
  return entries;
}

void CodebookFormat::encode(std::span<const float> values, const CodeParams& params,
                            std::span<uint8_t> codes) const {
  if (params.scale != 0) return nearest_codes(values, params.scale, entries(params), codes);
  const float zero = 0;
  uint8_t code;
  nearest_codes({&zero, 1}, 1, entries(params), {&code, 1});
  std::fill(codes.begin(), codes.end(), code);
}

void CodebookFormat::decode(std::span<const uint8_t> codes, const CodeParams& params,
                            std::span<float> values) const {
  const std::span<const float> table = entries(params);
  for (size_t i = 0; i < values.size(); ++i) values[i] = table[codes[i]] * params.scale;
}

std::span<const float> nf4_codebook() {
  static constexpr std::array<float, 16> kEntries{
      -1.0f,
      -0.6961928009986877f,
      -0.5250730514526367f,
      -0.39491748809814453f,
      -0.28444138169288635f,
      -0.18477343022823334f,
      -0.09105003625154495f,
      0.0f,
      0.07958029955625534f,
      0.16093020141124725f,
      0.24611230194568634f,
      0.33791524171829224f,
      0.44070982933044434f,
      0.5626170039176941f,
      0.7229568362236023f,
      1.0f,
  };
  return kEntries;
}

std::vector<float> QuantileFormat::make_codebook(std::span<const float> normalised) const {
  const size_t count = size_t{1} << bits();
  std::vector<float> codebook(count, 0.0f);
  if (normalised.empty()) return codebook;

  std::vector<float> sorted(normalised.begin(), normalised.end());
  std::sort(sorted.begin(), sorted.end());
  auto quantile = [&](size_t bin) {
    const double place =
        static_cast<double>(sorted.size() - 1) * static_cast<double>(bin) / static_cast<double>(count);
    const size_t below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, sorted.size() - 1);
    return std::lerp(double{sorted[below]}, double{sorted[above]}, place - static_cast<double>(below));
  };
  for (size_t i = 0; i < count; ++i) codebook[i] = static_cast<float>((quantile(i) + quantile(i + 1)) / 2);
  return codebook;
}

}  // namespace halftone
