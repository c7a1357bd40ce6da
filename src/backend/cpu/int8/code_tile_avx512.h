#pragma once

// For *_avx512vnni.cpp and *_amx.cpp sources only (see code_tile_loops.h).

#include <array>
#include <immintrin.h>

#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/byte_products_avx512.h"
#include "backend/cpu/int8/code_finish_avx512.h"
#include "backend/cpu/int8/code_tile_loops.h"

namespace halftone::cpu {
namespace {

/// Ends: the finish of so many panels.
template <template <int> class Ends>
struct Avx512Vnni : CodeFinishAvx512 {
  template <int kPanels>
  using Finish = Ends<kPanels>;
  using Sum = __m512i;
  using Weights = __m512i;
  using Codes = __m512i;
  static constexpr int32_t kCodeBias = 0;
  static constexpr const ActivationLoops* kActivations = &activation_avx512vnni;
  static constexpr int kBlock = 4;
  static constexpr std::array<int, 4> kRows = {12, 8, 8, 6};

  static Sum sum_from(const int32_t* bias) { return _mm512_loadu_si512(bias); }
  static Weights weights(const int8_t* from) { return _mm512_loadu_si512(from); }
  static Codes codes(const uint8_t* from) {
    int32_t quad;
    __builtin_memcpy(&quad, from, sizeof(quad));
    return _mm512_set1_epi32(quad);
  }
  static Sum dot(Sum sum, Weights weights, Codes codes) { return add_byte_products(sum, codes, weights); }
};

using Avx512VnniAny = Avx512Vnni<CodeFinishAvx512::AnyFinish>;
using Avx512VnniPlain = Avx512Vnni<CodeFinishAvx512::PlainFinish>;
using Avx512VnniGained = Avx512Vnni<CodeFinishAvx512::GainedFinish>;

/// visit(V{}) with the one that does what `f` asks for.
template <class Visit>
void visit_finish(const CodeFinish& f, Visit visit) {
  if (f.gate != Gate::none && !f.residual_factors) return visit(Avx512VnniGained{});
  CodeFinishAvx512::is_plain(f) ? visit(Avx512VnniPlain{}) : visit(Avx512VnniAny{});
}

}  // namespace
}  // namespace halftone::cpu
