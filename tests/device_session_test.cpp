#include <gtest/gtest.h>

#include "backend/cuda/cuda.h"
#include "base/error.h"
#include "graph_run.h"
#include "op_run.h"
#include "runtime/session.h"
#include "test_device.h"

namespace halftone {
namespace {

/// y = rms(erf(x)) * gain over a symbolic number of rows, and z = y with its rows joined.
Graph graph_with(bool reference_step) {
  Graph graph;
  const int64_t rows = graph.symbol("rows", 1, 8);
  const ValueId x = graph.add_input("x", {DType::f32, {rows, 6}});
  const ValueId gain = graph.add_constant("gain", Constant(random_tensor({6}, 3)));
  const ValueId inside = reference_step ? graph.add_node(*find_op("Erf"), "e", {x}).front() : x;
  const ValueId y = graph.add_node(*find_op("RMSNormalization"), "n", {inside, gain}).front();
  graph.add_output(y, "y");
  return graph;
}

/// The bound of rms_normalization_test.cpp for short rows, and the erf's own few roundings.
void expect_near(std::span<const float> found, std::span<const float> expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], 0x1p-19f * (1 + std::fabs(expected[i])));
}

void expect_same_as_references(bool reference_step) {
  ThreadPool threads(1);
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  CompileOptions options;
  options.backend = &backend;
  Session ours(compile(graph_with(reference_step), options, threads), threads);
  Session theirs(compile(graph_with(reference_step), {}, threads), threads);
  unsigned seed = 1;
  for (int64_t rows : {2, 8, 2, 2, 8, 2}) {  // runs, is recorded, is replayed; the arena grows between
    const Tensor x = random_tensor({rows, 6}, ++seed);
    ours.run({{"x", x.view()}});
    theirs.run({{"x", x.view()}});
    expect_near(ours.output("y").span<float>(), theirs.output("y").span<float>());
  }
}

TEST(DeviceSession, RunsAndReplaysInTheDevicesMemory) {
  expect_same_as_references(false);
}

TEST(DeviceSession, CarriesWhatHasNoKernelToTheHostAndBack) {
  expect_same_as_references(true);
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  ThreadPool threads(1);
  CompileOptions options;
  options.backend = &backend;
  EXPECT_NE(compile(graph_with(true), options, threads)->explain().find("Erf e -> reference"),
            std::string::npos);
}

TEST(DeviceSession, LaunchesOnlyWhatItRecorded) {
  SKIP_ON_A_GPU("only the host's stand-in counts launches");
  ThreadPool threads(1);
  cuda::HostDevice device;
  const cuda::CudaBackend backend(device);
  CompileOptions options;
  options.backend = &backend;
  Session session(compile(graph_with(false), options, threads), threads);
  const Tensor x = random_tensor({3, 6}, 1);
  for (int run = 1; run <= 4; ++run) {
    session.run({{"x", x.view()}});
    EXPECT_EQ(device.launches(), run);
  }
}

TEST(DeviceSession, ShowsObserversWhatLiesOnTheDevice) {
  ThreadPool threads(1);
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  CompileOptions options;
  options.backend = &backend;
  Session session(compile(graph_with(false), options, threads), threads);
  const Tensor x = random_tensor({3, 6}, 1);
  std::vector<float> seen;
  session.observe([&](const Value&, const TensorView& tensor) {
    const auto values = tensor.span<float>();
    seen.assign(values.begin(), values.end());
  });
  session.run({{"x", x.view()}});
  expect_near(seen, session.output("y").span<float>());
}

}  // namespace
}  // namespace halftone
