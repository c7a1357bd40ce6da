#include <array>

#include "backend/cpu/float_site.h"
#include "backend/kernel.h"
#include "base/checked.h"
#include "scheme/bf16/rounded_bf16.h"

// Convolutions of values rounded to bf16 where the processor does not multiply such numbers: rounded as f32,
// then convolved as f32.

namespace halftone::cpu {

#if defined(__x86_64__)
extern const Kernel conv_float_avx512vnni, conv_float_avx2;
#elif defined(__aarch64__)
extern const Kernel conv_float_neon;
#endif

namespace {

OpSite as_it_comes(const OpSite& site) {
  OpSite plain = site;
  plain.inputs[0].encoding = nullptr;
  return plain;
}

template <const Kernel& kFloat>
Refusal supports(const OpSite& site) {
  if (!site.inputs[0].encoding || !is_rounded_bf16(*site.inputs[0].encoding))
    return "X is not rounded to bf16";
  return kFloat.supports(as_it_comes(site));
}

class RoundedConv final : public PreparedKernel {
 public:
  explicit RoundedConv(std::unique_ptr<PreparedKernel> conv) : conv_(std::move(conv)) {}

  bool keeps(size_t i) const override { return conv_->keeps(i); }
  size_t packed_bytes() const override { return conv_->packed_bytes(); }
  size_t workspace_bytes(const OpSite& site) const override {
    return rounded_bytes(site.input_shape(0)) + conv_->workspace_bytes(as_it_comes(site));
  }

  void run(const KernelRun& run) const override {
    const Operand& x = run.inputs[0];
    auto* rounded = reinterpret_cast<float*>(run.workspace.data());
    parallel_floats(run.threads, x.tensor.shape.elements(), [&](int64_t begin, int64_t end) {
      round_to_bf16(x.span<float>().subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)),
                    rounded + begin);
    });
    std::array<Operand, 4> inputs;
    for (size_t i = 0; i < run.inputs.size(); ++i) inputs[i] = run.inputs[i];
    inputs[0].tensor.data = run.workspace.data();
    const OpSite site = as_it_comes(run.site);
    conv_->run({site, std::span(inputs).first(run.inputs.size()), run.outputs,
                run.workspace.subspan(rounded_bytes(x.tensor.shape)), run.threads});
  }

 private:
  static size_t rounded_bytes(const Shape& x) {
    return round_up(static_cast<size_t>(x.elements()) * sizeof(float), size_t{64});
  }

  std::unique_ptr<PreparedKernel> conv_;
};

template <const Kernel& kFloat>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<RoundedConv>(kFloat.prepare(as_it_comes(site), threads));
}

}  // namespace

#define HALFTONE_CONV_ROUNDED(isa)        \
  extern const Kernel conv_rounded_##isa{ \
      "conv_rounded_" #isa, "Conv", Isa::isa, supports<conv_float_##isa>, prepare<conv_float_##isa>, true};

#if defined(__x86_64__)
HALFTONE_CONV_ROUNDED(avx512vnni)
HALFTONE_CONV_ROUNDED(avx2)
#elif defined(__aarch64__)
HALFTONE_CONV_ROUNDED(neon)
#endif

}  // namespace halftone::cpu
