#include <cmath>

#include "backend/cpu/float_site.h"
#include "backend/cpu/maps/maps_loops.h"
#include "backend/map_site.h"

namespace halftone::cpu {
namespace {

class MapKernel : public PreparedKernel {
 public:
  MapKernel(const OpSite& site, const MapLoops& loops) : loops_(loops), map_(map_of_site(site)) {}

  void run(const KernelRun& run) const override {
    const float* x = run.inputs[0].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    float a = map_.a, b = map_.b;
    if (map_.kind == Map::clip) {
      a = run.site.has_input(1) ? run.inputs[1].span<float>()[0] : -INFINITY;
      b = run.site.has_input(2) ? run.inputs[2].span<float>()[0] : INFINITY;
    }
    parallel_floats(run.threads, run.outputs[0].shape.elements(), [&](int64_t begin, int64_t end) {
      loops_.apply(map_.kind, a, b, x + begin, y + begin, end - begin);
    });
  }

 private:
  const MapLoops& loops_;
  MapOfSite map_;
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = mixed_order_refusal(site); !refusal.empty()) return refusal;
  return not_all_f32(site, site.inputs.size());
}

template <const MapLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<MapKernel>(site, kLoops);
}

}  // namespace

#define HALFTONE_MAP_KERNEL(name, op, isa) \
  extern const Kernel name##_##isa{#name "_" #isa, op, Isa::isa, supports, prepare<map_loops_##isa>, true};

#define HALFTONE_MAP_KERNELS(isa)                    \
  HALFTONE_MAP_KERNEL(abs, "Abs", isa)               \
  HALFTONE_MAP_KERNEL(acos, "Acos", isa)             \
  HALFTONE_MAP_KERNEL(acosh, "Acosh", isa)           \
  HALFTONE_MAP_KERNEL(asin, "Asin", isa)             \
  HALFTONE_MAP_KERNEL(asinh, "Asinh", isa)           \
  HALFTONE_MAP_KERNEL(atan, "Atan", isa)             \
  HALFTONE_MAP_KERNEL(atanh, "Atanh", isa)           \
  HALFTONE_MAP_KERNEL(ceil, "Ceil", isa)             \
  HALFTONE_MAP_KERNEL(celu, "Celu", isa)             \
  HALFTONE_MAP_KERNEL(clip, "Clip", isa)             \
  HALFTONE_MAP_KERNEL(cos, "Cos", isa)               \
  HALFTONE_MAP_KERNEL(cosh, "Cosh", isa)             \
  HALFTONE_MAP_KERNEL(elu, "Elu", isa)               \
  HALFTONE_MAP_KERNEL(erf, "Erf", isa)               \
  HALFTONE_MAP_KERNEL(exp, "Exp", isa)               \
  HALFTONE_MAP_KERNEL(floor, "Floor", isa)           \
  HALFTONE_MAP_KERNEL(log, "Log", isa)               \
  HALFTONE_MAP_KERNEL(mish, "Mish", isa)             \
  HALFTONE_MAP_KERNEL(neg, "Neg", isa)               \
  HALFTONE_MAP_KERNEL(reciprocal, "Reciprocal", isa) \
  HALFTONE_MAP_KERNEL(relu, "Relu", isa)             \
  HALFTONE_MAP_KERNEL(round, "Round", isa)           \
  HALFTONE_MAP_KERNEL(selu, "Selu", isa)             \
  HALFTONE_MAP_KERNEL(sign, "Sign", isa)             \
  HALFTONE_MAP_KERNEL(sin, "Sin", isa)               \
  HALFTONE_MAP_KERNEL(sinh, "Sinh", isa)             \
  HALFTONE_MAP_KERNEL(softplus, "Softplus", isa)     \
  HALFTONE_MAP_KERNEL(softsign, "Softsign", isa)     \
  HALFTONE_MAP_KERNEL(sqrt, "Sqrt", isa)             \
  HALFTONE_MAP_KERNEL(tan, "Tan", isa)               \
  HALFTONE_MAP_KERNEL(thresholded_relu, "ThresholdedRelu", isa)

#if defined(__x86_64__)
HALFTONE_MAP_KERNELS(avx512vnni)
HALFTONE_MAP_KERNELS(avx2)
#elif defined(__aarch64__)
HALFTONE_MAP_KERNELS(neon)
#endif

}  // namespace halftone::cpu
