#pragma once

#include <vector>

#include "backend/cpu/int8/code_depthwise.h"
#include "backend/cpu/packed_memory.h"
#include "ops/integer_weights.h"
#include "ops/requantizer.h"

namespace halftone::cpu {

/// The arrays of a CodeFinish, in the places that `outputs` gives (-1: padding), and owned.
class FinishArrays {
 public:
  FinishArrays(const Requantizer& requantizer, const std::vector<int64_t>& outputs,
               const IntegerResidual& residual = {});

  /// From the place `first` on.
  CodeFinish at(int64_t first) const;
  size_t bytes() const;

 private:
  std::vector<float> multipliers_, below_, gains_;
  std::vector<int32_t> mantissas_, shifts_, mantissas_below_, shifts_below_, residual_factors_;
  std::vector<uint8_t> table_;
  CodeFinish finish_{};
};

/// Weights of `groups` times a matrix [outputs, taps of channels], packed for CodeTile.
class CodeWeights {
 public:
  struct Extent {
    int64_t groups, outputs, channels, taps;  ///< outputs and channels of one group
  };
  /// Codes of `weights` lie as [groups * outputs, channels, taps], as a convolution has them. The packed
  /// form is that of `loops`.
  CodeWeights(const IntegerWeights& weights, const Requantizer& requantizer, const CodeScale& input,
              const Extent& extent, const CodeLoops& loops, const IntegerResidual& residual = {});

  const Extent& extent() const { return extent_; }
  const CodeLoops& loops() const { return loops_; }
  int64_t quads() const { return quads_; }
  int64_t panels() const { return panels_; }               ///< of a group
  size_t scratch_bytes() const { return scratch_bytes_; }  ///< of a tile
  /// Panels [first, first + panels) of a group; rows, counts and strides are left to the caller.
  CodeTile tile(int64_t group, int64_t first, int64_t panels) const;
  CodeFinish finish(int64_t group, int64_t first_panel) const {
    return finish_.at((group * padded_panels_ + first_panel) * kCodePanel);
  }
  size_t bytes() const { return codes_.size() + bias_.size() * sizeof(int32_t) + finish_.bytes(); }

 private:
  Extent extent_;
  const CodeLoops& loops_;
  int64_t quads_, panels_, padded_panels_, panel_bytes_;
  size_t scratch_bytes_;
  PackedMemory codes_;
  std::vector<int32_t> bias_;
  FinishArrays finish_;
};

/// The same for CodeDepthwise: one weight a tap for each channel.
class CodeDepthwiseWeights {
 public:
  CodeDepthwiseWeights(const IntegerWeights& weights, const Requantizer& requantizer, const CodeScale& input,
                       const CodeDepthwiseLoops& loops);

  int64_t taps() const { return taps_; }  ///< padded
  CodeDepthwise work() const;
  CodeFinish finish() const { return finish_.at(0); }
  size_t bytes() const { return codes_.size() + bias_.size() * sizeof(int32_t) + finish_.bytes(); }

 private:
  int64_t channels_, taps_;
  PackedMemory codes_;
  std::vector<int32_t> bias_;
  FinishArrays finish_;
};

}  // namespace halftone::cpu
