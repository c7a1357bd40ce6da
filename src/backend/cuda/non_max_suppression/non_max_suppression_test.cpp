#include "ops/non_max_suppression/non_max_suppression.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

/// Boxes of a few sizes at whole places, scores of few values: many overlaps, many ties.
void fill(OpRun& run, int64_t batch, int64_t classes, int64_t count, int64_t most, float overlap,
          float least) {
  std::mt19937 random(5);
  Tensor boxes = Tensor::allocate(DType::f32, {batch, count, 4});
  Tensor scores = Tensor::allocate(DType::f32, {batch, classes, count});
  for (float& x : boxes.mutable_view().span<float>()) x = static_cast<float>(random() % 9);
  for (float& x : scores.mutable_view().span<float>()) x = static_cast<float>(random() % 8) / 8;
  scores.mutable_view().span<float>()[1] = NAN;
  run.input(boxes)
      .input(scores)
      .input(Tensor::from<int64_t>({}, {most}))
      .input(Tensor::from<float>({1}, {overlap}))
      .input(Tensor::from<float>({}, {least}));
}

TEST(CudaNonMaxSuppression, SelectsWhatTheReferenceSelects) {
  for (bool centre : {false, true})
    for (int64_t most : {0, 3, 1000})
      for (float overlap : {0.0f, 0.3f, 0.9f}) {
        OpRun run(non_max_suppression_schema(), {{"center_point_box", int64_t{centre}}});
        fill(run, 2, 3, 70, most, overlap, 0.2f);
        const Tensor found = run_on_test_device(cuda_kernel("non_max_suppression"), run)[0];
        EXPECT_EQ(values<int64_t>(found), values<int64_t>(run.reference()[0])) << most << ", " << overlap;
      }
}

TEST(CudaNonMaxSuppression, AsksThatTheRowsAreKnown) {
  OpRun run(non_max_suppression_schema());
  run.type(DType::f32, {1, 4, 4}).type(DType::f32, {1, 1, 4});
  EXPECT_EQ(cuda_kernel("non_max_suppression").supports(run.site()),
            "how many boxes it selects is not known ahead");
}

}  // namespace
}  // namespace halftone::cuda
