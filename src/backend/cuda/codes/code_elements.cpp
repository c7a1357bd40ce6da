#include <array>

#include "backend/code_table.h"
#include "backend/cuda/codes/code_elements_kernels.h"
#include "backend/cuda/codes/upload.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "ops/code_pairs.h"

namespace halftone::cuda {
namespace {

class CodeElements : public CudaKernel {
 public:
  CodeElements() : uploads_(device()) {}
  size_t packed_bytes() const override { return uploads_.bytes(); }

 protected:
  static CodeElementsArgs codes_of(const KernelRun& run, bool pairs) {
    const auto count_of = [&](size_t i) { return run.site.input_shape(i).elements(); };
    CodeElementsArgs codes{};
    codes.a = pointer<uint8_t>(run.inputs[0]);
    codes.b = pairs ? pointer<uint8_t>(run.inputs[1]) : nullptr;
    codes.y = pointer<uint8_t>(run.outputs[0]);
    codes.count = run.outputs[0].shape.elements();
    codes.a_count = count_of(0);
    codes.b_count = pairs ? count_of(1) : codes.count;
    codes.words = codes.count % 4 == 0 && codes.a_count == codes.count && codes.b_count == codes.count &&
                  all_aligned_16(codes.a, codes.b, codes.y);
    return codes;
  }
  template <class Args>
  void launch(const DeviceKernel<Args>& kernel, const Args& args) const {
    if (args.codes.count == 0) return;
    device().launch(kernel, thread_each(args.codes.words ? args.codes.count / 4 : args.codes.count), args);
  }
  Uploads uploads_;
};

/// Any operator that maps each number by itself: a table of what its reference makes of each code.
class MapCodes final : public CodeElements {
 public:
  explicit MapCodes(const OpSite& site) {
    const std::array<uint8_t, 256> table = code_table(site);
    table_ = uploads_.add(std::vector<uint8_t>(table.begin(), table.end()), "a table of codes");
  }
  void run(const KernelRun& run) const override { launch(map_codes_kernel, {codes_of(run, false), table_}); }

 private:
  const uint8_t* table_;
};

class AddCodes final : public CodeElements {
 public:
  explicit AddCodes(const OpSite& site)
      : sum_(*site.inputs[0].storage.codes, *site.inputs[1].storage.codes, *site.storage_of_output(0).codes) {
  }
  void run(const KernelRun& run) const override {
    launch(add_codes_kernel, {codes_of(run, true), sum_.a, sum_.b, sum_.offset, sum_.shift});
  }

 private:
  CodeSum sum_;
};

class MulCodes final : public CodeElements {
 public:
  explicit MulCodes(const OpSite& site)
      : a_(*site.inputs[0].storage.codes),
        b_(*site.inputs[1].storage.codes),
        requantizer_(upload_requantizer(Requantizer(site, {double{a_.scale} * double{b_.scale}}), uploads_)) {
  }
  void run(const KernelRun& run) const override {
    launch(mul_codes_kernel, {codes_of(run, true), a_.zero, b_.zero, requantizer_});
  }

 private:
  CodeScale a_, b_;
  DeviceRequantizer requantizer_;
};

Refusal supports_map(const OpSite& site) {
  if (!site.inputs[0].storage.codes || !site.storage_of_output(0).codes) return "not from codes to codes";
  if (site.inputs[0].storage.order != site.storage_of_output(0).order) return "the order changes";
  for (size_t i = 1; i < site.inputs.size(); ++i)
    if (site.has_input(i) && !site.inputs[i].constant) return "a parameter is not a constant";
  return {};
}

template <const IntegerMeaning& kMeaning>
Refusal supports_pairs(const OpSite& site) {
  const Storage::Order order = site.storage_of_output(0).order;
  for (const SiteInput& input : site.inputs) {
    if (input.storage.order != order) return "the order changes";
    if (order != Storage::Order::planar && !(input.type.shape == site.outputs[0].shape))
      return "the inputs are broadcast channels-last";
  }
  return kMeaning.refusal(site);
}

template <class K>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<K>(site);
}

}  // namespace

extern const Kernel add_codes{"add_codes",       "Add", Isa::scalar, supports_pairs<add_on_codes>,
                              prepare<AddCodes>, true};
extern const Kernel mul_codes{"mul_codes",       "Mul", Isa::scalar, supports_pairs<mul_on_codes>,
                              prepare<MulCodes>, true};

#define HALFTONE_MAP_CODES(name, op) \
  extern const Kernel name##_codes{#name "_codes", op, Isa::scalar, supports_map, prepare<MapCodes>, true};
HALFTONE_MAP_CODES(clip, "Clip")
HALFTONE_MAP_CODES(erf, "Erf")
HALFTONE_MAP_CODES(gelu, "Gelu")
HALFTONE_MAP_CODES(hard_sigmoid, "HardSigmoid")
HALFTONE_MAP_CODES(hard_swish, "HardSwish")
HALFTONE_MAP_CODES(leaky_relu, "LeakyRelu")
HALFTONE_MAP_CODES(relu, "Relu")
HALFTONE_MAP_CODES(sigmoid, "Sigmoid")
HALFTONE_MAP_CODES(swish, "Swish")
HALFTONE_MAP_CODES(tanh, "Tanh")

}  // namespace halftone::cuda
