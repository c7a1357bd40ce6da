#include "backend/cuda/probe/probe.h"

#include <gtest/gtest.h>

#include "test_device.h"

namespace halftone::cuda {
namespace {

TEST(CudaProbe, Measures) {
  const TestDevice device;
  const Roofs roofs =
      measure_roofs(*device, {.read_bytes = 16 * 1000 * 37, .product_rounds = 1, .repetitions = 1});
  EXPECT_GT(roofs.read_bandwidth, 0);
  EXPECT_GT(roofs.f16_flops, 0);
  EXPECT_GT(roofs.int8_ops, 0);
}

}  // namespace
}  // namespace halftone::cuda
