#include <algorithm>
#include <array>

#include "backend/cpu/float_site.h"
#include "backend/cpu/gemm/matrix_product.h"
#include "backend/cpu/subnormals_as_zero.h"
#include "base/checked.h"
#include "ops/mat_mul/mat_mul.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  if (Refusal refusal = not_all_f32(site, 2); !refusal.empty()) return refusal;
  for (size_t i = 0; i < 2; ++i)
    if (site.input_shape(i).rank() < 2) return "a vector";
  return {};
}

/// MatMul of matrices that are both computed, batch by batch.
class MatMulKernel final : public PreparedKernel {
 public:
  MatMulKernel(const FloatGemmLoops& loops, ThreadPool& threads) : loops_(loops), workers_(threads.size()) {}

  size_t workspace_bytes(const OpSite&) const override {
    return static_cast<size_t>(workers_ * scratch_bytes());
  }

  void run(const KernelRun& run) const override {
    const MatMulExtent e = mat_mul_extent(run.site, run.inputs[0].tensor.shape, run.inputs[1].tensor.shape);
    const float* a = run.inputs[0].span<float>().data();
    const float* b = run.inputs[1].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    if (run.outputs[0].shape.elements() == 0) return;
    if (e.k == 0) {
      std::fill_n(y, run.outputs[0].shape.elements(), 0.0f);
      return;
    }
    std::vector<std::array<int64_t, 2>> places;
    walk<2>(e.batch,
            {broadcast_strides(batch_shape(e.a), e.batch), broadcast_strides(batch_shape(e.b), e.batch)},
            [&](int64_t, const std::array<int64_t, 2>& at) { places.push_back(at); });
    const int64_t blocks = ceil_div(e.m, kBlockRows), pieces = static_cast<int64_t>(places.size()) * blocks;
    // Pieces go to the worker of their number, so that each has memory of its own.
    const int64_t workers = std::min<int64_t>({workers_, run.threads.size(), pieces});
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      const SubnormalsAsZero mode;
      for (int64_t worker = begin; worker < end; ++worker) {
        const MatrixProduct product{loops_, run.workspace.data() + worker * scratch_bytes()};
        for (int64_t piece = worker; piece < pieces; piece += workers) {
          const int64_t batch = piece / blocks, first = piece % blocks * kBlockRows;
          const auto [a_at, b_at] = places[static_cast<size_t>(batch)];
          product.by_columns(a + (a_at * e.m + first) * e.k, e.k, std::min(kBlockRows, e.m - first),
                             {b + b_at * e.k * e.n, e.k, e.n, e.n}, y + (batch * e.m + first) * e.n);
        }
      }
    });
  }

 private:
  /// Rows worked on at a time.
  static constexpr int64_t kBlockRows = 64;
  int64_t scratch_bytes() const { return round_up(loops_.scratch_bytes, int64_t{64}); }

  const FloatGemmLoops& loops_;
  const int64_t workers_;
};

template <const FloatGemmLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool& threads) {
  return std::make_unique<MatMulKernel>(kLoops, threads);
}

}  // namespace

#if defined(__x86_64__)
extern const Kernel mat_mul_float_avx512vnni{"mat_mul_float_avx512vnni", "MatMul", Isa::avx512vnni, supports,
                                             prepare<float_gemm_avx512vnni>};
extern const Kernel mat_mul_float_avx2{"mat_mul_float_avx2", "MatMul", Isa::avx2, supports,
                                       prepare<float_gemm_avx2>};
#elif defined(__aarch64__)
extern const Kernel mat_mul_float_neon{"mat_mul_float_neon", "MatMul", Isa::neon, supports,
                                       prepare<float_gemm_neon>};
#endif

}  // namespace halftone::cpu
