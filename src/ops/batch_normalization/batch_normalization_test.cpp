#include "ops/batch_normalization/batch_normalization.h"

#include <cmath>
#include <gtest/gtest.h>

#include "base/error.h"
#include "op_run.h"

namespace halftone {
namespace {

OpRun& add_parameters(OpRun& run) {
  return run.input(Tensor::from<float>({2}, {1, 1.5f}))
      .input(Tensor::from<float>({2}, {0, 1}))
      .input(Tensor::from<float>({2}, {0, 3}))
      .input(Tensor::from<float>({2}, {1, 4}));
}

TEST(BatchNormalization, UsesTheStatisticsGiven) {
  OpRun run(batch_normalization_schema(), {{"epsilon", 0.0f}});
  add_parameters(run.input(Tensor::from<float>({1, 2, 1, 3}, {-1, 0, 1, 2, 3, 4})));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{-1, 0, 1, 0.25f, 1, 1.75f}));
}

TEST(BatchNormalization, MeasuresItsOwnWhenTraining) {
  OpRun run(batch_normalization_schema(), {{"epsilon", 0.0f}, {"training_mode", int64_t{1}}});
  add_parameters(run.input(Tensor::from<float>({2, 2}, {-1, 2, 1, 4})));
  const auto y = run.reference();
  EXPECT_EQ(floats(y[0]), (std::vector<float>{-1, -0.5f, 1, 2.5f}));
  EXPECT_FLOAT_EQ(floats(y[1])[1], 3.0f);
  EXPECT_FLOAT_EQ(floats(y[2])[0], 1.0f);
  EXPECT_FLOAT_EQ(floats(y[2])[1], 4 * 0.9f + 0.1f);
}

TEST(BatchNormalization, RefusesParametersOfAnotherLength) {
  OpRun run(batch_normalization_schema());
  add_parameters(run.type(DType::f32, {1, 3, 4}));
  EXPECT_THROW(run.site(), InputError);
}

}  // namespace
}  // namespace halftone
