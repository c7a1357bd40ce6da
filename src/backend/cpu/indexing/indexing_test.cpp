#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

void expect_same(OpRun& run, const char* name) {
  ThreadPool threads(2);
  const Tensor expected = run.reference()[0];
  for (const Kernel& kernel : cpu_backend().kernels()) {
    if (kernel.name != name) continue;
    const Tensor found = run_kernel(kernel, run, threads)[0];
    ASSERT_EQ(found.shape(), expected.shape());
    EXPECT_TRUE(
        std::equal(found.view().bytes().begin(), found.view().bytes().end(), expected.view().bytes().begin()))
        << name;
    return;
  }
  FAIL() << name;
}

/// Indices into axes of these sizes in turn, some from the back and some outside.
Tensor indices(const Shape& shape, const std::vector<int64_t>& sizes) {
  Tensor made = Tensor::allocate(DType::i64, shape);
  const auto to = made.mutable_view().span<int64_t>();
  for (size_t i = 0; i < to.size(); ++i) {
    const int64_t size = sizes[i % sizes.size()];
    to[i] = i % 29 == 28 ? size : static_cast<int64_t>(i * 7919 % static_cast<size_t>(2 * size)) - size;
  }
  return made;
}

TEST(CpuIndexing, GathersElements) {
  for (const auto& [data, shape] : {std::pair{Shape{7}, Shape{11}},
                                    {Shape{4, 9}, Shape{4, 5}},
                                    {Shape{3, 5, 6}, Shape{2, 5, 4}},
                                    {Shape{3, 500, 6}, Shape{3, 300, 6}}})
    for (int64_t axis = 0; axis < data.rank(); ++axis) {
      Shape given = shape;
      for (int a = 0; a < data.rank(); ++a)
        if (a != axis) given[a] = std::min(given[a], data[a]);
      OpRun run(*find_op("GatherElements"), {{"axis", axis}}),
          wide(*find_op("GatherElements"), {{"axis", axis}});
      const Tensor at = indices(given, {data[static_cast<int>(axis)]});
      run.input(random_tensor(data, 1)).input(at);
      expect_same(run, "gather_elements");
      wide.input(as_type(random_tensor(data, 1), DType::f16)).input(at);
      expect_same(wide, "gather_elements");
    }
}

TEST(CpuIndexing, GathersAlongInnerAxes) {
  for (int64_t axis : {0, 1, 2}) {
    OpRun run(*find_op("Gather"), {{"axis", axis}});
    const Shape data{3, 5, 7};
    run.input(random_tensor(data, 1)).input(indices({2, 4}, {data[static_cast<int>(axis)]}));
    expect_same(run, "gather_inner");
  }
}

TEST(CpuIndexing, GathersAndScattersSlices) {
  struct Case {
    Shape data, indices;
    int64_t batch = 0;
  };
  for (const Case& c : {Case{{7}, {5, 1}}, Case{{6, 9}, {40, 1}}, Case{{6, 9}, {3, 4, 2}},
                        Case{{3, 6, 9}, {3, 5, 1}, 1}, Case{{2, 50, 3, 8}, {2, 30, 2}, 1}}) {
    std::vector<int64_t> sizes;
    for (int64_t d = 0; d < c.indices.back(); ++d) sizes.push_back(c.data[static_cast<int>(c.batch + d)]);
    const Tensor at = indices(c.indices, sizes);
    OpRun gather(*find_op("GatherND"), {{"batch_dims", c.batch}});
    gather.input(random_tensor(c.data, 1)).input(at);
    expect_same(gather, "gather_nd");
    if (c.batch > 0) continue;
    OpRun scatter(*find_op("ScatterND"));
    scatter.input(random_tensor(c.data, 2)).input(at).input(random_tensor(gather.site().outputs[0].shape, 3));
    expect_same(scatter, "scatter_nd");
  }
  OpRun sums(*find_op("ScatterND"), {{"reduction", std::string("add")}});
  sums.type(DType::f32, {3}).type(DType::i64, {1, 1}).type(DType::f32, {1});
  EXPECT_EQ(float_kernels("ScatterND")[0]->supports(sums.site()), "what is scattered is added up");
}

}  // namespace
}  // namespace halftone
