#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "scheme/quantized_tensor.h"

namespace halftone {

/// Weights under an integer encoding whose scales follow from two factors a group, low on its smallest value
/// and high on its largest (the range holds 0), and whose rounding is shifted by an offset an element:
///   code = clamp(round(w / scale + offset) + zero, 0, 2^bits - 1), value = scale (code - zero).
///
/// Affine: scale = (high max - low min) / (2^bits - 1), zero = round(-low min / scale). Symmetric: zero =
/// 2^(bits-1) and scale = e / zero, e the end of the range that is farther from 0, negative where that is the
/// upper end, so that all 2^bits codes are used (auto-round's `quant_tensor_sym`); of 8 bits scales are
/// positive, max(-low min / 128, high max / 127), for tools that know no others. Scales are rounded as the
/// encoding stores them before codes are chosen, so what is learned is what is stored.
class LearnedGrid {
 public:
  /// f32 weights. Throws UnsupportedError where handles() is false.
  LearnedGrid(Tensor weights, const Encoding& encoding, std::string name);

  /// Whether the encoding is of plain integers with scales of their own.
  static bool handles(const Encoding& encoding);

  size_t groups() const { return scales_.size(); }
  size_t elements() const { return static_cast<size_t>(weights_.shape().elements()); }
  const Tensor& weights() const { return weights_; }
  int bits() const { return encoding_.format->bits(); }

  /// Other weights of the same shape; scales stay until set_factors().
  void set_weights(std::span<const float> weights);

  /// Takes scales and zero points from the factors, each [groups()], 0 to 1.
  void set_factors(std::span<const float> low, std::span<const float> high);
  /// Scales are stored with bounds below which a group counts as all zeros.
  float scale(size_t group) const { return scales_[group]; }
  float zero(size_t group) const { return zeros_[group]; }

  /// Values under offsets [elements()], or without any where the span is empty.
  void quantize(std::span<const float> offsets, std::span<float> values, ThreadPool& threads) const;

  /// From the gradient with respect to the values, those with respect to the factors [groups()] and the
  /// offsets (left alone where the span is empty). Rounding counts as the identity, clamping stops what
  /// passes through w.
  struct Gradients {
    std::span<float> low, high, offsets;
  };
  void differentiate(std::span<const float> values_gradient, std::span<const float> offsets,
                     const Gradients& out, ThreadPool& threads) const;

  /// From the gradients that differentiate() gave, that with respect to the weights: what passed through
  /// rounding and, where a weight is an end of its group's range, what came through the scale.
  void weights_gradient(const Gradients& from, std::span<float> weights, ThreadPool& threads) const;

  std::shared_ptr<const QuantizedTensor> encode(std::span<const float> offsets) const;

  /// Calls body(group, first element, past the last) for the pieces of a row that share a scale; rows run on
  /// all threads where they have scales of their own.
  template <class Body>
  void for_groups(ThreadPool& threads, Body body) const {
    auto rows = [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        for (int64_t g = 0; g < grid_.groups; ++g) {
          const int64_t first = row * extent_.columns + g * grid_.group;
          const int64_t last = std::min(first + grid_.group, (row + 1) * extent_.columns);
          body(static_cast<size_t>(row % grid_.rows * grid_.groups + g), static_cast<size_t>(first),
               static_cast<size_t>(last));
        }
    };
    if (grid_.rows == extent_.rows)
      threads.parallel_for(extent_.rows, 4, rows);
    else
      rows(0, extent_.rows);
  }

 private:
  void find_ranges();
  bool reaches_down(size_t group) const;
  float upper_divisor() const;
  float code_of(size_t group, float exact) const;

  Tensor weights_;
  Encoding encoding_;
  std::string name_;
  MatrixExtent extent_;
  ScaleGrid grid_;
  float last_code_;
  std::vector<ValueRange> ranges_;
  std::vector<float> low_, high_, scales_, zeros_;
};

}  // namespace halftone
