#pragma once

// The integer loops over a vector type V, for the per-ISA sources only. Everything is in an unnamed namespace
// and calls no inline function of another header: a copy compiled for one processor must not be shared with
// code for another.

#include "backend/cpu/gemm/int_few_rows.h"
#include "backend/cpu/gemm/int_many_rows.h"
#include "backend/cpu/gemm/int_quantize.h"

namespace halftone::cpu {
namespace {

template <class V>
constexpr IntGemmLoops kIntGemmLoops = {
    V::kTilePanels,   0,           up_to<2 * V::kMostRows>,        no_other_bytes,
    quantize_rows<V>, few_rows<V>, unpacked_bytes<V::kTilePanels>, many_rows<V>};

}  // namespace
}  // namespace halftone::cpu
