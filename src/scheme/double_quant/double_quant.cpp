#include "scheme/double_quant/double_quant.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/checked.h"
#include "scheme/codebook/nearest.h"

namespace halftone {
namespace {

std::array<float, 256> make_dynamic_codebook() {
  std::array<float, 256> entries;
  size_t count = 0;
  entries[count++] = 0;
  entries[count++] = 1;
  for (int i = 0; i < 7; ++i) {
    const int parts = 1 << i;
    const double power = std::pow(10.0, i - 6);
    for (int part = 0; part < parts; ++part) {
      const double middle = power * (0.1 + 0.9 * (part + 0.5) / parts);
      entries[count++] = static_cast<float>(middle);
      entries[count++] = static_cast<float>(-middle);
    }
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

}  // namespace

std::span<const float> dynamic_codebook() {
  static const std::array<float, 256> entries = make_dynamic_codebook();
  return entries;
}

QuantizedTensor::NestedScales nest_scales(std::span<const float> scales, int64_t block) {
  const int64_t count = static_cast<int64_t>(scales.size());
  QuantizedTensor::NestedScales nested;
  nested.codes = Tensor::allocate(DType::u8, {count});
  nested.absmax = Tensor::allocate(DType::f32, {ceil_div(count, block)});
  double sum = 0;
  for (float scale : scales) sum += scale;
  nested.offset = count ? static_cast<float>(sum / static_cast<double>(count)) : 0.0f;

  const auto codes = nested.codes.mutable_view().span<uint8_t>();
  const auto absmax = nested.absmax.mutable_view().span<float>();
  std::vector<float> centred;
  for (size_t b = 0; b < absmax.size(); ++b) {
    const size_t begin = b * static_cast<size_t>(block);
    const size_t size = std::min(static_cast<size_t>(block), scales.size() - begin);
    centred.assign(scales.begin() + static_cast<ptrdiff_t>(begin),
                   scales.begin() + static_cast<ptrdiff_t>(begin + size));
    for (float& scale : centred) scale -= nested.offset;
    absmax[b] = value_range(centred).absmax();
    nearest_codes(centred, absmax[b] == 0 ? 1.0f : absmax[b], dynamic_codebook(), codes.subspan(begin, size));
  }
  return nested;
}

void unnest_scales(const QuantizedTensor::NestedScales& nested, int64_t block, int64_t begin,
                   std::span<float> out) {
  const std::span<const float> table = dynamic_codebook();
  const auto codes = nested.codes.span<uint8_t>().subspan(static_cast<size_t>(begin), out.size());
  const auto absmax = nested.absmax.span<float>();
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t from = (static_cast<size_t>(begin) + i) / static_cast<size_t>(block);
    out[i] = table[codes[i]] * absmax[from] + nested.offset;
  }
}

}  // namespace halftone
