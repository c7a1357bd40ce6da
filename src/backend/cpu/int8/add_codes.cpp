#include "backend/cpu/int8/code_elements.h"
#include "backend/kernel.h"
#include "ops/code_sum.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  const Storage& out = site.storage_of_output(0);
  if (!out.codes) return "the sum is not stored as codes";
  for (const SiteInput& input : site.inputs) {
    if (!input.storage.codes) return "an input is not stored as codes";
    if (input.storage.order != out.order) return "the order changes";
    if (!(input.type.shape == site.outputs[0].shape)) return "the inputs are broadcast";
  }
  return {};
}

/// Add on codes, in integers.
class AddCodes final : public PreparedKernel {
 public:
  AddCodes(const OpSite& site, const CodeElementLoops& loops)
      : loops_(loops),
        sum_(*site.inputs[0].storage.codes, *site.inputs[1].storage.codes, *site.storage_of_output(0).codes) {
  }

  void run(const KernelRun& run) const override {
    const uint8_t* a = run.inputs[0].span<uint8_t>().data();
    const uint8_t* b = run.inputs[1].span<uint8_t>().data();
    uint8_t* y = run.outputs[0].span<uint8_t>().data();
    run.threads.parallel_for(run.outputs[0].shape.elements(), 1 << 14, [&](int64_t begin, int64_t end) {
      loops_.add(sum_.a, sum_.b, sum_.offset, sum_.shift, a + begin, b + begin, y + begin, end - begin);
    });
  }

 private:
  const CodeElementLoops& loops_;
  CodeSum sum_;
};

template <const CodeElementLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<AddCodes>(site, kLoops);
}

}  // namespace

#define HALFTONE_ADD_CODES(isa)        \
  extern const Kernel add_codes_##isa{ \
      "add_codes_" #isa, "Add", Isa::isa, supports, prepare<code_elements_##isa>, true};
#if defined(__x86_64__)
HALFTONE_ADD_CODES(avx512vnni)
HALFTONE_ADD_CODES(avx2)
#elif defined(__aarch64__)
HALFTONE_ADD_CODES(neondot)
#endif

}  // namespace halftone::cpu
