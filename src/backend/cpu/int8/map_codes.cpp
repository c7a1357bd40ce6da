#include <array>

#include "backend/code_table.h"
#include "backend/cpu/int8/code_elements.h"
#include "backend/kernel.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  if (!site.inputs[0].storage.codes || !site.storage_of_output(0).codes) return "not from codes to codes";
  if (site.inputs[0].storage.order != site.storage_of_output(0).order) return "the order changes";
  for (size_t i = 1; i < site.inputs.size(); ++i)
    if (site.has_input(i) && !site.inputs[i].constant) return "a parameter is not a constant";
  return {};
}

/// Any operator that maps each number by itself: a table of what its reference makes of each code.
class MapCodes final : public PreparedKernel {
 public:
  MapCodes(const OpSite& site, const CodeElementLoops& loops) : loops_(loops), table_(code_table(site)) {}

  void run(const KernelRun& run) const override {
    const uint8_t* x = run.inputs[0].span<uint8_t>().data();
    uint8_t* y = run.outputs[0].span<uint8_t>().data();
    run.threads.parallel_for(run.outputs[0].shape.elements(), 1 << 15, [&](int64_t begin, int64_t end) {
      loops_.map(table_.data(), x + begin, y + begin, end - begin);
    });
  }

 private:
  const CodeElementLoops& loops_;
  alignas(64) std::array<uint8_t, 256> table_{};
};

template <const CodeElementLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<MapCodes>(site, kLoops);
}

}  // namespace

#define HALFTONE_MAP_CODES(name, op, isa)                                                       \
  extern const Kernel name##_codes_##isa{#name "_codes_" #isa,         op,  Isa::isa, supports, \
                                         prepare<code_elements_##isa>, true};
#define HALFTONE_MAPS_CODES(isa)                       \
  HALFTONE_MAP_CODES(clip, "Clip", isa)                \
  HALFTONE_MAP_CODES(erf, "Erf", isa)                  \
  HALFTONE_MAP_CODES(gelu, "Gelu", isa)                \
  HALFTONE_MAP_CODES(hard_sigmoid, "HardSigmoid", isa) \
  HALFTONE_MAP_CODES(hard_swish, "HardSwish", isa)     \
  HALFTONE_MAP_CODES(leaky_relu, "LeakyRelu", isa)     \
  HALFTONE_MAP_CODES(relu, "Relu", isa)                \
  HALFTONE_MAP_CODES(sigmoid, "Sigmoid", isa)          \
  HALFTONE_MAP_CODES(swish, "Swish", isa)              \
  HALFTONE_MAP_CODES(tanh, "Tanh", isa)
#if defined(__x86_64__)
HALFTONE_MAPS_CODES(avx512vnni)
HALFTONE_MAPS_CODES(avx2)
#elif defined(__aarch64__)
HALFTONE_MAPS_CODES(neondot)
#endif

}  // namespace halftone::cpu
