#pragma once

// For *_avx512vnni.cpp and *_amx.cpp sources only (see code_tile_loops.h).

#include <array>
#include <immintrin.h>
#include <type_traits>

#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/int8/code_finish_avx512.h"
#include "backend/cpu/int8/code_tile_loops.h"

namespace halftone::cpu {
namespace {

/// kPlain: CodeFinishAvx512::is_plain().
template <bool kPlain>
struct Avx512Vnni : CodeFinishAvx512 {
  template <int kPanels>
  using Finish = std::conditional_t<kPlain, PlainFinish<kPanels>, AnyFinish<kPanels>>;
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
  static Sum dot(Sum sum, Weights weights, Codes codes) { return _mm512_dpbusd_epi32(sum, codes, weights); }
};

}  // namespace
}  // namespace halftone::cpu
