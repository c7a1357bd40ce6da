#include "models/vision_tower.h"

#include <cmath>
#include <gtest/gtest.h>

#include "backend/cpu/cpu.h"
#include "base/error.h"
#include "npy.h"
#include "runtime/session.h"
#include "shared_files.h"

namespace halftone {
namespace {

class VisionTower : public testing::TestWithParam<const char*> {};

/// Tower and projector give the tokens of transformers (tools/goldens/vision_tower.py).
TEST_P(VisionTower, TokensAreThoseOfTheReference) {
  const fs::path folder = source_path("tests/testdata/vision_tower") / GetParam();
  const Checkpoint checkpoint = open_checkpoint(folder);
  ThreadPool threads(2);
  CompileOptions options;
  options.backend = &cpu_backend();
  Session session(compile(build_vision_tower(checkpoint, checkpoint.config), options, threads), threads);
  session.run({{"pixel_values", read_npy(folder / "pixel_values.npy").view()}});
  const Tensor golden = read_npy(folder / "tokens.npy");
  const TensorView tokens = session.output("tokens");
  ASSERT_EQ(tokens.shape, golden.shape());
  for (size_t i = 0; i < golden.span<float>().size(); ++i)
    ASSERT_NEAR(tokens.span<float>()[i], golden.span<float>()[i], 2e-5) << i;
}

INSTANTIATE_TEST_SUITE_P(, VisionTower, testing::Values("clip", "siglip"),
                         [](const auto& test) { return std::string(test.param); });

TEST(VisionTowerConfig, RefusesWhatItDoesNotKnow) {
  const Checkpoint checkpoint = open_checkpoint(source_path("tests/testdata/vision_tower/clip"));
  Json config = checkpoint.config;
  config["projector"] = "resampler";
  EXPECT_THROW(build_vision_tower(checkpoint, config), UnsupportedError);
  config = checkpoint.config;
  config["vision_config"]["model_type"] = "dinov2";
  EXPECT_THROW(build_vision_tower(checkpoint, config), UnsupportedError);
  config = checkpoint.config;
  config["vision_config"].erase("hidden_size");
  EXPECT_THROW(build_vision_tower(checkpoint, config), InputError);
  config = checkpoint.config;
  config["scales"] = 0;
  EXPECT_THROW(build_vision_tower(checkpoint, config), InputError);
}

}  // namespace
}  // namespace halftone
