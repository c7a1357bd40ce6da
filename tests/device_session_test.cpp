#include <gtest/gtest.h>

#include "backend/cuda/cuda.h"
#include "base/error.h"
#include "graph_run.h"
#include "op_run.h"
#include "runtime/session.h"
#include "test_device.h"

namespace halftone {
namespace {

/// y = rms(x) * gain over a symbolic number of rows; before it a Swish of rounded gates, which has no kernel.
Graph graph_with(bool reference_step) {
  Graph graph;
  const int64_t rows = graph.symbol("rows", 1, 8);
  const ValueId x = graph.add_input("x", {DType::f32, {rows, 6}});
  const ValueId gain = graph.add_constant("gain", Constant(random_tensor({6}, 3)));
  const Attributes rounded{{"gate_scale", 1 / 255.0f}, {"gate_zero", int64_t{0}}};
  const ValueId inside = reference_step ? graph.add_node(*find_op("Swish"), "e", {x}, rounded).front() : x;
  const ValueId y = graph.add_node(*find_op("RMSNormalization"), "n", {inside, gain}).front();
  graph.add_output(y, "y");
  return graph;
}

/// The bound of rms_normalization_test.cpp for short rows.
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
  EXPECT_NE(compile(graph_with(true), options, threads)->explain().find("Swish e -> reference"),
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

/// y = x + 1, the ones being a row of x's width that is computed from x's shape.
Graph graph_of_sizes() {
  Graph graph;
  const int64_t columns = graph.symbol("columns", 1, 8);
  const ValueId x = graph.add_input("x", {DType::f32, {3, columns}});
  const auto constant = [&](const char* name, const Tensor& tensor) {
    return graph.add_constant(name, Constant(tensor));
  };
  const ValueId shape = graph.add_node(*find_op("Shape"), "shape", {x}).front();
  const ValueId width =
      graph.add_node(*find_op("Gather"), "width", {shape, constant("one", Tensor::from<int64_t>({1}, {1}))})
          .front();
  const ValueId twice =
      graph
          .add_node(*find_op("Concat"), "twice", {constant("two", Tensor::from<int64_t>({1}, {2})), width},
                    {{"axis", int64_t{0}}})
          .front();
  const ValueId row = constant("row", Tensor::from<float>({1}, {0.5f}));
  const ValueId rows = graph.add_node(*find_op("Expand"), "rows", {row, twice}).front();
  const ValueId sum =
      graph.add_node(*find_op("ReduceSum"), "sum", {rows, constant("axis", Tensor::from<int64_t>({1}, {0}))})
          .front();
  graph.add_output(graph.add_node(*find_op("Add"), "y", {x, sum}).front(), "y");
  graph.add_output(twice, "twice");
  return graph;
}

TEST(DeviceSession, WhatFollowsFromSizesIsNoStep) {
  ThreadPool threads(1);
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  CompileOptions options;
  options.backend = &backend;
  Session ours(compile(graph_of_sizes(), options, threads), threads);
  Session theirs(compile(graph_of_sizes(), {}, threads), threads);
  unsigned seed = 1;
  for (int64_t columns : {2, 8, 2, 2, 8, 8, 2}) {
    const Tensor x = random_tensor({3, columns}, ++seed);
    ours.run({{"x", x.view()}});
    theirs.run({{"x", x.view()}});
    expect_near(ours.output("y").span<float>(), theirs.output("y").span<float>());
    EXPECT_EQ(ours.output("twice").span<int64_t>()[1], columns);
  }
}

TEST(DeviceSession, RecordsWhereShapesAreComputed) {
  SKIP_ON_A_GPU("only the host's stand-in counts launches");
  ThreadPool threads(1);
  cuda::HostDevice device;
  const cuda::CudaBackend backend(device);
  CompileOptions options;
  options.backend = &backend;
  Session session(compile(graph_of_sizes(), options, threads), threads);
  const Tensor x = random_tensor({3, 6}, 1);
  session.run({{"x", x.view()}});
  const int64_t each = device.launches();
  EXPECT_EQ(each, 1);  // the Add; the rest is known
  session.run({{"x", x.view()}});
  EXPECT_EQ(device.launches(), 2 * each);
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
