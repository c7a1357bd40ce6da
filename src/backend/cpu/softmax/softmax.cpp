#include "backend/cpu/float_site.h"
#include "backend/cpu/softmax/softmax_loops.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  const Shape& shape = site.input_shape(0);
  const int64_t axis = site.attributes->get_int("axis", -1);
  if (axis != -1 && axis != shape.rank() - 1) return fmt::format("axis {} is not the last", axis);
  return not_all_f32(site, 1);
}

class SoftmaxKernel : public PreparedKernel {
 public:
  explicit SoftmaxKernel(const SoftmaxLoops& loops) : loops_(loops) {}

  void run(const KernelRun& run) const override {
    const int64_t elements = run.outputs[0].shape.elements();
    if (elements == 0) return;
    const int64_t width = run.outputs[0].shape.back();
    const float* x = run.inputs[0].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    run.threads.parallel_for(elements / width, row_grain(width), [&](int64_t begin, int64_t end) {
      loops_.rows(x + begin * width, y + begin * width, end - begin, width);
    });
  }

 private:
  const SoftmaxLoops& loops_;
};

template <const SoftmaxLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<SoftmaxKernel>(kLoops);
}

}  // namespace

#if defined(__x86_64__)
extern const Kernel softmax_avx512vnni{"softmax_avx512vnni", "Softmax", Isa::avx512vnni, supports,
                                       prepare<softmax_avx512vnni_loops>};
extern const Kernel softmax_avx2{"softmax_avx2", "Softmax", Isa::avx2, supports, prepare<softmax_avx2_loops>};
#elif defined(__aarch64__)
extern const Kernel softmax_neon{"softmax_neon", "Softmax", Isa::neon, supports, prepare<softmax_neon_loops>};
#endif

}  // namespace halftone::cpu
