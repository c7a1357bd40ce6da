#include "cost/probe.h"

#include <gtest/gtest.h>

#include "base/cpu.h"
#include "cost/machine_probe.h"

namespace halftone {
namespace {

// No bars on speed, only that each probe ends with a number of a possible size.
TEST(Probe, MeasuresSomething) {
  ThreadPool threads(1);
  EXPECT_GT(read_bandwidth(threads, 64e6), 1e8);
  EXPECT_GT(peak_f32_flops(threads), 1e7);
  EXPECT_GT(peak_int8_ops(threads), 1e7);
  if (cpu_has(Isa::avx512bf16)) {
    EXPECT_GT(peak_bf16_flops(threads), 1e9);
  }
}

TEST(Probe, AMachineIsTheMedianOfItsLooks) {
  ThreadPool threads(1);
  MachineProbe probe(threads, 8e6);
  probe.look();
  probe.look();
  EXPECT_EQ(probe.looks(), 2u);
  EXPECT_LT(probe.bytes(), 48e6);
  const Device device = probe.device();
  EXPECT_EQ(device.name, "this-machine");
  ASSERT_FALSE(device.bandwidth_by_size.empty());
  EXPECT_EQ(device.figure("achievable_bandwidth"), device.bandwidth_by_size.back().second);
  EXPECT_GT(device.peak("f32").value_or(0), 1e7);
}

}  // namespace
}  // namespace halftone
