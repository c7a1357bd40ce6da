#include <algorithm>
#include <atomic>

#include "backend/cpu/float_site.h"
#include "backend/cpu/gemm/gemm_float.h"
#include "backend/cpu/gemm/gemm_site.h"
#include "backend/cpu/subnormals_as_zero.h"
#include "base/checked.h"
#include "ops/gemm/gemm.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kChunkRows = 256;

bool transposed(const OpSite& site, std::string_view attribute) {
  return site.attributes->get_int(attribute, 0) != 0;
}

/// The product of two matrices that both arrive as f32, transposed or not: gradients, and weights under
/// trial.
class DenseGemm : public PreparedKernel {
 public:
  DenseGemm(const OpSite& site, const FloatGemmLoops& loops, ThreadPool& threads)
      : loops_(loops), addend_(site), workers_(threads.size()) {}

  bool keeps(size_t i) const override { return i == 2 && addend_.is_constant(); }
  size_t packed_bytes() const override { return addend_.bytes(); }
  size_t workspace_bytes(const OpSite& site) const override {
    const GemmExtent extent = gemm_extent(site);
    return static_cast<size_t>(workers_ * loops_.scratch_bytes +
                               std::min(extent.m, kChunkRows) * row_step(extent) * int64_t{sizeof(float)});
  }

  void run(const KernelRun& run) const override {
    const GemmExtent extent = gemm_extent(run.site);
    if (extent.m == 0 || extent.n == 0) return;
    const float* b = run.inputs[1].span<float>().data();
    const bool by_rows = transposed(run.site, "transB");
    const MatrixView matrix =
        by_rows ? MatrixView{b, extent.n, extent.k, extent.k} : MatrixView{b, extent.k, extent.n, extent.n};
    const WeightRows rows = rows_of(matrix);
    const int64_t step = row_step(extent), tiles = ceil_div(extent.n, loops_.tile_outputs);
    const int64_t workers = std::min<int64_t>({workers_, run.threads.size(), tiles});
    float* chunk = reinterpret_cast<float*>(run.workspace.data() + workers_ * loops_.scratch_bytes);
    float* y = run.outputs[0].span<float>().data();

    for (int64_t first = 0; first < extent.m; first += kChunkRows) {
      const int64_t m = std::min(kChunkRows, extent.m - first);
      copy_rows(run, extent, first, m, chunk);
      const Addend::At c = addend_.at(run, first);
      const FloatOutput out{y + first * extent.n, c.alpha, c.beta, c.data, c.row_step, c.column_step};
      std::atomic<int64_t> next{0};
      run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
        const SubnormalsAsZero mode;
        for (int64_t worker = begin; worker < end; ++worker)
          for (int64_t tile; (tile = next.fetch_add(1, std::memory_order_relaxed)) < tiles;) {
            const int64_t from = tile * loops_.tile_outputs,
                          to = std::min(from + loops_.tile_outputs, extent.n);
            std::byte* scratch = run.workspace.data() + worker * loops_.scratch_bytes;
            if (by_rows)
              loops_.many_rows(rows, chunk, step, m, out, from, to, scratch);
            else
              loops_.many_columns(matrix, chunk, step, m, out, from, to, scratch);
          }
      });
    }
  }

 private:
  /// As in FloatGemm: an odd number of cache lines.
  static int64_t row_step(const GemmExtent& extent) { return round_up(extent.k, int64_t{16}) | 16; }

  /// Rows [first, first + m) of A'.
  static void copy_rows(const KernelRun& run, const GemmExtent& extent, int64_t first, int64_t m, float* to) {
    const float* a = run.inputs[0].span<float>().data();
    const int64_t step = row_step(extent);
    if (!transposed(run.site, "transA")) {
      run.threads.parallel_for(m, 8, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
          std::copy_n(a + (first + row) * extent.k, extent.k, to + row * step);
      });
      return;
    }
    // Columns of A in squares, so that both sides stay in the cache.
    constexpr int64_t kSide = 16;
    run.threads.parallel_for(ceil_div(extent.k, kSide), 4, [&](int64_t begin, int64_t end) {
      for (int64_t k0 = begin * kSide; k0 < std::min(end * kSide, extent.k); k0 += kSide)
        for (int64_t r0 = 0; r0 < m; r0 += kSide)
          for (int64_t row = r0; row < std::min(r0 + kSide, m); ++row)
            for (int64_t k = k0; k < std::min(k0 + kSide, extent.k); ++k)
              to[row * step + k] = a[k * extent.m + first + row];
    });
  }

  const FloatGemmLoops& loops_;
  Addend addend_;
  int64_t workers_;
};

Refusal supports(const OpSite& site) {
  if (site.attributes->has("activation")) return "it has an activation";
  if (Refusal refusal = not_all_f32(site, 2); !refusal.empty()) return refusal;
  if (site.has_input(2) && !site.inputs[2].constant && site.inputs[2].type.dtype != DType::f32)
    return fmt::format("C is {}, not f32", dtype_name(site.inputs[2].type.dtype));
  for (int axis : {0, 1})
    if (site.input_shape(0)[axis] == 0 || site.input_shape(1)[axis] == 0) return "an operand is empty";
  return {};
}

template <const FloatGemmLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<DenseGemm>(site, kLoops, threads);
}

}  // namespace

#if defined(__x86_64__)
extern const Kernel gemm_dense_avx512vnni{"gemm_dense_avx512vnni", "Gemm", Isa::avx512vnni, supports,
                                          prepare<float_gemm_avx512vnni>};
extern const Kernel gemm_dense_avx2{"gemm_dense_avx2", "Gemm", Isa::avx2, supports, prepare<float_gemm_avx2>};
#elif defined(__aarch64__)
extern const Kernel gemm_dense_neon{"gemm_dense_neon", "Gemm", Isa::neon, supports, prepare<float_gemm_neon>};
#endif

}  // namespace halftone::cpu
