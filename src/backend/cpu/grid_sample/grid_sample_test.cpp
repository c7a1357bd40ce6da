#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

TEST(CpuGridSample, EqualsTheReference) {
  ThreadPool threads(2);
  for (const char* mode : {"linear", "nearest", "cubic"})
    for (const char* padding : {"zeros", "border", "reflection"})
      for (int64_t corners : {0, 1})
        for (const auto& [shape, rows, columns] : {std::tuple{Shape{1, 1, 1, 1}, 2, 3},
                                                   {Shape{2, 3, 5, 7}, 9, 16},
                                                   {Shape{3, 33, 16, 9}, 1, 65}}) {
          OpRun run(*find_op("GridSample"), {{"mode", std::string(mode)},
                                             {"padding_mode", std::string(padding)},
                                             {"align_corners", corners}});
          Tensor grid = random_tensor({shape[0], rows, columns, 2}, 2, 0.8f);
          grid.mutable_view().span<float>()[3] = NAN;
          grid.mutable_view().span<float>()[1] = 1e20f;
          grid.mutable_view().span<float>()[4] = -1;
          run.input(random_tensor(shape, 1)).input(grid);
          const std::vector<float> expected = floats(run.reference()[0]);
          const std::vector<float> found =
              floats(run_kernel(*float_kernels("GridSample")[0], run, threads)[0]);
          // 16 products of numbers up to 5 with weights of at most 1.6 in all, rounded twice each.
          for (size_t i = 0; i < found.size(); ++i)
            ASSERT_NEAR(found[i], expected[i], 32 * 0x1p-24f * 8)
                << mode << ", " << padding << ", element " << i;
        }
}

TEST(CpuGridSample, SaysWhatItRefuses) {
  OpRun line(*find_op("GridSample"));
  line.type(DType::f32, {1, 2, 3}).type(DType::f32, {1, 4, 1});
  EXPECT_EQ(float_kernels("GridSample")[0]->supports(line.site()), "1 spatial axes, not 2");
}

}  // namespace
}  // namespace halftone
