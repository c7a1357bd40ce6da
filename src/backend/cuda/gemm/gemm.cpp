#include "ops/gemm/gemm.h"

#include <algorithm>

#include "backend/cuda/gemm/addend.h"
#include "backend/cuda/gemm/few_products.h"
#include "backend/cuda/gemm/library_product.h"
#include "backend/cuda/gemm/many_tokens_kernels.h"
#include "backend/cuda/gemm/pack_weights.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

/// Blocks of many_tokens that an SM should have, by sharing the columns out to more of them; each keeps this
/// many steps at least.
constexpr int64_t kBlocksAnSm = 3, kLeastSteps = 8;

const DeviceKernel<ManyTokensArgs>& many_tokens_kernel(WeightKind kind, int tokens) {
  const bool few = tokens == 16;
  switch (kind) {
    case WeightKind::int8:
      return few ? many_tokens_int8_16 : many_tokens_int8_64;
    case WeightKind::int4:
      return few ? many_tokens_int4_16 : many_tokens_int4_64;
    case WeightKind::split:
      return many_tokens_split_64;
    case WeightKind::int2:
      return many_tokens_int2_64;
    case WeightKind::table4:
      return many_tokens_table4_64;
    case WeightKind::e4m3:
      return many_tokens_e4m3_64;
    case WeightKind::e5m2:
      return many_tokens_e5m2_64;
    default:
      return few ? many_tokens_half_16 : many_tokens_half_64;
  }
}

/// Rows of A that a block of many_tokens takes.
int many_rows(WeightKind kind, int m) {
  const bool has_16 = kind == WeightKind::int4 || kind == WeightKind::int8 || kind == WeightKind::half;
  return has_16 && m <= 16 ? 16 : 64;
}

/// Every Gemm by constant weights whose activations are floating.
class Gemm : public CudaKernel {
 public:
  Gemm(const OpSite& site, ThreadPool& threads) : addend_(site) {
    const bool transposed = site.attributes->get_int("transB", 0) != 0;
    const PackedWeights packed =
        pack_weights(*site.inputs[1].constant, transposed, std::string(site.name), threads);
    weights_memory_ = upload(packed.bytes, fmt::format("the weights of {}", site.name));
    weights_ = packed.at(weights_memory_.get());
    bytes_ = packed.bytes.size();
    if (addend_.constant().empty()) return;
    c_memory_ = upload(addend_.constant().view().bytes(), fmt::format("C of {}", site.name));
    bytes_ += addend_.constant().size_bytes();
  }

  bool keeps(size_t i) const override { return i == 1 || (i == 2 && c_memory_); }
  size_t packed_bytes() const override { return bytes_; }
  size_t workspace_bytes(const OpSite& site) const override {
    const int64_t m = gemm_extent(site).m;
    if (m <= kFewRows) return 0;
    return multiplied_by_library(device(), weights_, static_cast<int>(m))
               ? library_workspace(weights_, static_cast<int>(m))
               : layout(static_cast<int>(m)).bytes;
  }

  void run(const KernelRun& run) const override {
    const GemmOutput out = addend_.output(run, c_memory_.get());
    if (out.m == 0) return;
    if (out.m <= kFewRows)
      multiply_few(device(), weights_, pointer<float>(run.inputs[0]), out);
    else if (multiplied_by_library(device(), weights_, out.m))
      multiply_by_library(device(), weights_, pointer<float>(run.inputs[0]), out, run.workspace.data());
    else
      run_many(pointer<float>(run.inputs[0]), out, run.workspace.data());
  }

 private:
  /// The workspace of many_tokens.
  struct Layout {
    int parts;
    size_t rest, back, partial, bytes;
  };
  Layout layout(int m) const {
    Layout made{};
    const int64_t blocks =
        int64_t{ceil_div(m, many_rows(weights_.kind, m))} * ceil_div(weights_.n, kManyOutputs);
    const int64_t steps = weights_.packed_k / many_columns(weights_.kind);
    const int64_t wanted = device().chip().multiprocessors * kBlocksAnSm / blocks;
    made.parts = static_cast<int>(std::clamp<int64_t>(wanted, 1, std::max<int64_t>(1, steps / kLeastSteps)));
    size_t bytes = 0;
    const auto reserve = [&](int64_t count) {
      const size_t begin = bytes;
      bytes = round_up(bytes + static_cast<size_t>(count), size_t{256});
      return begin;
    };
    const int64_t rows = int64_t{m} * weights_.packed_k * int64_t{sizeof(uint16_t)};
    reserve(rows);
    made.rest = reserve(weights_.kind == WeightKind::split ? rows : 0);
    made.back = reserve(int64_t{m} * 4);
    made.partial = reserve(made.parts > 1 ? int64_t{made.parts} * m * weights_.n * 4 : 0);
    made.bytes = bytes;
    return made;
  }

  void run_many(const float* a, const GemmOutput& out, std::byte* workspace) const {
    const Layout at = layout(out.m);
    auto* rows = reinterpret_cast<uint16_t*>(workspace);
    auto* rest =
        weights_.kind == WeightKind::split ? reinterpret_cast<uint16_t*>(workspace + at.rest) : nullptr;
    auto* back = reinterpret_cast<float*>(workspace + at.back);
    auto* partial = reinterpret_cast<float*>(workspace + at.partial);
    device().launch(half_rows, {{out.m}, 256, kHalfRowsShared}, HalfRowsArgs{a, weights_, rows, rest, back});
    const int tokens = many_rows(weights_.kind, out.m);
    device().launch(
        many_tokens_kernel(weights_.kind, tokens),
        {{ceil_div(out.m, tokens), ceil_div(weights_.n, kManyOutputs), at.parts},
         kManyOutputs,
         static_cast<size_t>(many_stages(weights_.kind) * many_stage_bytes(weights_.kind, tokens))},
        ManyTokensArgs{weights_, rows, rest, back, out, partial, at.parts});
    if (at.parts == 1) return;
    const int64_t elements = int64_t{out.m} * out.n;
    device().launch(sum_parts, {{static_cast<int>(ceil_div(elements, int64_t{256}))}, 256},
                    SumPartsArgs{partial, at.parts, out});
  }

  Addend addend_;
  std::shared_ptr<std::byte> weights_memory_, c_memory_;
  WeightsView weights_;
  size_t bytes_ = 0;
};

Refusal supports(const OpSite& site) {
  if (site.attributes->get_int("transA", 0) != 0) return "transA is 1";
  if (site.inputs[0].type.dtype != DType::f32)
    return fmt::format("A is {}, not f32", dtype_name(site.inputs[0].type.dtype));
  if (site.inputs[0].constant) return "A is a constant";
  if (site.inputs[0].encoding) return "A has a dynamic encoding";
  if (!site.inputs[1].constant) return "B is not a constant";
  if (site.has_input(2) && !site.inputs[2].constant && site.inputs[2].type.dtype != DType::f32)
    return fmt::format("C is {}, not f32", dtype_name(site.inputs[2].type.dtype));
  return packing_refusal(*site.inputs[1].constant, site.attributes->get_int("transB", 0) != 0);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<Gemm>(site, threads);
}

}  // namespace

extern const Kernel gemm{"gemm", "Gemm", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
