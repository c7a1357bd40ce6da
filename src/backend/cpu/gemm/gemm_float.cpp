#include "backend/cpu/gemm/gemm_float.h"

#include <algorithm>
#include <atomic>

#include "backend/cpu/gemm/few_rows.h"
#include "backend/cpu/gemm/gemm_site.h"
#include "backend/cpu/gemm/stored_rows.h"
#include "backend/cpu/subnormals_as_zero.h"
#include "backend/cpu/tile/epilogue.h"
#include "base/checked.h"
#include "ops/gemm/gemm.h"
#include "scheme/bf16/rounded_bf16.h"

namespace halftone::cpu {
namespace {

/// Rows of A worked on at a time: they are copied, and each weight is decoded once for them.
constexpr int64_t kChunkRows = 256;

/// Products in f32 of activations as they come, or rounded to bf16.
class FloatGemm : public PreparedKernel {
 public:
  FloatGemm(const OpSite& site, const FloatGemmLoops& loops, const NibbleLoops* nibbles,
            const ActivationLoops& activations, ThreadPool& threads)
      : loops_(loops),
        activations_(activations),
        epilogue_(make_epilogue(fused_activation(site))),
        rows_(site),
        addend_(site),
        rounds_(site.inputs[0].encoding && is_rounded_bf16(*site.inputs[0].encoding)),
        few_(rows_.view(), loops, nibbles, rounds_),
        workers_(threads.size()) {}

  bool keeps(size_t i) const override { return i == 1 || (i == 2 && addend_.is_constant()); }
  size_t packed_bytes() const override { return rows_.bytes() + addend_.bytes(); }
  size_t workspace_bytes(const OpSite& site) const override {
    const int64_t m = gemm_extent(site).m;
    if (m <= few_.most()) return few_.workspace_bytes(m);
    return static_cast<size_t>(workers_ * loops_.scratch_bytes +
                               std::min(m, kChunkRows) * row_step() * int64_t{sizeof(float)});
  }

  void run(const KernelRun& run) const override {
    const WeightRows& weights = rows_.view();
    const int64_t m = gemm_extent(run.site).m;
    const float* a = run.inputs[0].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    if (m > few_.most()) {
      for (int64_t first = 0; first < m; first += kChunkRows)
        run_chunk(run, a + first * weights.k, y + first * weights.n, first, std::min(kChunkRows, m - first));
      return finish_rows(run.threads, epilogue_, activations_, y, m, weights.n);
    }
    few_.run(run.threads, a, m, output(run, y, 0), run.workspace.data());
    finish_rows(run.threads, epilogue_, activations_, y, m, weights.n);
  }

 private:
  void copy_rows(const float* from, int64_t count, float* to) const {
    if (rounds_)
      round_to_bf16(std::span(from, static_cast<size_t>(count)), to);
    else
      std::copy_n(from, count, to);
  }

  /// Between rows of A in the workspace: an odd number of cache lines, so that the rows of a tile do not fall
  /// into the same cache sets, as they would with the usual powers of two.
  int64_t row_step() const { return round_up(rows_.view().k, int64_t{16}) | 16; }

  FloatOutput output(const KernelRun& run, float* y, int64_t first_row) const {
    const Addend::At c = addend_.at(run, first_row);
    return {y, c.alpha, c.beta, c.data, c.row_step, c.column_step};
  }

  void run_chunk(const KernelRun& run, const float* a, float* y, int64_t first, int64_t m) const {
    const WeightRows& weights = rows_.view();
    const FloatOutput out = output(run, y, first);
    float* rows = reinterpret_cast<float*>(run.workspace.data() + workers_ * loops_.scratch_bytes);
    run.threads.parallel_for(m, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        copy_rows(a + row * weights.k, weights.k, rows + row * row_step());
    });
    // One piece a worker, so that each has a scratch of its own; they share out the tiles among themselves.
    const int64_t tiles = ceil_div(weights.n, loops_.tile_outputs);
    const int64_t workers = std::min<int64_t>({workers_, run.threads.size(), tiles});
    std::atomic<int64_t> next{0};
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      const SubnormalsAsZero mode;
      for (int64_t worker = begin; worker < end; ++worker)
        for (int64_t tile; (tile = next.fetch_add(1, std::memory_order_relaxed)) < tiles;)
          loops_.many_rows(weights, rows, row_step(), m, out, tile * loops_.tile_outputs,
                           std::min((tile + 1) * loops_.tile_outputs, weights.n),
                           run.workspace.data() + worker * loops_.scratch_bytes);
    });
  }

  const FloatGemmLoops& loops_;
  const ActivationLoops& activations_;
  Epilogue epilogue_;
  StoredRows rows_;
  Addend addend_;
  bool rounds_;
  FewRows few_;
  int64_t workers_;
};

template <const FloatGemmLoops& kLoops, const NibbleLoops* kNibbles, const ActivationLoops& kActivations>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<FloatGemm>(site, kLoops, kNibbles, kActivations, threads);
}

}  // namespace

#define HALFTONE_GEMM_FLOAT(isa, nibbles)                                                             \
  extern const Kernel gemm_float_##isa{"gemm_float_" #isa, "Gemm", Isa::isa, supports_float_gemm,     \
                                       prepare<float_gemm_##isa, nibbles, activation_##isa>};         \
  extern const Kernel gemm_decode_##isa{"gemm_decode_" #isa, "Gemm", Isa::isa, supports_decoded_gemm, \
                                        prepare<float_gemm_##isa, nibbles, activation_##isa>};        \
  extern const Kernel gemm_rounded_##isa{"gemm_rounded_" #isa, "Gemm", Isa::isa, supports_bf16_gemm,  \
                                         prepare<float_gemm_##isa, nibbles, activation_##isa>};

#if defined(__x86_64__)
HALFTONE_GEMM_FLOAT(avx512vnni, &nibble_rows_avx512vnni)
HALFTONE_GEMM_FLOAT(avx2, &nibble_rows_avx2)
#elif defined(__aarch64__)
HALFTONE_GEMM_FLOAT(neon, &nibble_rows_neon)
#endif

}  // namespace halftone::cpu
