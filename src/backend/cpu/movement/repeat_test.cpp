#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

const Storage kLast{Storage::Order::channels_last, {}};

void expect_same(OpRun& run, const char* op) {
  ThreadPool threads(2);
  const Tensor expected = run.reference()[0];
  for (const Kernel* kernel : float_kernels(op)) {
    const Tensor found = run_kernel(*kernel, run, threads)[0];
    ASSERT_EQ(found.shape(), expected.shape());
    EXPECT_TRUE(
        std::equal(found.view().bytes().begin(), found.view().bytes().end(), expected.view().bytes().begin()))
        << kernel->name << ", " << expected.shape().str();
  }
}

TEST(CpuRepeat, ExpandsAlongAnyAxes) {
  for (const auto& [from, to] :
       std::vector<std::pair<Shape, std::vector<int64_t>>>{{{}, {5}},
                                                           {{1}, {3, 700}},
                                                           {{3, 1}, {3, 40}},
                                                           {{1, 40}, {30, 40}},
                                                           {{1, 1, 192}, {4, 1, 192}},
                                                           {{2, 1, 3, 1}, {1, 5, 1, 7}},
                                                           {{3}, {1}},
                                                           {{1, 3}, {0, 3}},
                                                           {{2, 3}, {4, 2, 3}}}) {
    OpRun run(*find_op("Expand")), halves(*find_op("Expand"));
    const Constant shape(Tensor::from<int64_t>({static_cast<int64_t>(to.size())}, to));
    run.input(random_tensor(from, 1)).constant(shape);
    expect_same(run, "Expand");
    halves.input(as_type(random_tensor(from, 1), DType::bf16)).constant(shape);
    expect_same(halves, "Expand");
  }
}

TEST(CpuRepeat, Tiles) {
  for (const auto& [from, times] :
       std::vector<std::pair<Shape, std::vector<int64_t>>>{{{5}, {3}},
                                                           {{3, 4}, {2, 1}},
                                                           {{3, 4}, {1, 2}},
                                                           {{2, 3, 4, 5}, {2, 3, 1, 2}},
                                                           {{1, 200}, {70, 1}},
                                                           {{2, 2, 2, 2, 2}, {2, 2, 2, 2, 2}},
                                                           {{3}, {0}}}) {
    OpRun run(*find_op("Tile"));
    run.input(random_tensor(from, 1));
    run.constant(Constant(Tensor::from<int64_t>({static_cast<int64_t>(times.size())}, times)));
    expect_same(run, "Tile");
  }
}

TEST(CpuBlocks, MoveBetweenChannelsAndPlaces) {
  for (bool turned : {false, true})
    for (const Shape& shape : {Shape{2, 8, 4, 6}, Shape{1, 27, 3, 9}, Shape{1, 4, 40, 60}}) {
      const int64_t block = shape[1] == 27 ? 3 : 2;
      for (const char* mode : {"DCR", "CRD"}) {
        OpRun run(*find_op("DepthToSpace"), {{"blocksize", block}, {"mode", std::string(mode)}});
        if (turned)
          run.stored(random_tensor(shape, 1), kLast).store_outputs({kLast});
        else
          run.input(random_tensor(shape, 1));
        expect_same(run, "DepthToSpace");
      }
      OpRun run(*find_op("SpaceToDepth"), {{"blocksize", block}});
      if (turned)
        run.stored(random_tensor({2, shape[1], 3 * block, 5 * block}, 1), kLast).store_outputs({kLast});
      else
        run.input(random_tensor({2, shape[1], 3 * block, 5 * block}, 1));
      expect_same(run, "SpaceToDepth");
    }
}

TEST(CpuPad, RepeatsWhatLiesAtTheEdges) {
  for (const char* mode : {"constant", "edge", "reflect", "wrap"})
    for (bool turned : {false, true}) {
      OpRun run(*find_op("Pad"), {{"mode", std::string(mode)}});
      const Tensor x = random_tensor({2, 3, 5, 7}, 1);
      if (turned)
        run.stored(x, kLast).store_outputs({kLast});
      else
        run.input(x);
      run.ints({0, 1, 3, 2, 0, 0, 9, 4});
      expect_same(run, "Pad");
      OpRun cut(*find_op("Pad"), {{"mode", std::string(mode)}});
      cut.input(as_type(x, DType::f16)).ints({0, 0, -2, 3, 0, 0, 4, -4});
      if (mode == std::string("constant")) cut.input(as_type(Tensor::from<float>({}, {2.5f}), DType::f16));
      expect_same(cut, "Pad");
      OpRun whole(*find_op("Pad"), {{"mode", std::string(mode)}});
      whole.input(Tensor::from<int64_t>({3}, {1, 2, 3})).ints({1, 2});
      expect_same(whole, "Pad");
    }
}

TEST(CpuSlice, CutsInputsOfOpenSizes) {
  const int64_t batch = Shape::symbol_dim(0);
  const Kernel& kernel = *float_kernels("Slice")[0];
  OpRun open(*find_op("Slice")), fixed(*find_op("Slice"));
  open.type(DType::f32, {batch, 7, 5}).ints({-1}).ints({-100}).ints({1}).ints({-2});
  fixed.input(random_tensor({3, 7, 5}, 1)).ints({-1}).ints({-100}).ints({1}).ints({-2});
  EXPECT_EQ(kernel.supports(open.site()), "");
  ThreadPool threads(2);
  const auto prepared = kernel.prepare(open.site(), threads);
  std::vector<Tensor> found = fixed.outputs();
  prepared->run({fixed.site(), fixed.operands(), OpRun::views(found), {}, threads});
  EXPECT_EQ(floats(found[0]), floats(fixed.reference()[0]));
}

}  // namespace
}  // namespace halftone
