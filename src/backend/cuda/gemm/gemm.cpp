#include "ops/gemm/gemm.h"

#include <algorithm>

#include "backend/cuda/float_types.h"
#include "backend/cuda/gemm/addend.h"
#include "backend/cuda/gemm/few_products.h"
#include "backend/cuda/gemm/library_product.h"
#include "backend/cuda/gemm/many_product.h"
#include "backend/cuda/gemm/pack_weights.h"
#include "backend/cuda/gemm/some_product.h"
#include "core/short_floats.h"

namespace halftone::cuda {
namespace {

/// Every Gemm by constant weights whose activations are floating.
class Gemm : public CudaKernel {
 public:
  Gemm(const OpSite& site, ThreadPool& threads) : addend_(site) {
    const bool transposed = site.attributes->get_int("transB", 0) != 0;
    const PackedWeights packed =
        pack_weights(device(), *site.inputs[1].constant, transposed, std::string(site.name), threads);
    weights_memory_ = packed.memory;
    weights_ = packed.view;
    bytes_ = packed.bytes;
    if (addend_.constant().empty()) return;
    c_memory_ = upload(addend_.constant().view().bytes(), fmt::format("C of {}", site.name));
    bytes_ += addend_.constant().size_bytes();
  }

  bool keeps(size_t i) const override { return i == 1 || (i == 2 && c_memory_); }
  size_t packed_bytes() const override { return bytes_; }
  size_t workspace_bytes(const OpSite& site) const override {
    const auto m = static_cast<int>(gemm_extent(site).m);
    const FloatType type = float_type(site.inputs[0].type.dtype);
    if (by_few(m, type)) return 0;
    if (multiplied_by_library(device(), weights_, m)) return library_workspace(device(), weights_, m, type);
    return multiplied_by_some(device(), weights_, m) ? some_workspace(weights_, m)
                                                     : many_workspace(device(), weights_, m);
  }

  void run(const KernelRun& run) const override {
    const GemmOutput out = addend_.output(run, c_memory_.get());
    if (out.m == 0) return;
    const Floats a = floats_of(run.inputs[0]);
    if (by_few(out.m, a.type))
      multiply_few(device(), weights_, pointer<float>(run.inputs[0]), out);
    else if (multiplied_by_library(device(), weights_, out.m))
      multiply_by_library(device(), weights_, a, out, run.workspace.data());
    else if (multiplied_by_some(device(), weights_, out.m))
      multiply_some(device(), weights_, a, out, run.workspace.data());
    else
      multiply_many(device(), weights_, a, out, run.workspace.data());
  }

 private:
  /// Its kernels are those of decoding, whose activations are f32.
  static bool by_few(int m, FloatType type) { return m <= kFewRows && type == FloatType::f32; }

  Addend addend_;
  std::shared_ptr<std::byte> weights_memory_, c_memory_;
  WeightsView weights_;
  size_t bytes_ = 0;
};

Refusal supports(const OpSite& site) {
  if (site.attributes->get_int("transA", 0) != 0) return "transA is 1";
  const DType dtype = site.inputs[0].type.dtype;
  if (!is_f32_or_short(dtype)) return fmt::format("A is {}", dtype_name(dtype));
  if (site.inputs[0].constant) return "A is a constant";
  if (site.inputs[0].encoding) return "A has a dynamic encoding";
  if (!site.inputs[1].constant) return "B is not a constant";
  if (site.has_input(2) && !site.inputs[2].constant && site.inputs[2].type.dtype != dtype)
    return fmt::format("C is {}, A {}", dtype_name(site.inputs[2].type.dtype), dtype_name(dtype));
  return packing_refusal(*site.inputs[1].constant, site.attributes->get_int("transB", 0) != 0);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<Gemm>(site, threads);
}

}  // namespace

extern const Kernel gemm{"gemm", "Gemm", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
