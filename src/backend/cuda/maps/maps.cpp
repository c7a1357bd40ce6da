#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/maps/maps_kernels.h"
#include "backend/float_site.h"
#include "backend/map_site.h"

namespace halftone::cuda {
namespace {

class MapKernel final : public CudaKernel {
 public:
  explicit MapKernel(const OpSite& site) : map_(map_of_site(site)) {}

  void run(const KernelRun& run) const override {
    switch (run.outputs[0].dtype) {
      case DType::i32:
        return launch_integers<int32_t>(map_i32, run);
      case DType::i64:
        return launch_integers<int64_t>(map_i64, run);
      default:
        return launch(map_floats, run, [](const auto& stored) { return floats_of(stored); });
    }
  }

 private:
  template <class T>
  void launch_integers(const DeviceKernel<MapArgs<const T*, T*>>& kernel, const KernelRun& run) const {
    launch(kernel, run, [](const auto& stored) { return pointer<T>(stored); });
  }
  /// `of`: what the kernel sees of an operand or a result.
  template <class Args, class Of>
  void launch(const DeviceKernel<Args>& kernel, const KernelRun& run, Of of) const {
    const int64_t count = run.outputs[0].shape.elements();
    if (count == 0) return;
    const auto bound = [&](size_t i) { return of(i < run.inputs.size() ? run.inputs[i] : Operand{}); };
    const bool wide = all_aligned_16(run.inputs[0].tensor.data, run.outputs[0].data);
    device().launch(
        kernel, thread_each((count + 3) / 4),
        {of(run.inputs[0]), of(run.outputs[0]), bound(1), bound(2), count, map_.kind, map_.a, map_.b, wide});
  }

  MapOfSite map_;
};

/// All maps take floats, a few i32 and i64 besides.
Refusal supports(const OpSite& site) {
  if (Refusal refusal = mixed_order_refusal(site); !refusal.empty()) return refusal;
  const DType dtype = site.outputs[0].dtype;
  if (dtype != DType::i32 && dtype != DType::i64) return not_one_float(site, site.inputs.size());
  for (const SiteInput& input : site.inputs)
    if (input.encoding) return "an input is encoded as " + input.encoding->str();
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<MapKernel>(site);
}

}  // namespace

#define HALFTONE_CUDA_MAP(variable, name, op) \
  extern const Kernel variable{name, op, Isa::scalar, supports, prepare, true};
HALFTONE_CUDA_MAP(abs_map, "abs", "Abs")
HALFTONE_CUDA_MAP(acos_map, "acos", "Acos")
HALFTONE_CUDA_MAP(acosh_map, "acosh", "Acosh")
HALFTONE_CUDA_MAP(asin_map, "asin", "Asin")
HALFTONE_CUDA_MAP(asinh_map, "asinh", "Asinh")
HALFTONE_CUDA_MAP(atan_map, "atan", "Atan")
HALFTONE_CUDA_MAP(atanh_map, "atanh", "Atanh")
HALFTONE_CUDA_MAP(ceil_map, "ceil", "Ceil")
HALFTONE_CUDA_MAP(celu, "celu", "Celu")
HALFTONE_CUDA_MAP(clip, "clip", "Clip")
HALFTONE_CUDA_MAP(cos_map, "cos", "Cos")
HALFTONE_CUDA_MAP(cosh_map, "cosh", "Cosh")
HALFTONE_CUDA_MAP(elu, "elu", "Elu")
HALFTONE_CUDA_MAP(erf_map, "erf", "Erf")
HALFTONE_CUDA_MAP(exp_map, "exp", "Exp")
HALFTONE_CUDA_MAP(floor_map, "floor", "Floor")
HALFTONE_CUDA_MAP(log_map, "log", "Log")
HALFTONE_CUDA_MAP(mish, "mish", "Mish")
HALFTONE_CUDA_MAP(neg, "neg", "Neg")
HALFTONE_CUDA_MAP(reciprocal, "reciprocal", "Reciprocal")
HALFTONE_CUDA_MAP(relu, "relu", "Relu")
HALFTONE_CUDA_MAP(round_map, "round", "Round")
HALFTONE_CUDA_MAP(selu, "selu", "Selu")
HALFTONE_CUDA_MAP(sign, "sign", "Sign")
HALFTONE_CUDA_MAP(sin_map, "sin", "Sin")
HALFTONE_CUDA_MAP(sinh_map, "sinh", "Sinh")
HALFTONE_CUDA_MAP(softplus, "softplus", "Softplus")
HALFTONE_CUDA_MAP(softsign, "softsign", "Softsign")
HALFTONE_CUDA_MAP(sqrt_map, "sqrt", "Sqrt")
HALFTONE_CUDA_MAP(tan_map, "tan", "Tan")
HALFTONE_CUDA_MAP(thresholded_relu, "thresholded_relu", "ThresholdedRelu")

}  // namespace halftone::cuda
