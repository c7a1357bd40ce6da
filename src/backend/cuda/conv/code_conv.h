#pragma once

#include "backend/cuda/conv/conv_site.h"
#include "backend/cuda/cuda.h"
#include "ops/integer_weights.h"

namespace halftone::cuda {

/// Integer weights and the end of their sums, of plain codes (`plain`) or of codes less their zero.
class CodeConv : public CudaKernel {
 public:
  CodeConv(const OpSite& site, IntegerWeights integers, bool plain);

  bool keeps(size_t i) const override { return i == 1 || i == 2 || i == kConvGains; }
  size_t packed_bytes() const override { return uploads_.bytes(); }

 protected:
  CodeEnd end_of(const KernelRun& run) const;

  Uploads uploads_;
  CodeScale input_;
  IntegerWeights integers_;
  CodeEnd end_{};
};

/// The kernel of conv_gemm.cu that reads X as widely as it lies, at the tile that fills the device. `kernels`
/// are those of tile 64 by 16, 4 and 1 codes, then those of tile 32.
template <class Args>
void launch_code_conv(Device& device, const Args& args, int64_t groups, int64_t channels,
                      const DeviceKernel<Args>* const (&kernels)[6]) {
  const int tile = conv_tile(args.at, groups, device.chip());
  const auto reads = [&](int64_t n) {
    return args.at.x_channel == 1 && channels % n == 0 && args.at.group_inputs % n == 0 &&
           reinterpret_cast<uintptr_t>(args.x) % static_cast<uintptr_t>(n) == 0;
  };
  const int width = reads(16) ? 0 : reads(4) ? 1 : 2;
  device.launch(*kernels[width + (tile == kConvSmallTile ? 3 : 0)], conv_launch(args.at, groups, tile), args);
}
inline constexpr const DeviceKernel<CodeConvArgs>* kCodeConvKernels[6] = {
    &conv_s8_64_v16, &conv_s8_64_v4, &conv_s8_64_v1, &conv_s8_32_v16, &conv_s8_32_v4, &conv_s8_32_v1};

}  // namespace halftone::cuda
