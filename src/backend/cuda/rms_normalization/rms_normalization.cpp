#include <algorithm>

#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/rms_normalization/rms_normalization_kernels.h"
#include "backend/float_site.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

template <bool skip>
class RmsNormalization : public CudaKernel {
 public:
  explicit RmsNormalization(const OpSite& site)
      : epsilon_(site.attributes->get_float("epsilon", 1e-5f)),
        constant_scale_(site.inputs[skip ? 2 : 1].constant != nullptr) {}

  void run(const KernelRun& run) const override {
    const int64_t width = run.outputs[0].shape.back(), elements = run.outputs[0].shape.elements();
    if (elements == 0) return;
    RmsNormalizationArgs args{};
    args.x = run.inputs[0].tensor.data;
    args.scale = run.inputs[skip ? 2 : 1].tensor.data;
    args.y = run.outputs[0].data;
    if (skip) {
      args.skip = run.inputs[1].tensor.data;
      args.sum = run.outputs[1].data;
    }
    args.width = static_cast<int>(width);
    args.epsilon = epsilon_;
    args.wide = width % 4 == 0 && all_aligned_16(args.x, args.scale, args.y, args.skip, args.sum);
    args.constant_scale = constant_scale_;
    const int64_t rows = elements / width, items = args.wide ? width / 4 : width;
    // Few rows leave SMs idle: the more threads share one, the sooner it is done.
    const bool few = rows <= device().chip().multiprocessors;
    const int threads =
        few ? static_cast<int>(std::clamp<int64_t>(round_up(items, int64_t{kWarp}), kWarp, 1024))
            : row_threads(items);
    device().launch(
        of_type(run.outputs[0].dtype, rms_normalization_f32, rms_normalization_f16, rms_normalization_bf16),
        {{static_cast<int>(rows)}, threads, kRmsNormalizationShared}, args);
  }

 private:
  float epsilon_;
  bool constant_scale_;
};

Refusal supports(const OpSite& site) {
  const Refusal refusal = not_last_axis(site);
  return refusal.empty() ? not_one_float(site, 2) : refusal;
}

Refusal supports_skip(const OpSite& site) {
  return not_one_float(site, 3);
}

template <bool skip>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<RmsNormalization<skip>>(site);
}

}  // namespace

extern const Kernel rms_normalization{"rms_normalization", "RMSNormalization", Isa::scalar, supports,
                                      prepare<false>};
extern const Kernel skip_rms_normalization{"skip_rms_normalization", "SkipRMSNormalization", Isa::scalar,
                                           supports_skip, prepare<true>};

}  // namespace halftone::cuda
