#include <algorithm>

#include "backend/cpu/float_site.h"
#include "backend/cpu/gemm/gemm_site.h"
#include "backend/cpu/subnormals_as_zero.h"
#include "backend/cpu/tile/epilogue.h"
#include "backend/cpu/tile/packed_panels.h"
#include "base/checked.h"
#include "ops/gemm/gemm.h"

namespace halftone::cpu {
namespace {

/// Rows below which a pass over the weights as they are stored is faster.
constexpr int64_t kFewRows = 9;
/// Register tiles in a block of rows.
constexpr int64_t kBlockTiles = 4, kLargeBlockTiles = 16;
/// Multiply-adds that are worth a thread's waking.
constexpr int64_t kPieceWork = int64_t{1} << 18;

/// f32 weights that many rows read (how many is known, or A has the dimensions of a batch of pictures): they
/// are packed once for the register tile.
Refusal supports(const OpSite& site) {
  if (site.attributes->get_int("transA", 0) != 0) return "transA is 1";
  if (site.attributes->get_int("transB", 0) == 0) return "transB is 0";
  if (site.attributes->get_float("alpha", 1) != 1 || site.attributes->get_float("beta", 1) != 1)
    return "alpha or beta is not 1";
  if (!site.inputs[1].constant) return "B is not a constant";
  if (site.input_shape(1).elements() == 0) return "B is empty";
  if (site.has_input(2)) {
    if (!site.inputs[2].constant) return "C is not a constant";
    const int64_t elements = site.input_shape(2).elements();
    if (elements != 1 && (elements != site.input_shape(1)[0] || site.input_shape(2).back() == 1))
      return "C is not one row";
  }
  if (Refusal refusal = not_all_f32(site, 3); !refusal.empty()) return refusal;
  const int64_t rows = gemm_extent(site).m;
  if (rows >= 0 && rows < kFewRows) return fmt::format("{} rows", rows);
  if (rows < 0 && site.input_shape(0).rank() == 2) return "the number of rows is not known";
  return {};
}

class PackedGemm : public PreparedKernel {
 public:
  PackedGemm(const OpSite& site, const FloatTileLoops& loops, const ActivationLoops& activations)
      : loops_(loops),
        activations_(activations),
        epilogue_(make_epilogue(fused_activation(site))),
        outputs_(site.input_shape(1)[0]),
        depth_(site.input_shape(1)[1]),
        panels_(make_panels(site, loops)) {}

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return panels_.bytes(); }

  void run(const KernelRun& run) const override {
    const int64_t rows = gemm_extent(run.site).m;
    const float* a = run.inputs[0].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    // A panel of weights is read once for the rows of a block: whole tiles, as many for each thread as for
    // any other.
    const int64_t threads = run.threads.size(), tiles = ceil_div(rows, loops_.rows);
    const int64_t most = std::clamp(ceil_div(tiles, 2 * threads), kBlockTiles, kLargeBlockTiles);
    const int64_t blocks = std::min(round_up(ceil_div(tiles, most), threads), tiles);
    const auto begin_of = [&](int64_t block) { return std::min(tiles * block / blocks * loops_.rows, rows); };
    const int64_t grain =
        std::max<int64_t>(1, kPieceWork / std::max<int64_t>(1, most * loops_.rows * outputs_ * depth_));
    run.threads.parallel_for(blocks, grain, [&](int64_t begin, int64_t end) {
      const SubnormalsAsZero mode;
      for (int64_t block = begin; block < end; ++block) {
        const int64_t first = begin_of(block), count = begin_of(block + 1) - first;
        float* to = y + first * outputs_;
        loops_.dense(a + first * depth_, depth_, count, depth_, panels_.panels(), outputs_,
                     {to, outputs_, panels_.bias(), nullptr, 0, epilogue_.low, epilogue_.high});
        epilogue_.apply(activations_, to, count * outputs_);
      }
    });
  }

 private:
  static PackedPanels make_panels(const OpSite& site, const FloatTileLoops& loops) {
    const Tensor weights = to_f32(site.inputs[1].constant->load());
    const int64_t depth = weights.shape()[1];
    const Tensor bias =
        site.has_input(2) ? to_f32(site.inputs[2].constant->load()) : Tensor::zeros(DType::f32, {1});
    const int64_t step = bias.shape().elements() == 1 ? 0 : 1;
    return PackedPanels(
        loops, weights.shape()[0], depth,
        [&](int64_t n, int64_t k) { return weights.span<float>()[static_cast<size_t>(n * depth + k)]; },
        [&](int64_t n) { return bias.span<float>()[static_cast<size_t>(n * step)]; });
  }

  const FloatTileLoops& loops_;
  const ActivationLoops& activations_;
  Epilogue epilogue_;
  int64_t outputs_, depth_;
  PackedPanels panels_;
};

template <const FloatTileLoops& kLoops, const ActivationLoops& kActivations>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<PackedGemm>(site, kLoops, kActivations);
}

}  // namespace

#define HALFTONE_GEMM_PACKED(isa)                                                        \
  extern const Kernel gemm_packed_##isa{"gemm_packed_" #isa, "Gemm", Isa::isa, supports, \
                                        prepare<float_tile_##isa, activation_##isa>};

#if defined(__x86_64__)
HALFTONE_GEMM_PACKED(avx512vnni)
HALFTONE_GEMM_PACKED(avx2)
#elif defined(__aarch64__)
HALFTONE_GEMM_PACKED(neon)
#endif

}  // namespace halftone::cpu
