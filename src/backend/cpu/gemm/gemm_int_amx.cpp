#include "backend/cpu/gemm/gemm_int_loops.h"
#include "backend/cpu/gemm/int_amx_blocks.h"
#include "backend/cpu/gemm/int_amx_tokens.h"

namespace halftone::cpu {
namespace {

int64_t other_bytes(const IntPanelsView& weights, int64_t) {
  return TileForm(weights).panel_bytes() / kPanelRows;
}

/// Making tiles pays from 12 rows on; short segments make many of them.
int64_t few_rows_most(const IntPanelsView& weights) {
  return TileForm(weights).columns < TileForm::kColumns ? 16 : 11;
}

int64_t scratch_bytes(const IntPanelsView& weights, int64_t rows) {
  return BlockSizes(TileForm(weights), rows).scratch_bytes();
}

template <Codes kCodes, Mode kMode>
void blocks(const IntPanelsView& weights, const TileForm& form, const IntRows& rows, const IntOutput& out,
            int64_t begin, int64_t end, std::byte* scratch) {
  Blocks<kCodes, kMode>(weights, form, rows, out, begin, end - begin, scratch).run();
}

template <Codes kCodes>
void blocks_of(const IntPanelsView& weights, const TileForm& form, const IntRows& rows, const IntOutput& out,
               int64_t begin, int64_t end, std::byte* scratch) {
  auto* run = blocks<kCodes, Mode::shared>;
  if (rows.groups != 1)
    run = blocks<kCodes, Mode::any>;
  else if (weights.zero_kind == ZeroKind::minimum)
    run = blocks<kCodes, Mode::minimum>;
  else if (kCodes == Codes::raw && weights.zero_kind == ZeroKind::per_group)
    run = blocks<kCodes, Mode::zeros>;
  run(weights, form, rows, out, begin, end, scratch);
}

void many_rows_by_tiles(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out,
                        int64_t begin, int64_t end, std::byte* scratch) {
  if (weights.segment_count == 0) return few_rows<Avx512Vnni>(weights, rows, out, begin, end);
  const TileForm form(weights);
  if (form.codes == Codes::raw)
    blocks_of<Codes::raw>(weights, form, rows, out, begin, end, scratch);
  else
    blocks_of<Codes::signed_less_zero>(weights, form, rows, out, begin, end, scratch);
}

}  // namespace

const IntGemmLoops int_gemm_amx = {BlockSizes::kPanels,
                                   BlockSizes::kRows,
                                   few_rows_most,
                                   other_bytes,
                                   quantize_rows<Avx512Vnni, TokenTiles>,
                                   few_rows<Avx512Vnni>,
                                   scratch_bytes,
                                   many_rows_by_tiles};

}  // namespace halftone::cpu
