#include "eval/image_accuracy.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "eval/classifier_comparison.h"
#include "eval/image_samples.h"
#include "shared_files.h"
#include "vision/image/image_file.h"

namespace halftone {
namespace {

/// A model of 2 x 2 pictures whose three scores are the sums of its colours, and pictures of one colour each.
class ColourModel : public testing::Test {
 protected:
  ColourModel()
      : folder_(fs::path(testing::TempDir()) / ("image_accuracy_test_" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    for (int c = 0; c < 3; ++c) {
      Image image(2, 2);
      for (int i = 0; i < 4; ++i) image.pixels[static_cast<size_t>(3 * i + c)] = 200;
      write_image(image, folder_ / (std::string("rgb").substr(static_cast<size_t>(c), 1) + ".png"));
    }
    graph_ = graph_of(DType::f32);
  }
  ~ColourModel() override { fs::remove_all(folder_); }

  static Graph graph_of(DType dtype) {
    Graph graph;
    graph.name = "colours";
    const ValueId input = graph.add_input("x", {dtype, {1, 3, 2, 2}});
    auto ints = [&](const char* name, std::initializer_list<int64_t> values) {
      return graph.add_constant(
          name, Constant(Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values)));
    };
    const ValueId rows = graph.add_node(*find_op("Reshape"), "rows", {input, ints("shape", {3, 4})}).front();
    Tensor weights = Tensor::allocate(dtype, {4, 1});
    store_floats(std::vector<float>(4, 1), weights.mutable_view(), 0);
    const ValueId ones = graph.add_constant("ones", Constant(weights));
    const ValueId sums = graph.add_node(*find_op("MatMul"), "sums", {rows, ones}).front();
    graph.add_output(graph.add_node(*find_op("Reshape"), "scores", {sums, ints("flat", {1, 3})}).front(),
                     "scores");
    return graph;
  }

  void labels(const std::string& text) { std::ofstream(folder_ / "labels.txt") << text; }
  TopAccuracy measure() {
    ThreadPool threads(2);
    ImageRunner runner(compile(graph_, {}, threads), fit_to_model({}, image_input(graph_), "test"), threads);
    return measure_top_accuracy(runner, read_labelled_images(folder_));
  }

  fs::path folder_;
  Graph graph_;
};

TEST_F(ColourModel, TopOneCountsTheLikeliest) {
  labels("r.png 0\ng.png 1\n\nb.png 0\n");
  const TopAccuracy accuracy = measure();
  EXPECT_EQ(accuracy.images, 3);
  EXPECT_DOUBLE_EQ(accuracy.top1, 2.0 / 3);
  EXPECT_DOUBLE_EQ(accuracy.top5, 1);
}

TEST_F(ColourModel, SixteenBitsAreFedAndReadAsTheyAre) {
  labels("r.png 0\ng.png 1\n\nb.png 0\n");
  for (const DType dtype : {DType::f16, DType::bf16}) {
    graph_ = graph_of(dtype);
    EXPECT_DOUBLE_EQ(measure().top1, 2.0 / 3);
    const ImageInput input = image_input(graph_);
    const ImageSamples samples({(folder_ / "g.png").string()}, fit_to_model({}, input, "test"), input);
    EXPECT_EQ(samples.sample(0).at("x").dtype(), dtype);
  }
}

TEST_F(ColourModel, BrokenPicturesArePassedOver) {
  labels("r.png 0\nbroken.png 0\nb.png 2\n");
  std::ofstream(folder_ / "broken.png") << "no picture";
  EXPECT_THROW(measure(), InputError);
  ThreadPool threads(2);
  ImageRunner runner(compile(graph_, {}, threads), Preprocess{}, threads);
  std::string why;
  runner.pass_over_broken([&](const std::string& reason) { why = reason; });
  const TopAccuracy accuracy = measure_top_accuracy(runner, read_labelled_images(folder_));
  EXPECT_EQ(accuracy.images, 2);
  EXPECT_DOUBLE_EQ(accuracy.top1, 1);
  EXPECT_NE(why.find("broken.png"), std::string::npos);
}

TEST_F(ColourModel, ComparedWithItselfAgrees) {
  labels("r.png 0\ng.png 1\nb.png 0\n");
  ThreadPool threads(2);
  ImageRunner model(compile(graph_, {}, threads), Preprocess{}, threads);
  ImageRunner reference(compile(graph_, {}, threads), Preprocess{}, threads);
  const auto images = read_labelled_images(folder_);
  const ClassifierComparison same = compare_classifiers(model, reference, images);
  EXPECT_DOUBLE_EQ(same.model.top1, 2.0 / 3);
  EXPECT_DOUBLE_EQ(same.reference.top1, 2.0 / 3);
  EXPECT_DOUBLE_EQ(same.agreement, 1);
  EXPECT_DOUBLE_EQ(same.kld_mean, 0);
  EXPECT_DOUBLE_EQ(same.top1_interval, 0);
}

TEST_F(ColourModel, ComparedOnWhatBothCanRead) {
  labels("r.png 0\nbroken.png 0\ng.png 0\nb.png 2\n");
  std::ofstream(folder_ / "broken.png") << "no picture";
  ThreadPool threads(2);
  ImageRunner model(compile(graph_, {}, threads), Preprocess{}, threads);
  ImageRunner reference(compile(graph_, {}, threads), Preprocess{}, threads);
  int broken = 0;
  reference.pass_over_broken([&](const std::string&) {
    ++broken;
    fs::remove(folder_ / "g.png");  // so that the model alone cannot read it
  });
  model.pass_over_broken([&](const std::string&) { ++broken; });
  const ClassifierComparison same = compare_classifiers(model, reference, read_labelled_images(folder_));
  EXPECT_EQ(broken, 2);
  EXPECT_EQ(same.model.images, 2);
  EXPECT_EQ(same.reference.images, 2);
  EXPECT_DOUBLE_EQ(same.model.top1, 1);
  EXPECT_DOUBLE_EQ(same.reference.top1, 1);
  EXPECT_DOUBLE_EQ(same.agreement, 1);
}

TEST(PairedInterval, IsTheNormalApproximation) {
  // 12 gained, 8 lost of 500: se = sqrt(20 - 16 / 500) / 500.
  EXPECT_NEAR(paired_interval(12, 8, 500), 1.959964 * std::sqrt(20 - 0.032) / 500, 1e-12);
  EXPECT_DOUBLE_EQ(paired_interval(0, 0, 500), 0);
}

TEST_F(ColourModel, SaysWhatIsWrong) {
  labels("r.png zero\n");
  EXPECT_THROW(measure(), InputError);
  labels("r.png 3\n");
  EXPECT_THROW(measure(), InputError);
  labels("missing.png 0\nr.png 0\n");
  EXPECT_THROW(measure(), InputError);
  labels("\n");
  EXPECT_THROW(measure(), InputError);
}

TEST_F(ColourModel, SamplesAreWhatTheModelSees) {
  const ImageSamples samples({(folder_ / "g.png").string()}, Preprocess{}, image_input(graph_));
  ASSERT_EQ(samples.samples(), 1);
  const auto sample = samples.sample(0);
  ASSERT_EQ(sample.count("x"), 1u);
  EXPECT_EQ(sample.at("x").shape(), (Shape{1, 3, 2, 2}));
  EXPECT_EQ(sample.at("x").span<float>()[4], 200);
  EXPECT_EQ(sample.at("x").span<float>()[0], 0);
}

}  // namespace
}  // namespace halftone
