#include <algorithm>
#include <cmath>

#include "vision/image/resamplers.h"

namespace halftone {
namespace {

/// A kernel of convolution and how far it reaches on either side, at no reduction.
struct Filter {
  double (*weight)(double x);
  double reach;
};

double triangle(double x) {
  return std::max(0.0, 1.0 - std::abs(x));
}

/// R. Keys, "Cubic convolution interpolation for digital image processing" (1981), with a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

constexpr Filter kTriangle{triangle, 1};
constexpr Filter kCubic{cubic, 2};

// Weights are whole numbers of 2^-22: 8 bits for the pixel and 2 for overshoot fit beside them in 32.
constexpr int kWeightBits = 22;

/// For each output position the inputs that make it up.
struct Weights {
  int taps = 0;  ///< weights kept for each position; those not needed are 0
  std::vector<int> first;
  std::vector<int> count;
  std::vector<int32_t> values;  ///< [positions, taps]

  const int32_t* of(int position) const {
    return values.data() + static_cast<size_t>(position) * static_cast<size_t>(taps);
  }
};

int32_t fixed(double weight) {
  const double scaled = weight * (1 << kWeightBits);
  return static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

Weights make_weights(int from, int to, const Filter& filter) {
  const double scale = static_cast<double>(from) / to;
  const double stretch = std::max(1.0, scale);
  const double reach = filter.reach * stretch;
  Weights weights;
  weights.taps = static_cast<int>(std::ceil(reach)) * 2 + 1;
  weights.values.resize(static_cast<size_t>(to) * static_cast<size_t>(weights.taps));
  std::vector<double> exact(static_cast<size_t>(weights.taps));
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - reach + 0.5));
    const int count = std::min(from, static_cast<int>(centre + reach + 0.5)) - first;
    double sum = 0;
    for (int k = 0; k < count; ++k)
      sum += exact[static_cast<size_t>(k)] = filter.weight((first + k - centre + 0.5) * (1.0 / stretch));
    auto* value = weights.values.data() + static_cast<size_t>(i) * static_cast<size_t>(weights.taps);
    for (int k = 0; k < count; ++k)
      value[k] = fixed(sum == 0 ? exact[static_cast<size_t>(k)] : exact[static_cast<size_t>(k)] / sum);
    weights.first.push_back(first);
    weights.count.push_back(count);
  }
  return weights;
}

uint8_t rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp((sum + (1 << (kWeightBits - 1))) >> kWeightBits, 0, 255));
}

Image resize_width(const Image& image, int width, const Filter& filter, ThreadPool& threads) {
  const Weights weights = make_weights(image.width, width, filter);
  Image narrow(width, image.height);
  const int64_t work = int64_t{width} * weights.taps * 3;
  threads.parallel_for(image.height, rows_per_piece(work), [&](int64_t begin, int64_t end) {
    for (auto y = static_cast<int>(begin); y < end; ++y) {
      uint8_t* out = narrow.row(y);
      for (int x = 0; x < width; ++x, out += 3) {
        const uint8_t* in = image.row(y) + 3 * weights.first[static_cast<size_t>(x)];
        const int32_t* weight = weights.of(x);
        int32_t red = 0, green = 0, blue = 0;
        for (int k = 0; k < weights.count[static_cast<size_t>(x)]; ++k, in += 3) {
          red += in[0] * weight[k];
          green += in[1] * weight[k];
          blue += in[2] * weight[k];
        }
        out[0] = rounded(red);
        out[1] = rounded(green);
        out[2] = rounded(blue);
      }
    }
  });
  return narrow;
}

Image resize_height(const Image& image, int height, const Filter& filter, ThreadPool& threads) {
  const Weights weights = make_weights(image.height, height, filter);
  Image flat(image.width, height);
  const size_t row_bytes = image.row_bytes();
  const int64_t work = static_cast<int64_t>(row_bytes) * weights.taps;
  threads.parallel_for(height, rows_per_piece(work), [&](int64_t begin, int64_t end) {
    constexpr size_t kBlock = 512;
    int32_t sums[kBlock];
    for (auto y = static_cast<int>(begin); y < end; ++y)
      for (size_t x = 0; x < row_bytes; x += kBlock) {
        const size_t block = std::min(kBlock, row_bytes - x);
        std::fill_n(sums, block, 0);
        for (int k = 0; k < weights.count[static_cast<size_t>(y)]; ++k) {
          const uint8_t* in = image.row(weights.first[static_cast<size_t>(y)] + k) + x;
          const int32_t weight = weights.of(y)[k];
          for (size_t i = 0; i < block; ++i) sums[i] += in[i] * weight;
        }
        uint8_t* out = flat.row(y) + x;
        for (size_t i = 0; i < block; ++i) out[i] = rounded(sums[i]);
      }
  });
  return flat;
}

/// Rows first, rounded to 8 bits, then columns.
Image resize_by(const Filter& filter, const Image& image, int width, int height, ThreadPool& threads) {
  if (height == image.height) return resize_width(image, width, filter, threads);
  if (width == image.width) return resize_height(image, height, filter, threads);
  return resize_height(resize_width(image, width, filter, threads), height, filter, threads);
}

}  // namespace

Image resize_pillow_bilinear(const Image& image, int width, int height, ThreadPool& threads) {
  return resize_by(kTriangle, image, width, height, threads);
}

Image resize_pillow_bicubic(const Image& image, int width, int height, ThreadPool& threads) {
  return resize_by(kCubic, image, width, height, threads);
}

}  // namespace halftone
