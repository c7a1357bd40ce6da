#include "backend/cpu/gemm/gemm_int_loops.h"
#include "backend/cpu/gemm/int_avx512_vectors.h"

namespace halftone::cpu {
namespace {

/// Four quads at a time: an Intel processor waits five cycles for a sum and starts two products a cycle, so a
/// loop of 12 products has one cycle to spare, which its counters take.
struct FourQuads : Avx512Vnni {
  static constexpr int kTileRows = 8, kTileQuads = 4;
};
/// Columns of a segment from which they pay: their sums of segments do not fit the registers.
constexpr int64_t kLongSegment = 64;

void many_rows_by_processor(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out,
                            int64_t begin, int64_t end, std::byte* scratch) {
  if (weights.ahead != 0 && weights.packed_k >= kLongSegment * weights.segment_count)
    many_rows<FourQuads>(weights, rows, out, begin, end, scratch);
  else
    many_rows<Avx512Vnni>(weights, rows, out, begin, end, scratch);
}

constexpr IntGemmLoops loops() {
  IntGemmLoops loops = kIntGemmLoops<Avx512Vnni>;
  loops.many_rows = many_rows_by_processor;
  return loops;
}

}  // namespace

constinit const IntGemmLoops int_gemm_avx512vnni = loops();

}  // namespace halftone::cpu
