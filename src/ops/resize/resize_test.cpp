#include "ops/resize/resize.h"

#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

struct Case {
  std::vector<float> x;
  std::vector<float> scales;
  std::vector<int64_t> sizes;
  Attributes attributes;
};

/// One axis resized.
std::vector<float> resized(const Case& c) {
  OpRun run(resize_schema(), c.attributes);
  run.input(Tensor::from<float>({static_cast<int64_t>(c.x.size())}, std::span<const float>(c.x))).absent();
  if (c.sizes.empty())
    run.constant(Constant(Tensor::from<float>({1}, std::span<const float>(c.scales))));
  else
    run.absent().ints({c.sizes[0]});
  return floats(run.reference()[0]);
}

Attributes with(std::string mode, std::string coordinates = "half_pixel") {
  return {{"mode", std::move(mode)}, {"coordinate_transformation_mode", std::move(coordinates)}};
}

TEST(Resize, RepeatsTheNearest) {
  EXPECT_EQ(resized({{1, 2}, {2}, {}, {}}), (std::vector<float>{1, 1, 2, 2}));
  EXPECT_EQ(resized({{1, 2, 3, 4}, {0.6f}, {}, {}}), (std::vector<float>{1, 3}));
  Attributes ceil = with("nearest", "asymmetric");
  ceil.set("nearest_mode", std::string("ceil"));
  EXPECT_EQ(resized({{1, 2}, {2}, {}, ceil}), (std::vector<float>{1, 2, 2, 2}));
}

TEST(Resize, Interpolates) {
  EXPECT_EQ(resized({{1, 2}, {2}, {}, with("linear")}), (std::vector<float>{1, 1.25f, 1.75f, 2}));
  EXPECT_EQ(resized({{1, 3}, {}, {3}, with("linear", "align_corners")}), (std::vector<float>{1, 2, 3}));
  const auto cubic = resized({{0, 0, 1, 0, 0}, {2}, {}, with("cubic")});
  EXPECT_NEAR(cubic[4], 0.8789, 1e-4);   // Keys' kernel at 0.25
  EXPECT_NEAR(cubic[6], 0.2617, 1e-4);   // at 0.75
  EXPECT_NEAR(cubic[7], -0.1055, 1e-4);  // at 1.25
}

TEST(Resize, AveragesWithAntialias) {
  Attributes smooth = with("linear");
  smooth.set("antialias", int64_t{1});
  // Triangles of radius 2 around 0.5 and 2.5, the edge elements repeated outside.
  const auto y = resized({{0, 0, 8, 8}, {0.5f}, {}, smooth});
  EXPECT_FLOAT_EQ(y[0], 1);
  EXPECT_FLOAT_EQ(y[1], 7);
}

TEST(Resize, KeepsTheAspectRatio) {
  auto shape = [](std::string policy) {
    return OpRun(resize_schema(),
                 {{"keep_aspect_ratio_policy", std::move(policy)}, {"axes", std::vector<int64_t>{2, 3}}})
        .type(DType::f32, {1, 3, 20, 40})
        .absent()
        .absent()
        .ints({10, 30})
        .site()
        .outputs[0]
        .shape;
  };
  EXPECT_EQ(shape("stretch"), (Shape{1, 3, 10, 30}));
  EXPECT_EQ(shape("not_larger"), (Shape{1, 3, 10, 20}));
  EXPECT_EQ(shape("not_smaller"), (Shape{1, 3, 15, 30}));
}

TEST(Resize, CutsOutARegion) {
  OpRun run(resize_schema(), {{"mode", std::string("linear")},
                              {"coordinate_transformation_mode", std::string("tf_crop_and_resize")},
                              {"extrapolation_value", 9.0f}});
  run.input(Tensor::from<float>({3}, {1, 2, 3}))
      .constant(Constant(Tensor::from<float>({2}, {0.5f, 1.25f})))
      .absent()
      .ints({4});
  const auto y = floats(run.reference()[0]);
  EXPECT_EQ(y, (std::vector<float>{2, 2.5f, 3, 9}));
}

TEST(Resize, RoundsIntegers) {
  OpRun run(resize_schema(), with("linear"));
  run.input(Tensor::from<uint8_t>({2}, {0, 255})).absent();
  run.constant(Constant(Tensor::from<float>({1}, {2})));
  EXPECT_EQ(values<uint8_t>(run.reference()[0]), (std::vector<uint8_t>{0, 64, 191, 255}));
}

TEST(Resize, ARegionThatIsNoNumberLiesOutside) {
  OpRun run(resize_schema(), {{"coordinate_transformation_mode", std::string("tf_crop_and_resize")},
                              {"extrapolation_value", 7.0f}});
  run.input(Tensor::from<float>({2}, {1, 2})).constant(Constant(Tensor::from<float>({2}, {NAN, 1})));
  run.constant(Constant(Tensor::from<float>({1}, {2})));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>(4, 7)));
}

TEST(Resize, KnowsShapesAsFarAsItCan) {
  const int64_t batch = Shape::symbol_dim(0);
  OpRun fixed(resize_schema(), {{"axes", std::vector<int64_t>{-1}}});
  fixed.type(DType::f32, {batch, 4}).absent().constant(Constant(Tensor::from<float>({1}, {2.5f})));
  EXPECT_EQ(fixed.site().outputs[0].shape, (Shape{batch, 10}));
  OpRun later(resize_schema(), {{"axes", std::vector<int64_t>{1}}});
  later.type(DType::f32, {batch, 4}).absent().absent().type(DType::i64, {1});
  EXPECT_EQ(later.site().outputs[0].shape, (Shape{batch, Shape::kUnknownDim}));
  OpRun neither(resize_schema());
  EXPECT_THROW(neither.type(DType::f32, {4}).site(), InputError);
  EXPECT_THROW(resized({{1, 2}, {-1}, {}, {}}), InputError);
  EXPECT_THROW(resized({{1, 2}, {1e30f}, {}, {}}), InputError);
  EXPECT_THROW(resized({{1, 2}, {2}, {}, with("lanczos")}), InputError);
}

TEST(Upsample, IsAnAsymmetricResize) {
  OpRun run(upsample_schema(), {{"mode", std::string("linear")}});
  run.input(Tensor::from<float>({2}, {1, 2})).constant(Constant(Tensor::from<float>({1}, {2})));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{1, 1.5f, 2, 2}));
}

}  // namespace
}  // namespace halftone
