#include "vision/detect/head.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

#include "base/error.h"

namespace halftone {
namespace {

/// Outputs of given shapes, filled so that few scores are high.
struct Made {
  HeadSite site;
  std::vector<Tensor> tensors;

  Made(int height, int width, std::vector<Shape> shapes) : site{height, width, std::move(shapes)} {
    std::mt19937 random(7);
    std::uniform_real_distribution<float> uniform(0, 1);
    for (const Shape& shape : site.outputs) {
      tensors.push_back(Tensor::allocate(DType::f32, shape));
      for (float& value : tensors.back().mutable_view().span<float>()) value = uniform(random);
    }
  }
  float* at(size_t output) { return tensors[output].mutable_view().span<float>().data(); }

  std::vector<Detection> decode(float min_score, const std::string& name = "") {
    std::vector<TensorView> views;
    for (const Tensor& tensor : tensors) views.push_back(tensor.view());
    std::vector<Detection> found;
    find_head(site, name).decode(site, views, min_score, found);
    return found;
  }
};

void expect_box(const Box& box, double x, double y, double width, double height) {
  EXPECT_NEAR(box.x0, x - width / 2, 1e-3);
  EXPECT_NEAR(box.y0, y - height / 2, 1e-3);
  EXPECT_NEAR(box.x1, x + width / 2, 1e-3);
  EXPECT_NEAR(box.y1, y + height / 2, 1e-3);
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

TEST(Heads, AreToldByTheShapesOfTheirOutputs) {
  auto name = [](int height, int width, std::vector<Shape> shapes) {
    return std::string(find_head({height, width, std::move(shapes)}).name);
  };
  EXPECT_EQ(name(416, 416, {{1, 3549, 85}}), "yolox");
  EXPECT_EQ(name(640, 640, {{1, 25200, 85}}), "yolov5");
  EXPECT_EQ(name(640, 640, {{1, 3, 80, 80, 85}, {1, 3, 40, 40, 85}, {1, 3, 20, 20, 85}}), "yolov7");
  EXPECT_EQ(name(640, 640, {{1, 84, 8400}}), "yolov8");
  EXPECT_EQ(name(480, 640, {{1, 24, 6300}}), "yolov8");
  EXPECT_EQ(name(640, 640, {{1, 300, 6}}), "yolov10");
  EXPECT_EQ(
      name(416, 416, {{1, 2704, 80}, {1, 676, 80}, {1, 169, 80}, {1, 2704, 32}, {1, 676, 32}, {1, 169, 32}}),
      "nanodet");
  EXPECT_EQ(name(416, 416, {{1, 3598, 112}}), "nanodet-plus");
  EXPECT_THROW(find_head({416, 416, {{1, 1000}}}), UnsupportedError);
  EXPECT_THROW(find_head({416, 416, {{1, 3549, 85}}}, "yolo9000"), UsageError);
  EXPECT_THROW(find_head({416, 416, {{1, 3549, 85}}}, "yolov8"), UnsupportedError);
}

TEST(Heads, Yolox) {
  Made made(64, 96, {{1, 12 * 8 + 6 * 4 + 3 * 2, 7}});
  // The cell in row 2, column 3 of the second level, whose stride is 16.
  float* row = made.at(0) + (12 * 8 + 2 * 6 + 3) * 7;
  const float values[] = {0.25f, -0.5f, 0.7f, 1.1f, 0.99f, 0.3f, 0.995f};
  std::copy(values, values + 7, row);
  const auto found = made.decode(0.98f);
  ASSERT_EQ(found.size(), 1u);
  expect_box(found[0].box, (0.25 + 3) * 16, (-0.5 + 2) * 16, std::exp(0.7) * 16, std::exp(1.1) * 16);
  EXPECT_FLOAT_EQ(found[0].score, 0.99f * 0.995f);
  EXPECT_EQ(found[0].label, 1);
  // As a plain loop over all (box, class) has it.
  size_t expected = 0;
  for (int i = 0; i < 126; ++i)
    for (int c = 0; c < 2; ++c) expected += made.at(0)[7 * i + 4] * made.at(0)[7 * i + 5 + c] > 0.5f;
  EXPECT_EQ(made.decode(0.5f).size(), expected);
}

TEST(Heads, Yolov5) {
  Made made(32, 64, {{1, 3 * (32 + 8 + 2), 8}});
  float* row = made.at(0) + 100 * 8;
  const float values[] = {31, 17, 20, 10, 0.999f, 0.1f, 0.999f, 0.2f};
  std::copy(values, values + 8, row);
  const auto found = made.decode(0.997f);
  ASSERT_EQ(found.size(), 1u);
  expect_box(found[0].box, 31, 17, 20, 10);
  EXPECT_EQ(found[0].label, 1);
  size_t expected = 0;
  for (int i = 0; i < 126; ++i)
    for (int c = 0; c < 3; ++c) expected += made.at(0)[8 * i + 4] * made.at(0)[8 * i + 5 + c] > 0.4f;
  EXPECT_EQ(made.decode(0.4f).size(), expected);
}

TEST(Heads, Yolov7) {
  Made made(32, 64, {{1, 3, 4, 8, 6}, {1, 3, 2, 4, 6}, {1, 3, 1, 2, 6}});
  // Second level, third anchor (72 x 146), row 1, column 2.
  float* row = made.at(1) + ((2 * 2 + 1) * 4 + 2) * 6;
  const float values[] = {0.4f, -0.3f, 0.1f, -0.2f, 9, 8};
  std::copy(values, values + 6, row);
  const auto found = made.decode(0.99f);
  ASSERT_EQ(found.size(), 1u);
  expect_box(found[0].box, (2 * sigmoid(0.4) - 0.5 + 2) * 16, (2 * sigmoid(-0.3) - 0.5 + 1) * 16,
             72 * std::pow(2 * sigmoid(0.1), 2), 146 * std::pow(2 * sigmoid(-0.2), 2));
  EXPECT_NEAR(found[0].score, sigmoid(9) * sigmoid(8), 1e-6);
}

TEST(Heads, Yolov8) {
  const int cells = 32 + 8 + 2;
  Made made(32, 64, {{1, 4 + 3, cells}});
  const float values[] = {31, 17, 20, 10, 0.1f, 0.2f, 2};  // no score is as high as 2
  for (int k = 0; k < 7; ++k) made.at(0)[k * cells + 40] = values[k];
  const auto found = made.decode(1.5f);
  ASSERT_EQ(found.size(), 1u);
  expect_box(found[0].box, 31, 17, 20, 10);
  EXPECT_EQ(found[0].label, 2);
}

TEST(Heads, Yolov10) {
  Made made(64, 64, {{1, 5, 6}});
  const float values[] = {3, 4, 13, 24, 2, 17};
  std::copy(values, values + 6, made.at(0) + 12);
  const auto found = made.decode(1);
  ASSERT_EQ(found.size(), 1u);
  expect_box(found[0].box, 8, 14, 10, 20);
  EXPECT_EQ(found[0].label, 17);
}

double mean_bin(const float* logits) {
  double sum = 0, mean = 0;
  for (int bin = 0; bin < 8; ++bin) {
    sum += std::exp(double{logits[bin]});
    mean += std::exp(double{logits[bin]}) * bin;
  }
  return mean / sum;
}

void expect_distances(const Box& box, const float* logits, double x, double y, double stride) {
  EXPECT_NEAR(box.x0, x - mean_bin(logits) * stride, 1e-3);
  EXPECT_NEAR(box.y0, y - mean_bin(logits + 8) * stride, 1e-3);
  EXPECT_NEAR(box.x1, x + mean_bin(logits + 16) * stride, 1e-3);
  EXPECT_NEAR(box.y1, y + mean_bin(logits + 24) * stride, 1e-3);
}

TEST(Heads, Nanodet) {
  // Outputs out of order, and as many classes as box logits on purpose: scores come first then.
  Made made(32, 64, {{1, 8, 32}, {1, 32, 32}, {1, 2, 32}, {1, 32, 32}, {1, 8, 32}, {1, 2, 32}});
  made.at(1)[(2 * 8 + 5) * 32 + 30] = 3;  // first level, row 2, column 5, class 30
  const auto found = made.decode(2);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].label, 30);
  expect_distances(found[0].box, made.at(3) + (2 * 8 + 5) * 32, 5 * 8 + 3.5, 2 * 8 + 3.5, 8);
}

TEST(Heads, NanodetPlus) {
  Made made(64, 64, {{1, 64 + 16 + 4 + 1, 2 + 32}});
  float* row = made.at(0) + (64 + 16 + 3) * 34;  // third level, row 1, column 1
  row[1] = 3;
  const auto found = made.decode(2);
  ASSERT_EQ(found.size(), 1u);
  expect_distances(found[0].box, row + 2, 32, 32, 32);
}

TEST(Heads, NotANumberIsNoDetection) {
  Made made(32, 64, {{1, 4 + 3, 42}});
  for (float& value : made.tensors[0].mutable_view().span<float>()) value = NAN;
  EXPECT_TRUE(made.decode(0).empty());
}

}  // namespace
}  // namespace halftone
