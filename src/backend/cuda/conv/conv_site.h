#pragma once

#include "backend/cuda/codes/upload.h"
#include "backend/cuda/conv/conv_kernels.h"
#include "backend/kernel.h"
#include "ops/conv/conv.h"

namespace halftone::cuda {

/// Why a Conv has no ConvGeometry, or is not of constant weights; empty when it is.
Refusal conv_refusal(const OpSite& site);
/// X, R and Y not of one type, f32, f16 or bf16, or codes among them.
Refusal float_conv_refusal(const OpSite& site);
/// Not one channel a group with X, R and Y channels-last.
Refusal depthwise_refusal(const OpSite& site);

/// At concrete shapes. UnsupportedError for a picture of 2^31 elements or more.
ConvGeometry conv_geometry(const OpSite& site);
/// Rows times a matrix, as a convolution of one tap over a line of places.
ConvGeometry row_geometry(const OpSite& site, int64_t rows, int64_t columns, int64_t outputs);

/// Places and outputs of a block: as many as leave no multiprocessor without one.
int conv_tile(const ConvGeometry& at, int64_t groups, const Chip& chip);
Launch conv_launch(const ConvGeometry& at, int64_t groups, int tile);

/// The sizes of the matrices of weights.
struct ConvColumns {
  int64_t groups, group_outputs, group_inputs, taps;
};
ConvColumns conv_columns(const ConvExtent& extent);

/// [outputs][group_inputs][taps] as fragments. `scales` gets the power of two that each output's largest
/// weight has, which its f16 leave out.
std::vector<uint32_t> pack_f16(const ConvColumns& columns, std::span<const float> weights,
                               std::vector<float>& scales, ConvWeights& shape);
/// The same rounded to bf16 under scales of 1.
std::vector<uint32_t> pack_bf16(const ConvColumns& columns, std::span<const float> weights,
                                std::vector<float>& scales, ConvWeights& shape);
std::vector<uint32_t> pack_s8(const ConvColumns& columns, std::span<const int8_t> weights,
                              ConvWeights& shape);

/// [outputs][1][taps] as [taps][outputs].
template <class T>
std::vector<T> taps_first(std::span<const T> weights, int64_t outputs) {
  const auto count = static_cast<size_t>(outputs), taps = weights.size() / count;
  std::vector<T> turned(weights.size());
  for (size_t o = 0; o < count; ++o)
    for (size_t t = 0; t < taps; ++t) turned[t * count + o] = weights[o * taps + t];
  return turned;
}

}  // namespace halftone::cuda
