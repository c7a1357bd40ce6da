#include "backend/cpu/int8/code_elements.h"
#include "backend/kernel.h"
#include "ops/requantizer.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  const Storage& out = site.storage_of_output(0);
  if (!out.codes) return "the product is not stored as codes";
  if (requantization(site) == Requantization::fixed) return "fixed-point requantization";
  for (const SiteInput& input : site.inputs) {
    if (!input.storage.codes) return "an input is not stored as codes";
    if (input.storage.order != out.order) return "the order changes";
    if (!(input.type.shape == site.outputs[0].shape)) return "the inputs are broadcast";
  }
  return {};
}

/// Mul on codes (ops/code_pairs.h).
class MulCodes final : public PreparedKernel {
 public:
  MulCodes(const OpSite& site, const CodeElementLoops& loops)
      : loops_(loops),
        a_(*site.inputs[0].storage.codes),
        b_(*site.inputs[1].storage.codes),
        requantizer_(site, {double{a_.scale} * double{b_.scale}}) {}

  void run(const KernelRun& run) const override {
    const uint8_t* a = run.inputs[0].span<uint8_t>().data();
    const uint8_t* b = run.inputs[1].span<uint8_t>().data();
    uint8_t* y = run.outputs[0].span<uint8_t>().data();
    run.threads.parallel_for(run.outputs[0].shape.elements(), 1 << 14, [&](int64_t begin, int64_t end) {
      loops_.multiply({a_.zero, b_.zero, requantizer_.multipliers()[0], requantizer_.zero()}, a + begin,
                      b + begin, y + begin, end - begin);
    });
  }

 private:
  const CodeElementLoops& loops_;
  const CodeScale a_, b_;
  const Requantizer requantizer_;
};

template <const CodeElementLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<MulCodes>(site, kLoops);
}

}  // namespace

#define HALFTONE_MUL_CODES(isa)        \
  extern const Kernel mul_codes_##isa{ \
      "mul_codes_" #isa, "Mul", Isa::isa, supports, prepare<code_elements_##isa>, true};
#if defined(__x86_64__)
HALFTONE_MUL_CODES(avx512vnni)
HALFTONE_MUL_CODES(avx2)
#elif defined(__aarch64__)
HALFTONE_MUL_CODES(neondot)
#endif

}  // namespace halftone::cpu
