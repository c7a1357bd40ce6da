#include <gtest/gtest.h>

#include "test_device.h"

namespace halftone::cuda {
namespace {

/// What every test that runs kernels needs first: where HALFTONE_TEST_DEVICE asks for a GPU and there is
/// none, this test says so and ctest runs none of the others.
TEST(DevicePresent, IsTheOneAskedFor) {
  std::string trouble;
  try {
    const TestDevice device;
    RecordProperty("device", device->description());
    fmt::print("tests run on {}\n", device->description());
  } catch (const std::exception& error) {
    trouble = error.what();
  }
  if (!trouble.empty()) FAIL() << "no GPU to test on: " << trouble;
}

}  // namespace
}  // namespace halftone::cuda
