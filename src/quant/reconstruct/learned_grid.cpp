#include "quant/reconstruct/learned_grid.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "base/error.h"

namespace halftone {

bool LearnedGrid::handles(const Encoding& encoding) {
  return encoding.format->is_integer() && !encoding.real_minimum && encoding.double_quant_block == 0;
}

LearnedGrid::LearnedGrid(Tensor weights, const Encoding& encoding, std::string name)
    : weights_(std::move(weights)),
      encoding_(encoding),
      name_(std::move(name)),
      extent_(matrix_extent(weights_.shape())),
      grid_(scale_grid(encoding.granularity, weights_.shape())),
      last_code_(static_cast<float>((1 << encoding.format->bits()) - 1)) {
  if (!handles(encoding))
    throw UnsupportedError("{} as {}: only plain integers with scales of their own can be learned", name_,
                           encoding.str());
  find_ranges();
  for (const ValueRange& range : ranges_)
    if (!range.is_finite()) throw InputError("{}: expected finite weights", name_);
  scales_.resize(ranges_.size());
  zeros_.resize(ranges_.size());
  const std::vector<float> ones(ranges_.size(), 1.0f);
  set_factors(ones, ones);
}

void LearnedGrid::find_ranges() {
  ranges_.assign(static_cast<size_t>(grid_.size()), {});
  ThreadPool alone(1);
  const auto w = weights_.span<float>();
  for_groups(alone, [&](size_t group, size_t first, size_t last) {
    ranges_[group].include(value_range(w.subspan(first, last - first)));
  });
}

void LearnedGrid::set_weights(std::span<const float> weights) {
  weights_ = Tensor::from<float>(weights_.shape(), weights);
  find_ranges();
}

void LearnedGrid::set_factors(std::span<const float> low, std::span<const float> high) {
  low_.assign(low.begin(), low.end());
  high_.assign(high.begin(), high.end());
  const float middle = static_cast<float>(1 << (encoding_.format->bits() - 1));
  for (size_t g = 0; g < scales_.size(); ++g) {
    const float least = low[g] * ranges_[g].min, most = high[g] * ranges_[g].max;
    if (encoding_.symmetric) {
      const float scale = reaches_down(g) ? -least / middle : most / upper_divisor();
      scales_[g] = scale == 0 ? 0 : round_scale(scale, encoding_.scale_dtype);
      zeros_[g] = middle;
    } else {
      scales_[g] = round_scale((most - least) / last_code_, encoding_.scale_dtype);
      zeros_[g] = scales_[g] == 0 ? 0 : std::clamp(std::nearbyintf(-least / scales_[g]), 0.0f, last_code_);
    }
  }
}

/// Of a symmetric group: whether the lower end of the range decides its scale.
bool LearnedGrid::reaches_down(size_t group) const {
  const float least = low_[group] * ranges_[group].min, most = high_[group] * ranges_[group].max;
  return -least * std::abs(upper_divisor()) > most * (last_code_ + 1) / 2;
}

/// What the upper end of a symmetric range is divided by.
float LearnedGrid::upper_divisor() const {
  const float middle = (last_code_ + 1) / 2;
  return encoding_.format->bits() < 8 ? -middle : middle - 1;
}

float LearnedGrid::code_of(size_t group, float exact) const {
  return std::min(std::max(std::nearbyintf(exact) + zeros_[group], 0.0f), last_code_);
}

void LearnedGrid::quantize(std::span<const float> offsets, std::span<float> values,
                           ThreadPool& threads) const {
  const auto w = weights_.span<float>();
  for_groups(threads, [&](size_t group, size_t first, size_t last) {
    const float scale = scales_[group], zero = zeros_[group];
    const float inverse = scale == 0 ? 0 : 1 / scale;
    for (size_t i = first; i < last; ++i) {
      const float exact = w[i] * inverse + (offsets.empty() ? 0.0f : offsets[i]);
      values[i] = scale * (code_of(group, exact) - zero);
    }
  });
}

void LearnedGrid::differentiate(std::span<const float> values_gradient, std::span<const float> offsets,
                                const Gradients& out, ThreadPool& threads) const {
  const auto w = weights_.span<float>();
  std::ranges::fill(out.low, 0.0f);
  std::ranges::fill(out.high, 0.0f);
  const float middle = static_cast<float>(1 << (encoding_.format->bits() - 1));
  for_groups(threads, [&](size_t group, size_t first, size_t last) {
    const float scale = scales_[group], zero = zeros_[group];
    if (scale == 0) {
      if (!out.offsets.empty()) std::ranges::fill(out.offsets.subspan(first, last - first), 0.0f);
      return;
    }
    const float inverse = 1 / scale;
    double by_scale = 0, by_zero = 0;
    for (size_t i = first; i < last; ++i) {
      const float ratio = w[i] * inverse, g = values_gradient[i];
      const float rounded = std::nearbyintf(ratio + (offsets.empty() ? 0.0f : offsets[i]));
      const float code = rounded + zero;
      const float inside = code < 0 || code > last_code_ ? 0.0f : 1.0f;
      const float clamped = std::min(std::max(code, 0.0f), last_code_);
      by_scale += double{g} * (clamped - zero - inside * ratio);
      by_zero -= double{g} * (1 - inside) * scale;
      if (!out.offsets.empty()) out.offsets[i] = g * scale * inside;
    }
    const ValueRange& range = ranges_[group];
    const float least = low_[group] * range.min, most = high_[group] * range.max;
    if (encoding_.symmetric) {
      if (reaches_down(group))
        out.low[group] += static_cast<float>(by_scale) * -range.min / middle;
      else
        out.high[group] += static_cast<float>(by_scale) * range.max / upper_divisor();
      return;
    }
    // zero = -least / scale, its rounding the identity.
    by_scale += by_zero * least / (double{scale} * scale);
    out.low[group] += static_cast<float>(-by_scale * range.min / last_code_ - by_zero * range.min / scale);
    out.high[group] += static_cast<float>(by_scale * range.max / last_code_);
  });
}

void LearnedGrid::weights_gradient(const Gradients& from, std::span<float> weights,
                                   ThreadPool& threads) const {
  const auto w = weights_.span<float>();
  for_groups(threads, [&](size_t group, size_t first, size_t last) {
    const float scale = scales_[group];
    const ValueRange& range = ranges_[group];
    for (size_t i = first; i < last; ++i) {
      weights[i] = scale == 0 ? 0 : from.offsets[i] / scale;
      if (range.min != 0 && w[i] == range.min) weights[i] += from.low[group] * low_[group] / range.min;
      if (range.max != 0 && w[i] == range.max) weights[i] += from.high[group] * high_[group] / range.max;
    }
  });
}

std::shared_ptr<const QuantizedTensor> LearnedGrid::encode(std::span<const float> offsets) const {
  QuantizedTensor::Parts parts;
  parts.encoding = encoding_;
  parts.shape = weights_.shape();
  parts.scales = Tensor::allocate(encoding_.scale_dtype, {grid_.rows, grid_.groups});
  store_floats(scales_, parts.scales.mutable_view(), 0);
  if (!encoding_.symmetric) {
    parts.zeros = Tensor::allocate(DType::u8, {grid_.rows, grid_.groups});
    std::ranges::transform(zeros_, parts.zeros.mutable_view().span<uint8_t>().begin(),
                           [](float zero) { return static_cast<uint8_t>(zero); });
  }
  const auto w = weights_.span<float>();
  std::vector<uint8_t> codes(elements());
  ThreadPool alone(1);
  for_groups(alone, [&](size_t group, size_t first, size_t last) {
    const float scale = scales_[group], inverse = scale == 0 ? 0 : 1 / scale;
    for (size_t i = first; i < last; ++i) {
      const float exact = w[i] * inverse + (offsets.empty() || scale == 0 ? 0.0f : offsets[i]);
      codes[i] = static_cast<uint8_t>(code_of(group, exact));
    }
  });
  const int bits = encoding_.format->bits();
  const int64_t row_bytes = ceil_div(extent_.columns * bits, int64_t{8});
  parts.codes = Tensor::allocate(DType::u8, {extent_.rows, row_bytes});
  const auto packed = parts.codes.mutable_view().bytes();
  for (int64_t row = 0; row < extent_.rows; ++row)
    pack_bits(std::span(codes).subspan(static_cast<size_t>(row * extent_.columns),
                                       static_cast<size_t>(extent_.columns)),
              bits, packed.subspan(static_cast<size_t>(row * row_bytes), static_cast<size_t>(row_bytes)));
  return std::make_shared<QuantizedTensor>(std::move(parts), name_);
}

}  // namespace halftone
