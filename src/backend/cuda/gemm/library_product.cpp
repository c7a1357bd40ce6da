#include "backend/cuda/gemm/library_product.h"

#include <algorithm>

#include "backend/cuda/gemm/half_rows.h"
#include "backend/cuda/gemm/unpack_rows_kernels.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

/// Of unpacked weights. From compute capability 9.0 on memory is fast enough beside the products for most
/// matrices to be unpacked whole, which leaves the library one large product; elsewhere a slab, with what
/// else passes by, is half of a data-centre GPU's second-level cache.
constexpr int64_t kWholeBytes = int64_t{256} << 20, kSlabBytes = int64_t{16} << 20;
/// Rows from which it pays.
constexpr int kWholeRows = 256;
/// Blocks of finish_rows that share the rows.
constexpr int kFinishBlocks = 256;
constexpr int kLeastSlab = 1024;  ///< outputs

struct Layout {
  int outputs;  ///< of a slab, whole tiles
  size_t back, slab, sums, bytes;
};
Layout layout(const Chip& chip, const WeightsView& w, int m, FloatType type) {
  Layout at{};
  const int64_t row_bytes = int64_t{w.packed_k} * int64_t{sizeof(uint16_t)};
  const int64_t slab = chip.compute >= 90 && m >= kWholeRows ? kWholeBytes : kSlabBytes;
  const int64_t fit = std::max<int64_t>(kLeastSlab, slab / row_bytes / kLeastSlab * kLeastSlab);
  at.outputs = static_cast<int>(std::min<int64_t>(fit, int64_t{tiles_of(w.n)} * kTileRows));
  at.back = round_up(static_cast<size_t>(m * row_bytes), size_t{256});
  at.slab = round_up(at.back + static_cast<size_t>(m) * sizeof(float), size_t{256});
  at.sums = round_up(at.slab + static_cast<size_t>(at.outputs * row_bytes), size_t{256});
  at.bytes = at.sums + (type == FloatType::f32 ? 0 : static_cast<size_t>(int64_t{m} * w.n) * sizeof(float));
  return at;
}

const DeviceKernel<UnpackRowsArgs>& unpack_kernel(WeightKind kind) {
  switch (kind) {
    case WeightKind::int8:
      return unpack_rows_int8;
    case WeightKind::int4:
      return unpack_rows_int4;
    case WeightKind::int2:
      return unpack_rows_int2;
    case WeightKind::table4:
      return unpack_rows_table4;
    case WeightKind::e4m3:
      return unpack_rows_e4m3;
    case WeightKind::e5m2:
      return unpack_rows_e5m2;
    default:
      return unpack_rows_half;
  }
}

}  // namespace

bool multiplied_by_library(Device& device, const WeightsView& weights, int m) {
  return weights.kind != WeightKind::split && device.multiplies(m);
}

size_t library_workspace(Device& device, const WeightsView& weights, int m, FloatType type) {
  return layout(device.chip(), weights, m, type).bytes;
}

void multiply_by_library(Device& device, const WeightsView& w, const Floats& a, const GemmOutput& out,
                         std::byte* workspace) {
  const Layout at = layout(device.chip(), w, out.m, out.y.type);
  auto* rows = reinterpret_cast<uint16_t*>(workspace);
  auto* back = reinterpret_cast<float*>(workspace + at.back);
  auto* slab = reinterpret_cast<uint16_t*>(workspace + at.slab);
  // Sums are f32: they lie in Y where that is too.
  void* sums_at = out.y.type == FloatType::f32 ? out.y.data : workspace + at.sums;
  auto* sums = static_cast<float*>(sums_at);
  launch_half_rows(device, {a, w, rows, nullptr, back, nullptr, 0, false, false}, out.m);
  for (int first = 0; first < w.n; first += at.outputs) {
    const int outputs = std::min(at.outputs, w.n - first);
    device.launch(unpack_kernel(w.kind),
                  {{ceil_div(w.packed_k, kUnpackColumns), tiles_of(outputs)}, kUnpackThreads},
                  UnpackRowsArgs{w, first / kTileRows, slab});
    device.multiply({rows, slab, sums + first, out.m, outputs, w.packed_k, out.n});
  }
  device.launch(finish_rows,
                {{ceil_div(out.n, 4 * kFinishThreads), std::min(out.m, kFinishBlocks)}, kFinishThreads},
                FinishRowsArgs{sums, back, w.row_factors, out});
}

}  // namespace halftone::cuda
