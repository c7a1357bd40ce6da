#include "cost/device.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "cost/memory.h"
#include "cost/roofline.h"

namespace halftone {
namespace {

TEST(Devices, EveryKnownFigureNamesItsSource) {
  EXPECT_GE(devices().size(), 19u);
  for (const Device& device : devices())
    for (const auto* figures : {&device.figures, &device.peaks, &device.quoted_sparse})
      for (const auto& [key, figure] : *figures)
        if (figure.value) {
          EXPECT_TRUE(device.sources.count(figure.source)) << device.name << " " << key;
        }
}

TEST(Devices, A100) {
  const Device& a100 = find_device("a100-80gb");
  EXPECT_EQ(a100.threads(), 221184);
  EXPECT_NEAR(*find_device("a100-40gb").flops_per_byte("f16_acc32"), 200.6, 0.1);
  EXPECT_NEAR(*a100.flops_per_byte("f16_acc32"), 153.0, 0.1);
}

TEST(Devices, GeForceHalvesWithWideAccumulators) {
  for (const char* name : {"rtx-3090", "rtx-4090"})
    EXPECT_NEAR(*find_device(name).peak("f16_acc16"), 2 * *find_device(name).peak("f16_acc32"), 1e12);
}

TEST(Devices, OrinSplitsItsAdvertisedOperations) {
  const Device& orin = find_device("jetson-agx-orin-64gb");
  EXPECT_TRUE(orin.unified_memory);
  EXPECT_NEAR(*orin.peak("int8_acc32"), 85e12, 1e12);  // dense, GPU alone, of 275 sparse with the DLA
  EXPECT_EQ(achievable_bandwidth(orin), 160e9);
  const Device slow = in_power_mode(orin, "15W");
  EXPECT_NEAR(*slow.peak("int8_acc32") / *orin.peak("int8_acc32"), 6.0 / 16 * 408 / 1300, 1e-9);
  EXPECT_NEAR(achievable_bandwidth(slow) / 160e9, 2133.0 / 3199, 1e-9);
}

TEST(Devices, UnknownNamesGetAHint) {
  try {
    find_device("rtx-3091");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("rtx-3090"), std::string::npos);
  }
  EXPECT_THROW(in_power_mode(find_device("jetson-agx-orin-64gb"), "99W"), UsageError);
}

TEST(Devices, LimitsOfBlocksAndWarpsFollowTheComputeCapability) {
  for (const Device& device : devices()) {
    if (device.kind != DeviceKind::gpu || !device.figure("threads_per_sm")) continue;
    EXPECT_EQ(*device.figure("warps_per_sm") * 32, *device.figure("threads_per_sm")) << device.name;
    EXPECT_GE(device.figure("blocks_per_sm").value_or(0), 16) << device.name;
    EXPECT_EQ(device.figure("max_block_z"), 64) << device.name;
  }
}

TEST(Devices, CachesAreFasterThanTheMemoryWhereTheyWereMeasured) {
  Device device = find_device("cpu-generic");
  const double one = achievable_bandwidth(device);
  EXPECT_EQ(achievable_bandwidth(device, 1e6), one);
  device.bandwidth_by_size = {{1e6, 100e9}, {1e8, 25e9}};
  EXPECT_EQ(achievable_bandwidth(device, 1e5), 100e9);
  EXPECT_NEAR(achievable_bandwidth(device, 1e7), 50e9, 1);  // half way between the logarithms
  EXPECT_EQ(achievable_bandwidth(device, 1e9), 25e9);
}

TEST(Devices, ABadFileIsRefused) {
  const std::string head = R"({"name": "x", "title": "X", "kind": "gpu", "unified_memory": false, )";
  EXPECT_THROW(parse_device("{}", "f"), InputError);
  EXPECT_THROW(parse_device(head + R"("sources": {}, "figures": {"bandwidth": [1, "nowhere"]}})", "f"),
               InputError);
  EXPECT_THROW(parse_device(head + R"("sources": {"s": {"title": "S", "kind": "rumour"}}})", "f"),
               InputError);
  EXPECT_THROW(parse_device(head + R"("sources": {}, "figures": {"bandwidth": [null, null]}})", "f"),
               InputError);
}

TEST(Efficiencies, AreNeverSilentlyWhole) {
  for (DeviceKind kind : {DeviceKind::gpu, DeviceKind::cpu})
    for (const Efficiency& entry : efficiencies(kind).entries) {
      EXPECT_LT(entry.memory, 1.0);
      EXPECT_LT(entry.compute, 1.0);
      EXPECT_TRUE(entry.origin == "measured" || entry.origin == "stated") << entry.origin;
      EXPECT_FALSE(entry.why.empty());
    }
}

TEST(Memory, TheSystemKeepsItsShareOfSharedMemoryOnly) {
  EXPECT_EQ(system_bytes(find_device("rtx-3090")), 0);
  EXPECT_GT(system_bytes(find_device("jetson-orin-nano-8gb")), 1e9);
  const auto free = free_memory_bytes();
  ASSERT_TRUE(free);
  EXPECT_GT(*free, 1e6);
}

}  // namespace
}  // namespace halftone
