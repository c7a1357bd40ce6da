#include "cost/probe.h"

#include <gtest/gtest.h>

#include "base/cpu.h"

namespace halftone {
namespace {

// No bars on speed, only that each probe ends with a number of a possible size.
TEST(Probe, MeasuresSomething) {
  ThreadPool threads(1);
  EXPECT_GT(read_bandwidth(threads), 1e8);
  EXPECT_GT(peak_f32_flops(threads), 1e7);
  EXPECT_GT(peak_int8_ops(threads), 1e7);
  if (cpu_has(Isa::avx512bf16)) {
    EXPECT_GT(peak_bf16_flops(threads), 1e9);
  }
}

}  // namespace
}  // namespace halftone
