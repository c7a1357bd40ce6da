#include "vision/preprocess/preprocess.h"

#include <fstream>
#include <gtest/gtest.h>

#include "base/error.h"
#include "npy.h"
#include "shared_files.h"
#include "vision/image/image_file.h"
#include "vision/preprocess/find_preprocess.h"

namespace halftone {
namespace {

Preprocess preset(const std::string& name) {
  const PreprocessSource source = preprocess_preset(name);
  return parse_preprocess(source.json, source.source);
}

std::string error_of(const Json& json) {
  try {
    parse_preprocess(json, "p.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

/// A ramp whose red is x, green y, blue their sum.
Image ramp(int width, int height) {
  Image image(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const uint8_t rgb[3] = {static_cast<uint8_t>(x), static_cast<uint8_t>(y), static_cast<uint8_t>(x + y)};
      std::copy(rgb, rgb + 3, image.row(y) + 3 * x);
    }
  return image;
}

TEST(Preprocess, EveryPresetIsRight) {
  EXPECT_GE(preprocess_presets().size(), 9u);
  for (const std::string& name : preprocess_presets()) {
    const PreprocessSource source = preprocess_preset(name);
    EXPECT_NO_THROW(parse_preprocess(source.json, source.source)) << name;
    const auto labels = json_get_or<std::string>(source.json, "labels", "", name);
    EXPECT_EQ(labels.empty(), known_labels(labels).empty()) << name;
  }
  EXPECT_THROW(preprocess_preset("yolo-x"), UsageError);
  EXPECT_EQ(known_labels("coco80").size(), 80u);
  EXPECT_EQ(known_labels("cifar10")[9], "truck");
}

/// The letterboxed pictures that the reference fed to the detectors.
TEST(Preprocess, LetterboxesAsTheReferencesDo) {
  const fs::path golden = shared_path("models/detect/golden");
  SKIP_WITHOUT_SHARED("models/detect/golden");
  ThreadPool threads(2);
  for (const std::string model : {"nanodet_m", "yolox_nano"}) {
    Preprocess preprocess = preset(model == "nanodet_m" ? "nanodet" : "yolox-legacy");
    preprocess.height = preprocess.width = 416;
    for (const std::string image : {"0_image_u8_416_000000058636", "1_image_u8_416_000000286994"}) {
      const Tensor expected = read_npy(golden / (model + "_" + image + ".npy"));
      const fs::path file = shared_path("images/coco_val50/images") / (image.substr(15) + ".jpg");
      const FittedImage fitted = fit_image(read_image(file), preprocess, file.string(), threads);
      const auto pixels = expected.span<uint8_t>();
      ASSERT_EQ(pixels.size(), fitted.image.pixels.size());
      int worst = 0;
      for (size_t i = 0; i < pixels.size(); ++i)
        worst = std::max(worst, std::abs(int{pixels[i]} - int{fitted.image.pixels[i]}));
      EXPECT_LE(worst, 1) << model << " " << image;
    }
  }
}

TEST(Preprocess, PlacesLetterboxedPictures) {
  ThreadPool threads(1);
  Preprocess preprocess;
  preprocess.fit = Fit::letterbox;
  preprocess.height = 64;
  preprocess.width = 32;
  preprocess.pad = 77;
  const FittedImage centred =
      fit_image(ramp(20, 11), preprocess, "r", threads);  // 32 x 17.6 -> 18, 46 left over
  EXPECT_EQ(centred.placement.top, 23);
  EXPECT_EQ(centred.placement.left, 0);
  EXPECT_DOUBLE_EQ(centred.placement.ratio_x, 1.6);
  EXPECT_EQ(centred.image.row(22)[0], 77);
  EXPECT_NE(centred.image.row(23)[2], 77);
  EXPECT_EQ(centred.image.row(41)[0], 77);
  preprocess.place = Place::top_left;
  preprocess.rounding = Rounding::down;
  preprocess.enlarge = false;
  const FittedImage corner = fit_image(ramp(20, 11), preprocess, "r", threads);
  EXPECT_EQ(corner.placement.top, 0);
  EXPECT_DOUBLE_EQ(corner.placement.ratio_y, 1);
  EXPECT_EQ(corner.image.row(10)[3 * 19], 19);
  EXPECT_EQ(corner.image.row(10)[3 * 20], 77);
}

TEST(Preprocess, CropsTheCentre) {
  ThreadPool threads(1);
  Preprocess preprocess;
  preprocess.crop_height = 4;
  preprocess.crop_width = 5;
  const FittedImage cropped = fit_image(ramp(10, 9), preprocess, "r", threads);
  EXPECT_EQ(cropped.image.width, 5);
  EXPECT_EQ(cropped.image.row(0)[0], 2);  // floor((10 - 5) / 2)
  EXPECT_EQ(cropped.image.row(0)[1], 2);
  EXPECT_EQ(cropped.placement.left, -2);
  EXPECT_THROW(fit_image(ramp(4, 9), preprocess, "r", threads), InputError);
}

TEST(Preprocess, NormalizesByChannelInTheModelsOrder) {
  Preprocess preprocess = parse_preprocess(
      {{"channels", "bgr"}, {"scale", 0.5}, {"mean", {1, 2, 3}}, {"std", {1, 2, 4}}}, "p.json");
  Image image(1, 1);
  image.pixels = {10, 20, 30};
  std::vector<float> out(3);
  normalize_pixels(image, preprocess, out);
  EXPECT_EQ(out, (std::vector<float>{14, 4, 0.5f}));
  preprocess = parse_preprocess({{"channels", "grey"}, {"mean", 1}}, "p.json");
  out.resize(1);
  normalize_pixels(image, preprocess, out);
  EXPECT_EQ(out[0], 17);  // 0.299 * 10 + 0.587 * 20 + 0.114 * 30 = 18.15
}

TEST(Preprocess, SaysWhatIsWrong) {
  EXPECT_NE(error_of({{"chanels", "rgb"}}).find("p.json: unknown key \"chanels\""), std::string::npos);
  EXPECT_NE(error_of({{"channels", "cmyk"}}).find("expected one of rgb, bgr, grey, found \"cmyk\""),
            std::string::npos);
  EXPECT_NE(error_of({{"resize", {{"size", 0}}}}).find("expected a size of 1 to"), std::string::npos);
  EXPECT_NE(error_of({{"resize", {{"mode", "shorter_side"}}}}).find("wants a key \"size\""),
            std::string::npos);
  EXPECT_NE(error_of({{"mean", {1, 2}}}).find("expected 3 numbers, found 2"), std::string::npos);
  EXPECT_NE(error_of({{"std", {1, 0, 1}}}).find("nothing divides"), std::string::npos);
  EXPECT_NE(error_of({{"resize", {{"pad", 256}}}}).find("expected 0 to 255"), std::string::npos);
}

TEST(Preprocess, ReadsTransformersConfigurations) {
  const Json vit = {{"do_resize", true},
                    {"size", {{"height", 224}, {"width", 200}}},
                    {"resample", 3},
                    {"do_rescale", true},
                    {"rescale_factor", 0.25},
                    {"do_normalize", true},
                    {"image_mean", {0.5, 0.5, 0.5}},
                    {"image_std", {0.25, 0.5, 0.5}}};
  const Preprocess ours = parse_preprocess(preprocess_from_hf(vit, "c.json"), "c.json");
  EXPECT_EQ(ours.fit, Fit::stretch);
  EXPECT_EQ(ours.height, 224);
  EXPECT_EQ(ours.width, 200);
  EXPECT_EQ(ours.resampler, Resampler::pillow_bicubic);
  EXPECT_EQ(ours.scale, 0.25f);
  EXPECT_EQ(ours.std[0], 0.25f);
  Json clip = vit;
  clip["size"] = {{"shortest_edge", 256}};
  clip["do_center_crop"] = true;
  clip["crop_size"] = 224;
  clip["do_normalize"] = false;
  const Preprocess cropped = parse_preprocess(preprocess_from_hf(clip, "c.json"), "c.json");
  EXPECT_EQ(cropped.fit, Fit::shorter_side);
  EXPECT_EQ(cropped.shorter_side, 256);
  EXPECT_EQ(cropped.crop_height, 224);
  EXPECT_EQ(cropped.mean[0], 0);
  clip["resample"] = 1;
  EXPECT_THROW(preprocess_from_hf(clip, "c.json"), UnsupportedError);
}

TEST(Preprocess, IsFoundBesideTheModel) {
  const fs::path folder = fs::path(testing::TempDir()) / "preprocess_test";
  fs::create_directories(folder);
  EXPECT_FALSE(find_preprocess(folder / "unheard_of.onnx"));
  EXPECT_EQ(find_preprocess(folder / "yolox_s.onnx")->source, "preset yolox");
  EXPECT_EQ(find_preprocess(folder / "yolox_nano_416.onnx")->source, "preset yolox-legacy");
  EXPECT_TRUE(find_preprocess(folder / "yolox_s.onnx")->guessed);
  std::ofstream(folder / "yolox_s.preprocess.json") << R"({"scale": 2})";
  EXPECT_FALSE(find_preprocess(folder / "yolox_s.onnx")->guessed);
  EXPECT_EQ(find_preprocess(folder / "yolox_s.onnx")->json["scale"], 2);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace halftone
